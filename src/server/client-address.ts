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
  const proxies = new BlockList();
  for (const entry of trusted) {
    const [address = '', prefix] = entry.split('/');
    const family = familyOf(address);
    if (prefix === undefined) proxies.addAddress(address, family);
    else proxies.addSubnet(address, Number(prefix), family);
  }
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

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}

/** An IPv4 address as such, also where a socket for both families wrote it as an IPv6 one. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}
