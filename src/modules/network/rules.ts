/** What makes the addresses and numbers of a virtual network consistent. Pure. */
import ipaddr from 'ipaddr.js';
import { type Issue, ValidationError } from '../../errors.js';

/** The part of a network that its rules look at; null is "not set". */
export interface NetworkShape {
  readonly networkType: 'VLAN' | 'OVERLAY' | 'EXTERNAL' | 'ISOLATED';
  readonly vlanId: number | null;
  readonly cidr: string | null;
  readonly gateway: string | null;
  readonly dhcpEnabled: boolean;
  readonly dhcpRangeStart: string | null;
  readonly dhcpRangeEnd: string | null;
}

/** Throws ValidationError with every fault at once. Addresses must be well-formed already. */
export function checkNetwork(network: NetworkShape): void {
  const issues = [...vlanIssues(network), ...addressIssues(network)];
  if (issues.length > 0) throw new ValidationError(issues);
}

function issue(field: string, message: string): Issue {
  return { path: [field], message };
}

function vlanIssues({ networkType, vlanId }: NetworkShape): Issue[] {
  if (networkType === 'VLAN' && vlanId === null)
    return [issue('vlanId', 'a VLAN network needs one, from 1 to 4094')];
  if (networkType !== 'VLAN' && vlanId !== null)
    return [issue('vlanId', `a network of type ${networkType} has none`)];
  return [];
}

function addressIssues(network: NetworkShape): Issue[] {
  const { cidr, gateway, dhcpEnabled, dhcpRangeStart: start, dhcpRangeEnd: end } = network;
  const placed = { gateway, dhcpRangeStart: start, dhcpRangeEnd: end };
  if (cidr === null) {
    const orphans = Object.entries(placed).filter(([, address]) => address !== null);
    const faults = orphans.map(([field]) => issue(field, 'needs a cidr to lie in'));
    return dhcpEnabled ? [issue('cidr', 'DHCP needs one'), ...faults] : faults;
  }
  const outside = Object.entries(placed).flatMap(([field, address]) =>
    address === null || isHostOf(cidr, address)
      ? []
      : [issue(field, `${address} is not a host address of ${cidr}`)],
  );
  if (outside.length > 0) return outside;
  return rangeIssues(network);
}

function rangeIssues({
  gateway,
  dhcpEnabled,
  dhcpRangeStart: start,
  dhcpRangeEnd: end,
}: NetworkShape): Issue[] {
  if ((start === null) !== (end === null))
    return [issue(start === null ? 'dhcpRangeStart' : 'dhcpRangeEnd', 'a range has both ends')];
  if (start === null || end === null)
    return dhcpEnabled ? [issue('dhcpRangeStart', 'DHCP needs a range')] : [];
  const [low, high] = [numberOf(start), numberOf(end)];
  if (low > high) return [issue('dhcpRangeEnd', `${end} lies before ${start}`)];
  if (gateway !== null && low <= numberOf(gateway) && numberOf(gateway) <= high) {
    return [issue('dhcpRangeStart', `the range contains the gateway ${gateway}`)];
  }
  return [];
}

/** An address as a number, for comparing within one family. */
export function numberOf(address: string): bigint {
  return ipaddr
    .parse(address)
    .toByteArray()
    .reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

/** Whether a machine or router may have `address` in `cidr`: inside, and in IPv4 neither the network's nor the broadcast address (a /31 and /32 have neither). */
export function isHostOf(cidr: string, address: string): boolean {
  const [network, length] = ipaddr.parseCIDR(cidr);
  const host = ipaddr.parse(address);
  if (network.kind() !== host.kind() || !host.match(network, length)) return false;
  if (network.kind() === 'ipv6' || length >= 31) return true;
  const first = numberOf(network.toString());
  const last = first + (1n << BigInt(32 - length)) - 1n;
  const value = numberOf(address);
  return value !== first && value !== last;
}
