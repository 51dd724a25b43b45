/** What Linux tells about network interfaces. */
import { join } from 'node:path';
import { namesIn, optionalNumber, optionalText } from './linux-files.js';
import type { NodeSpec } from './types.js';

export type InterfaceCounterName = 'receivedBytes' | 'transmittedBytes';
export type InterfaceCounters = Record<InterfaceCounterName, number>;

/** Reads /proc/net/dev: counters since boot for each interface. */
export function parseNetDev(text: string): Map<string, InterfaceCounters> {
  const interfaces = new Map<string, InterfaceCounters>();
  for (const line of text.split('\n')) {
    // The two heading lines have no colon. Old kernels print no space after it.
    const colon = line.lastIndexOf(':');
    if (colon < 0) continue;
    const columns = line
      .slice(colon + 1)
      .trim()
      .split(/\s+/)
      .map(Number);
    const [receivedBytes, , , , , , , , transmittedBytes] = columns;
    if (receivedBytes === undefined || transmittedBytes === undefined) continue;
    interfaces.set(line.slice(0, colon).trim(), { receivedBytes, transmittedBytes });
  }
  return interfaces;
}

type Network = NodeSpec['networks'][number];

/**
 * The node's network ports, from /sys/class/net. Only real ports count: traffic of a guest passes its tap, a bridge,
 * perhaps a bond, and would be counted at each. Where there is no real port (inside a container), every Ethernet
 * interface counts.
 */
export async function listNetworks(sysNet: string): Promise<Network[]> {
  const names = await namesIn(sysNet);
  const found = await Promise.all(
    names.map(async (name) => ({
      network: await readNetwork(sysNet, name),
      real: (await namesIn(join(sysNet, name, 'device'))).length > 0,
    })),
  );
  const real = found.filter((one) => one.real);
  const counted = real.some(({ network }) => network !== null) ? real : found;
  return counted.flatMap(({ network }) => (network === null ? [] : [network]));
}

/** ARPHRD_ETHER: whose addresses are MAC addresses. Loopback, tunnels and InfiniBand are of other types. */
const ETHERNET = 1;

/** One interface; null when it is no Ethernet interface, or vanished. */
export async function readNetwork(sysNet: string, name: string): Promise<Network | null> {
  const folder = join(sysNet, name);
  const [type, address, mtu, speed] = await Promise.all([
    optionalNumber(join(folder, 'type')),
    optionalText(join(folder, 'address')),
    optionalNumber(join(folder, 'mtu')),
    optionalNumber(join(folder, 'speed')),
  ]);
  if (type !== ETHERNET || address === null || mtu === null) return null;
  return { name, macAddress: address.trim(), speedMbps: knownSpeed(speed), mtu };
}

/** The kernel's word for "unknown" is -1, and on some drivers the same read as unsigned. */
function knownSpeed(speedMbps: number | null): number | null {
  return speedMbps === null || speedMbps <= 0 || speedMbps >= 0xffff_ffff ? null : speedMbps;
}
