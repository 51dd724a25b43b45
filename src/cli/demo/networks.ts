/**
 * The demo's virtual networks. Inside are private addresses (RFC 1918), outside is a range that is set aside for
 * documentation (RFC 5737): nothing here can be anybody's real address.
 */
import type { Prisma } from '../../gen/client/client.js';
import { type Ago, demoId } from './ids.js';
import { type ProjectName, projectId } from './projects.js';

export type NetworkName =
  | 'management'
  | 'production'
  | 'storage'
  | 'analytics-overlay'
  | 'external';

export const networkId = (name: NetworkName): string => demoId('VirtualNetwork', name);

interface NetworkPlan {
  readonly name: NetworkName;
  readonly type: 'VLAN' | 'OVERLAY' | 'EXTERNAL';
  readonly vlan?: number;
  readonly mtu?: number;
  /** The first three bytes of its first addresses. */
  readonly prefix: string;
  readonly bits: number;
  readonly gateway: boolean;
  readonly dhcp?: readonly [start: string, end: string];
  /** Whose it is; shared by all when not given. */
  readonly project?: ProjectName;
  /** The last byte of the first address that a machine of the demo gets here. */
  readonly firstHost: number;
  readonly days: number;
  readonly description: string;
}

// biome-ignore format: a table
const NETWORKS: readonly NetworkPlan[] = [
  { name: 'management', type: 'VLAN', vlan: 10, prefix: '10.10.0', bits: 24, gateway: true, firstHost: 40, days: 56.5,
    description: 'Hypervisors, switches and whoever administers them. Addresses are given by hand.' },
  { name: 'production', type: 'VLAN', vlan: 100, prefix: '10.100.0', bits: 22, gateway: true, dhcp: ['10.100.2.1', '10.100.3.250'], firstHost: 20, days: 56.4,
    description: 'Where services talk to each other.' },
  { name: 'storage', type: 'VLAN', vlan: 300, mtu: 9_000, prefix: '10.30.0', bits: 24, gateway: false, firstHost: 60, days: 56.3,
    description: 'Ceph and NFS, with jumbo frames. Leads nowhere else.' },
  { name: 'analytics-overlay', type: 'OVERLAY', mtu: 1_450, prefix: '172.16.40', bits: 24, gateway: true, dhcp: ['172.16.40.100', '172.16.40.199'], project: 'analytics', firstHost: 20, days: 46.5,
    description: 'Private to analytics, and the same in both racks.' },
  { name: 'external', type: 'EXTERNAL', prefix: '203.0.113', bits: 24, gateway: true, firstHost: 10, days: 56.2,
    description: 'Public addresses.' },
];

/** Where the demo's two name servers are, on the network production. */
const NAME_SERVERS = ['10.100.0.20', '10.100.0.21'];

export function networkRows(ago: Ago): Prisma.VirtualNetworkCreateManyInput[] {
  return NETWORKS.map((network) => ({
    id: networkId(network.name),
    name: network.name,
    networkType: network.type,
    description: network.description,
    vlanId: network.vlan ?? null,
    mtu: network.mtu ?? 1_500,
    cidr: `${network.prefix}.0/${network.bits}`,
    gateway: network.gateway ? `${network.prefix}.1` : null,
    dhcpEnabled: network.dhcp !== undefined,
    dhcpRangeStart: network.dhcp?.[0] ?? null,
    dhcpRangeEnd: network.dhcp?.[1] ?? null,
    dnsServers: network.gateway ? NAME_SERVERS : [],
    phase: 'READY',
    projectId: network.project ? projectId(network.project) : null,
    createdAt: ago(network.days),
    updatedAt: ago(network.days),
  }));
}

/** Hands out addresses, one after the other; each call of this starts from the beginning. */
export function addressBook(): (network: NetworkName) => string {
  const next = new Map(NETWORKS.map(({ name, firstHost }) => [name, firstHost]));
  const prefixes = new Map(NETWORKS.map(({ name, prefix }) => [name, prefix]));
  return (network) => {
    const host = next.get(network) ?? 0;
    next.set(network, host + 1);
    return `${prefixes.get(network)}.${host}`;
  };
}
