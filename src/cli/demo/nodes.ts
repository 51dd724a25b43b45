/** The demo's hypervisor nodes: six machines in two racks. */
import type { Prisma } from '../../gen/client/client.js';
import type { Capacity, Condition } from '../../modules/node/rules.js';
import { allocatableOf, type NodeSpec, type SystemInfo } from '../../modules/node/spec.js';
import { type ClusterName, clusterId } from './clusters.js';
import { HARDWARE, type HardwareName } from './hardware.js';
import { type Ago, demoId, demoMac } from './ids.js';

export type NodeName = 'hv-a01' | 'hv-a02' | 'hv-a03' | 'hv-b01' | 'hv-b02' | 'hv-b03';

export const nodeId = (hostname: NodeName): string => demoId('HypervisorNode', hostname);

interface NodePlan {
  readonly hostname: NodeName;
  readonly cluster: ClusterName;
  readonly rack: 'a' | 'b';
  readonly hardware: HardwareName;
  readonly ip: string;
  readonly days: number;
  readonly inMaintenance?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
}

// biome-ignore format: a table
export const NODES: readonly NodePlan[] = [
  { hostname: 'hv-a01', cluster: 'production',  rack: 'a', hardware: 'epyc64',  ip: '10.10.0.11', days: 56.9 },
  { hostname: 'hv-b01', cluster: 'production',  rack: 'b', hardware: 'xeon56',  ip: '10.10.0.21', days: 56.8 },
  { hostname: 'hv-b02', cluster: 'production',  rack: 'b', hardware: 'xeon56',  ip: '10.10.0.22', days: 56.7, inMaintenance: true },
  { hostname: 'hv-a02', cluster: 'production',  rack: 'a', hardware: 'storage', ip: '10.10.0.12', days: 56.6, labels: { storage: 'dense' } },
  { hostname: 'hv-a03', cluster: 'development', rack: 'a', hardware: 'epyc32',  ip: '10.10.0.13', days: 55.9 },
  { hostname: 'hv-b03', cluster: 'development', rack: 'b', hardware: 'gpu',     ip: '10.10.0.23', days: 41.2, labels: { accelerator: 'gpu', 'gpu/count': '4', 'gpu/memory-gib': '48' } },
];

/** When the node in maintenance was taken out of service; its audit entry and its alert say the same. */
export const MAINTENANCE_SINCE_DAYS = 0.3;

/** The cluster that a node belongs to. */
export function clusterOf(hostname: NodeName): ClusterName {
  const node = NODES.find((plan) => plan.hostname === hostname);
  if (!node) throw new Error(`the demo has no node ${hostname}`);
  return node.cluster;
}

/** As the simulated agents report it, so that their first report changes nothing. */
const SYSTEM: SystemInfo = {
  os: 'Alpine Linux v3.22',
  kernel: '6.12.38-0-lts',
  architecture: 'x86_64',
  hypervisorVersion: 'QEMU 10.0.3',
  agentVersion: '0.1.0',
};

/** Gives the network ports of a model the addresses that they have in this very machine. */
function specOf({ hostname, hardware }: NodePlan): NodeSpec {
  const { portsMbps, ...spec } = HARDWARE[hardware];
  const networks = portsMbps.map((speedMbps, index) => ({
    name: `eno${index + 1}`,
    // 02 marks an address of the locally administered range, which no manufacturer hands out
    macAddress: demoMac('02:a0:5e', `${hostname}/${index}`),
    speedMbps,
    mtu: speedMbps >= 10_000 ? 9_000 : 1_500,
  }));
  return { ...structuredClone(spec), networks };
}

function conditionsOf(since: Date): Condition[] {
  const changedAt = since.toISOString();
  const at = { changedAt };
  return [
    { type: 'Ready', status: 'TRUE', reason: 'AgentReports', message: 'The agent reports', ...at },
    { type: 'MemoryPressure', status: 'FALSE', reason: 'EnoughMemory', message: '', ...at },
    { type: 'DiskPressure', status: 'FALSE', reason: 'EnoughSpace', message: '', ...at },
  ];
}

export interface Claim {
  readonly nodeId: string | null;
  readonly capacityClaimed: boolean;
  readonly resources: Capacity;
}

/** The sum of what the virtual machines hold on the node. */
function allocatedOf(id: string, claims: readonly Claim[]): Capacity {
  const allocated = { vcpus: 0, memoryMib: 0, storageGib: 0 };
  for (const { nodeId, capacityClaimed, resources } of claims) {
    if (nodeId !== id || !capacityClaimed) continue;
    allocated.vcpus += resources.vcpus;
    allocated.memoryMib += resources.memoryMib;
    allocated.storageGib += resources.storageGib;
  }
  return allocated;
}

export interface NodeFigures {
  readonly allocatable: Capacity & Prisma.InputJsonObject;
  readonly allocated: Capacity & Prisma.InputJsonObject;
}

/** Rows whose `allocated` is the sum of the claims. */
export function nodeRows(
  ago: Ago,
  claims: readonly Claim[],
): (Prisma.NodeCreateManyInput & NodeFigures)[] {
  return NODES.map((plan) => {
    const id = nodeId(plan.hostname);
    const spec = specOf(plan);
    return {
      id,
      hostname: plan.hostname,
      managementIp: plan.ip,
      clusterId: clusterId(plan.cluster),
      labels: { rack: `rack-${plan.rack}`, zone: `zone-${plan.rack}`, ...plan.labels },
      spec,
      // What is observed: the agent of a node in maintenance reports like any other. The intent takes it out of service.
      phase: 'READY',
      intent: plan.inMaintenance ? 'MAINTENANCE' : 'IN_SERVICE',
      conditions: conditionsOf(ago(plan.days - 0.01)) as unknown as Prisma.InputJsonArray,
      allocatable: { ...allocatableOf(spec) },
      allocated: { ...allocatedOf(id, claims) },
      systemInfo: { ...SYSTEM },
      lastHeartbeat: ago(0),
      version: plan.inMaintenance ? 2 : 1,
      createdAt: ago(plan.days),
      updatedAt: plan.inMaintenance ? ago(MAINTENANCE_SINCE_DAYS) : ago(plan.days),
    };
  });
}
