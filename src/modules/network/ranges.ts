/**
 * Which addresses of a network machines may have, and which of those are given without being asked for. Pure.
 * Addresses are numbers here: a /64 has more of them than can be listed, or than a JavaScript number holds.
 */
import ipaddr from 'ipaddr.js';
import { numberOf } from './rules.js';

/** The part of a network that says which addresses it has; null is "not set". */
export interface AddressPlan {
  readonly cidr: string;
  readonly gateway: string | null;
  readonly dhcpRangeStart: string | null;
  readonly dhcpRangeEnd: string | null;
}

/** From `first` to `last`, both included; `bits`: 32 or 128, the length of an address. */
export interface AddressRange {
  readonly bits: 32 | 128;
  readonly first: bigint;
  readonly last: bigint;
}

/**
 * The hosts of a network: without its own address and, in IPv4, without the broadcast address.
 * A network of one or two addresses (/31, /32, /127, /128) has neither: all of it is hosts.
 */
export function hostRange(cidr: string): AddressRange {
  const [address, length] = ipaddr.parseCIDR(cidr);
  const bits = address.kind() === 'ipv4' ? 32 : 128;
  const size = 1n << BigInt(bits - length);
  const first = (numberOf(address.toString()) / size) * size;
  const last = first + size - 1n;
  if (size <= 2n) return { bits, first, last };
  return { bits, first: first + 1n, last: bits === 32 ? last - 1n : last };
}

/** Where addresses are taken from when nobody asks for a certain one: the DHCP range if there is one, else all hosts. */
export function poolRange(plan: AddressPlan): AddressRange {
  const hosts = hostRange(plan.cidr);
  if (plan.dhcpRangeStart === null || plan.dhcpRangeEnd === null) return hosts;
  const [start, end] = [numberOf(plan.dhcpRangeStart), numberOf(plan.dhcpRangeEnd)];
  return {
    ...hosts,
    first: start > hosts.first ? start : hosts.first,
    last: end < hosts.last ? end : hosts.last,
  };
}

/** How many machines a range has addresses for: the gateway's is not for them. */
export function sizeOf(range: AddressRange, gateway: string | null): bigint {
  const size = range.last - range.first + 1n;
  return gateway !== null && contains(range, numberOf(gateway)) ? size - 1n : size;
}

/** How full a network is. */
export interface Utilisation {
  readonly totalAddresses: bigint;
  readonly usedAddresses: bigint;
  readonly freeAddresses: bigint;
}

/** @param used addresses that are held; null for a network whose addresses are not managed */
export function utilisationOf(
  cidr: string | null,
  gateway: string | null,
  used: number,
): Utilisation | null {
  if (cidr === null) return null;
  const totalAddresses = sizeOf(hostRange(cidr), gateway);
  const usedAddresses = BigInt(used);
  return { totalAddresses, usedAddresses, freeAddresses: totalAddresses - usedAddresses };
}

export function contains({ first, last }: AddressRange, value: bigint): boolean {
  return first <= value && value <= last;
}

/** The address of this number, in its usual spelling. */
export function addressOf(value: bigint, bits: AddressRange['bits']): string {
  const bytes = Array.from({ length: bits / 8 }, (_, i) =>
    Number((value >> BigInt(bits - 8 * (i + 1))) & 0xffn),
  );
  return ipaddr.fromByteArray(bytes).toString();
}

/** One spelling for each address: `2001:DB8:0::1` and `2001:db8::1` are the same. Must be well-formed. */
export function canonical(address: string): string {
  return ipaddr.fromByteArray(ipaddr.parse(address).toByteArray()).toString();
}

/** Why a machine cannot have this address, or null when it can. Must be well-formed. */
export function unusable(plan: AddressPlan, address: string): string | null {
  const hosts = hostRange(plan.cidr);
  const parsed = ipaddr.parse(address);
  const bits = parsed.kind() === 'ipv4' ? 32 : 128;
  const value = numberOf(address);
  if (address.includes('%') || bits !== hosts.bits || !contains(hosts, value))
    return `${address} is not a host address of ${plan.cidr}`;
  if (plan.gateway !== null && value === numberOf(plan.gateway))
    return `${address} is the gateway of the network`;
  return null;
}

/** A local MAC address: `prefix` (three bytes, as in 52:54:00) and what `random` gives, three bytes. */
export function macAddressOf(prefix: string, random: Uint8Array): string {
  const tail = [...random.subarray(0, 3)].map((byte) => byte.toString(16).padStart(2, '0'));
  return [prefix, ...tail].join(':');
}
