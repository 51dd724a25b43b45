/** The demo's projects, their quotas, and what is used of them. */
import type { Prisma } from '../../gen/client/client.js';
import { normalizeQuota, type Quota, type UsageRow } from '../../modules/project/rules.js';
import type { VmResources } from '../../modules/virtual-machine/spec.js';
import { type Ago, demoId } from './ids.js';

export type ProjectName = 'web-shop' | 'analytics' | 'platform';

export const projectId = (name: ProjectName): string => demoId('Project', name);

interface ProjectPlan {
  readonly name: ProjectName;
  readonly days: number;
  readonly description: string;
  readonly quota: Quota;
}

export const PROJECTS: readonly ProjectPlan[] = [
  {
    name: 'platform',
    days: 55,
    description: 'What the other teams build on: names, monitoring, source code, the way in.',
    quota: { virtualMachines: 16, vcpus: 96, memoryMib: 393_216, storageGib: 4_096, volumes: 32 },
  },
  {
    name: 'web-shop',
    days: 49,
    description: 'The online shop, from the storefront to its databases.',
    quota: {
      virtualMachines: 20,
      vcpus: 128,
      memoryMib: 655_360,
      storageGib: 8_192,
      volumes: 40,
      snapshots: 16,
    },
  },
  {
    name: 'analytics',
    days: 47,
    description: 'The data warehouse, batch processing and experiments on GPUs.',
    quota: {
      virtualMachines: 12,
      vcpus: 160,
      memoryMib: 1_048_576,
      storageGib: 12_288,
      volumes: 24,
      snapshots: 8,
    },
  },
];

const GIB = 1_073_741_824n;

/** What counts against a quota. */
export interface Holdings {
  readonly machines: readonly { projectId: string; resources: VmResources }[];
  readonly volumes: readonly { projectId: string; sizeBytes: number | bigint }[];
  readonly snapshots: readonly { projectId: string }[];
}

function usageOf(project: string, holdings: Holdings): UsageRow {
  const mine = <T extends { projectId: string }>(rows: readonly T[]): T[] =>
    rows.filter((row) => row.projectId === project);
  const sum = <T>(rows: readonly T[], of: (row: T) => number): number =>
    rows.reduce((total, row) => total + of(row), 0);
  const machines = mine(holdings.machines);
  const volumes = mine(holdings.volumes);
  return {
    usedVirtualMachines: machines.length,
    usedVcpus: sum(machines, ({ resources }) => resources.vcpus),
    usedMemoryMib: sum(machines, ({ resources }) => resources.memoryMib),
    usedStorageGib: sum(volumes, ({ sizeBytes }) => Number((BigInt(sizeBytes) + GIB - 1n) / GIB)),
    usedVolumes: volumes.length,
    usedSnapshots: mine(holdings.snapshots).length,
  };
}

export function projectRows(ago: Ago, holdings: Holdings): Prisma.ProjectCreateManyInput[] {
  return PROJECTS.map(({ name, days, description, quota }) => ({
    id: projectId(name),
    name,
    description,
    quota: normalizeQuota(quota),
    ...usageOf(projectId(name), holdings),
    createdAt: ago(days),
    updatedAt: ago(days),
  }));
}
