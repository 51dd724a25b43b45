/** Whose request it is, where proxies stand in between. */
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

/** Whether a client speaks TLS to the proxy that its request came through; only of proxies that are trusted. */
export function encryptedBefore(
  trusted: readonly string[],
): (connection: string | undefined, forwardedProto: string | null | undefined) => boolean {
  const proxies = proxiesOf(trusted);
  return (connection, forwardedProto) => {
    if (connection === undefined || !forwardedProto) return false;
    const peer = plain(connection);
    // The last one said so of whom it got the request from; what stands before may be the client's invention.
    const last = forwardedProto.split(',').at(-1)?.trim().toLowerCase();
    return last === 'https' && proxies.check(peer, familyOf(peer));
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
