/** Whose request it is, and how it came, where proxies stand in between. */
import { BlockList, isIP } from 'node:net';

/** @returns the client's address, given the connection's own and the X-Forwarded-For header; null when neither is known */
export type ClientAddress = (
  connection: string | undefined,
  forwardedFor: string | readonly string[] | null | undefined,
) => string | null;

/**
 * Each proxy appends whom it got the request from, so the header is read from its end and only as far as every hop is trusted:
 * what stands before an address that is not may be the client's invention.
 *
 * @param trusted addresses and CIDR ranges of proxies
 */
export function clientAddresses(trusted: readonly string[]): ClientAddress {
  const proxies = proxiesOf(trusted);
  return (connection, forwardedFor) => {
    if (connection === undefined) return null;
    let client = plain(connection);
    const hops = forwardedFor ? String(forwardedFor).split(',') : [];
    for (const hop of hops.reverse()) {
      const named = plain(hop.trim());
      if (!proxies.check(client, familyOf(client)) || isIP(named) === 0) break;
      client = named;
    }
    return client;
  };
}

/** A connection, as far as it matters here. */
interface Connection {
  readonly remoteAddress?: string | undefined;
  /** Of a TLS socket. */
  readonly encrypted?: boolean;
}

/** @returns whether the client's own connection is encrypted: to us, or to a proxy that we believe */
export function clientEncryption(
  trusted: readonly string[],
): (connection: Connection | undefined, forwardedProto: string | null) => boolean {
  const proxies = proxiesOf(trusted);
  return (connection, forwardedProto) => {
    if (connection?.encrypted) return true;
    const peer = plain(connection?.remoteAddress ?? '');
    if (isIP(peer) === 0 || !proxies.check(peer, familyOf(peer))) return false;
    // Each proxy may append its own: one that came in the clear is enough.
    const hops = (forwardedProto ?? '').split(',').map((hop) => hop.trim().toLowerCase());
    return hops.every((hop) => hop === 'https');
  };
}

function proxiesOf(trusted: readonly string[]): BlockList {
  const proxies = new BlockList();
  for (const entry of trusted) {
    const [address = '', prefix] = entry.split('/');
    const family = familyOf(address);
    if (prefix === undefined) proxies.addAddress(address, family);
    else proxies.addSubnet(address, Number(prefix), family);
  }
  return proxies;
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}

/** An IPv4 address as such, also where a socket for both families wrote it as an IPv6 one. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}
