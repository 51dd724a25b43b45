/** The demo's recommendations of load balancing: some wait, the others are history. */
import type { Prisma } from '../../gen/client/client.js';
import type { DrsPriority, DrsRecommendationType, DrsStatus } from '../../gen/client/enums.js';
import { type Facts, memoryShare } from './alerts.js';
import { clusterId } from './clusters.js';
import { type Ago, demoId } from './ids.js';
import { APPS, MACHINES, type MachineName } from './machines.js';
import { type NodeName, nodeId } from './nodes.js';
import { userId } from './users.js';
import { machineId } from './volumes.js';

interface RecommendationPlan {
  readonly priority: DrsPriority;
  readonly status: DrsStatus;
  /** MIGRATE when not given. */
  readonly type?: DrsRecommendationType;
  readonly vm?: MachineName;
  readonly from?: NodeName;
  readonly to?: NodeName;
  /** Percentage points of CPU load that the source loses. */
  readonly cpu: number;
  /** Days since it was made, and since somebody (or time) decided about it. */
  readonly days: readonly [made: number, decided?: number];
  readonly reason: string;
}

// biome-ignore format: a table
function plans(facts: Facts): RecommendationPlan[] {
  const share = memoryShare(facts, nodeId('hv-a01'));
  return [
    { priority: 'CRITICAL', status: 'PENDING', vm: 'spark-01', from: 'hv-a01', to: 'hv-b01', cpu: 14.2, days: [0.05],
      reason: `The virtual machines of hv-a01 hold ${share} % of its memory. spark-01 alone holds a quarter, and hv-b01 has room for it.` },
    { priority: 'HIGH', status: 'APPROVED', vm: 'git-01', from: 'hv-a01', to: 'hv-a02', cpu: 2.3, days: [0.05, 0.03],
      reason: 'A quick move with little effect on its users, until spark-01 may be moved.' },
    { priority: 'LOW', status: 'PENDING', vm: 'shop-cache-01', from: 'hv-a01', to: 'hv-a02', cpu: 1.1, days: [0.05],
      reason: 'Helps the balance of hv-a01 and hv-a02 a little. Its cache would have to fill again.' },
    { priority: 'MEDIUM', status: 'APPLIED', vm: 'shop-api-02', from: 'hv-a01', to: 'hv-b01', cpu: 5.4, days: [5.13, 5.1],
      reason: 'CPU load of hv-a01 stayed at 87 % for three rounds while that of hv-b01 was below 40 %.' },
    { priority: 'HIGH', status: 'APPLIED', vm: 'monitoring-01', from: 'hv-b01', to: 'hv-a02', cpu: 4.8, days: [30.43, 30.4],
      reason: 'Memory of hv-b01 was at 91 %. monitoring-01 is the smallest machine whose move brings it below 85 %.' },
    { priority: 'MEDIUM', status: 'EXPIRED', vm: 'shop-web-02', from: 'hv-b01', to: 'hv-a02', cpu: 3.7, days: [9.8, 9.5],
      reason: 'CPU load of hv-b01 was at 86 %. It fell again before anybody decided.' },
    { priority: 'LOW', status: 'REJECTED', vm: 'shop-db-02', from: 'hv-b01', to: 'hv-a02', cpu: 9.6, days: [12.2, 11.9],
      reason: 'Would even out memory. The replica reads from local flash on hv-b01 and stays there.' },
    { priority: 'LOW', status: 'REJECTED', type: 'POWER_OFF', from: 'hv-b02', cpu: 0, days: [18.1, 17.8],
      reason: 'At night three nodes would do. Kept on as a spare.' },
    { priority: 'MEDIUM', status: 'EXPIRED', type: 'POWER_ON', to: 'hv-b02', cpu: 0, days: [33.6, 33.2],
      reason: 'The load of the evening would leave less than a tenth of the memory free.' },
  ];
}

/** Copies the memory at 1.2 GiB a second, and takes a while to begin and to end. */
const secondsToMove = (memoryGib: number): number => Math.ceil(memoryGib / 1.2) + 8;

/** The share of the source's memory that leaves with the machine, in percent with one decimal. */
function memoryImpact(facts: Facts, memoryGib: number, from: NodeName): number {
  const total = facts.nodes.find((row) => row.id === nodeId(from))?.allocatable.memoryMib ?? 0;
  return Math.round((1_000 * memoryGib * 1_024) / total) / 10;
}

export function recommendationRows(
  ago: Ago,
  facts: Facts,
): Prisma.DrsRecommendationCreateManyInput[] {
  return plans(facts).map(({ vm, from, to, days: [made, decided], ...plan }) => {
    const machine = MACHINES.find(({ name }) => name === vm);
    const memoryGib = machine ? APPS[machine.app].memoryGib : 0;
    const type = plan.type ?? 'MIGRATE';
    const applied = plan.status === 'APPLIED' && decided !== undefined;
    return {
      id: demoId('DrsRecommendation', `${type}/${vm ?? from ?? to}`),
      clusterId: clusterId('production'),
      priority: plan.priority,
      recommendationType: type,
      reason: plan.reason,
      virtualMachineId: vm ? machineId(vm) : null,
      sourceNodeId: from ? nodeId(from) : null,
      targetNodeId: to ? nodeId(to) : null,
      impactCpu: plan.cpu,
      impactMemory: from ? memoryImpact(facts, memoryGib, from) : 0,
      estimatedDuration: type === 'MIGRATE' ? secondsToMove(memoryGib) : 240,
      status: plan.status,
      appliedAt: applied ? ago(decided) : null,
      appliedById: applied ? userId('admin') : null,
      version: decided === undefined ? 1 : 2,
      createdAt: ago(made),
      updatedAt: ago(decided ?? made),
    };
  });
}
