/** The demo's storage pools. */
import type { Prisma } from '../../gen/client/client.js';
import { type Ago, demoId } from './ids.js';
import { NODES, type NodeName, nodeId } from './nodes.js';

export type PoolName = 'ceph-ssd' | 'local-nvme' | 'nfs-library';

export const poolId = (name: PoolName): string => demoId('StoragePool', name);

interface PoolPlan {
  readonly name: PoolName;
  readonly type: 'CEPH_RBD' | 'LOCAL_LVM' | 'NFS';
  readonly capacityGib: number;
  readonly backend: Prisma.InputJsonObject;
  readonly provisioning: 'THIN' | 'THICK_LAZY';
  /** Limits of each of its volumes. */
  readonly qos: Prisma.InputJsonObject;
  /** Where it can be reached; everywhere when not given. */
  readonly nodes?: readonly NodeName[];
  readonly labels: Readonly<Record<string, string>>;
  readonly days: number;
  readonly description: string;
}

const POOLS: readonly PoolPlan[] = [
  {
    name: 'ceph-ssd',
    type: 'CEPH_RBD',
    capacityGib: 40_960,
    backend: {
      monitors: ['10.30.0.11:6789', '10.30.0.12:6789', '10.30.0.13:6789'],
      poolName: 'vm-ssd',
      user: 'quantix',
    },
    provisioning: 'THIN',
    qos: { maxIops: 50_000, maxThroughputBytes: 1_073_741_824 },
    labels: { tier: 'fast', replicas: '3' },
    days: 56.1,
    description: 'Three copies on flash, in both racks. Where virtual machines live.',
  },
  {
    name: 'nfs-library',
    type: 'NFS',
    capacityGib: 2_048,
    backend: { server: '10.30.0.40', exportPath: '/srv/quantix/library', version: '4.2' },
    provisioning: 'THICK_LAZY',
    qos: { maxIops: 2_000, maxThroughputBytes: 268_435_456 },
    labels: { tier: 'bulk' },
    days: 56,
    description: 'Images, and what is kept for later.',
  },
  {
    name: 'local-nvme',
    type: 'LOCAL_LVM',
    capacityGib: 3_500,
    backend: { volumeGroup: 'vg_nvme', thinPool: 'thin' },
    provisioning: 'THIN',
    qos: { maxIops: 400_000, maxThroughputBytes: 3_221_225_472 },
    nodes: ['hv-b03'],
    labels: { tier: 'scratch' },
    days: 41.1,
    description: 'Next to the GPUs, fast and not replicated. Nothing that cannot be made again.',
  },
];

/** Anything that takes room in a pool. */
export interface Stored {
  readonly poolId?: string | null | undefined;
  readonly sizeBytes: bigint;
  /** Of a volume: what is set aside for it. */
  readonly claimedBytes?: bigint;
}

export interface PoolFigures {
  readonly capacityBytes: bigint;
  readonly usedBytes: bigint;
}

/** Rows whose `usedBytes` is the size of everything in them, and `claimedBytes` what its volumes claim. */
export function poolRows(
  ago: Ago,
  stored: readonly Stored[],
): (Prisma.StoragePoolCreateManyInput & PoolFigures)[] {
  return POOLS.map(({ name, type, capacityGib, days, ...plan }) => {
    const id = poolId(name);
    const capacityBytes = BigInt(capacityGib) * 1_073_741_824n;
    const inside = stored.filter((item) => item.poolId === id);
    const usedBytes = inside.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0n);
    const claimedBytes = inside.reduce((sum, item) => sum + (item.claimedBytes ?? 0n), 0n);
    return {
      id,
      name,
      poolType: type,
      description: plan.description,
      spec: {
        backend: plan.backend,
        defaults: { provisioning: plan.provisioning, accessMode: 'READ_WRITE_ONCE' },
        qos: plan.qos,
      },
      phase: 'READY',
      capacityBytes,
      usedBytes,
      claimedBytes,
      availableBytes: capacityBytes - usedBytes,
      labels: { ...plan.labels },
      assignedNodeIds: (plan.nodes ?? NODES.map(({ hostname }) => hostname)).map(nodeId),
      createdAt: ago(days),
      updatedAt: ago(days),
    };
  });
}
