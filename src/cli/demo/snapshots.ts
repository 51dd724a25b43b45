/** The demo's snapshots: a tree with a branch on a database, and single ones elsewhere. */
import type { Prisma } from '../../gen/client/client.js';
import type { PowerState } from '../../gen/client/enums.js';
import { type Ago, demoId } from './ids.js';
import { APPS, MACHINES, type MachineName } from './machines.js';
import { projectId } from './projects.js';
import { type Username, userId } from './users.js';
import { machineId } from './volumes.js';

interface SnapshotPlan {
  readonly vm: MachineName;
  readonly name: string;
  readonly parent?: string;
  readonly sizeMib: number;
  readonly vmState: PowerState;
  readonly failed?: boolean;
  /** Nobody: a schedule took it. */
  readonly by: Username | null;
  readonly days: number;
  readonly description: string;
}

// A parent stands above its children, and is older.
// biome-ignore format: a table
const SNAPSHOTS: readonly SnapshotPlan[] = [
  { vm: 'shop-db-01', name: 'fresh-install', sizeMib: 3_112, vmState: 'STOPPED', by: 'operator', days: 46.2, description: 'Before the first data.' },
  { vm: 'shop-db-01', name: 'before-schema-41', parent: 'fresh-install', sizeMib: 48_640, vmState: 'RUNNING', by: 'operator', days: 30.1, description: 'Last state that release 40 can read.' },
  { vm: 'shop-db-01', name: 'try-partitions', parent: 'before-schema-41', sizeMib: 21_504, vmState: 'STOPPED', by: 'operator', days: 29.6, description: 'Orders by month. Slower than hoped.' },
  { vm: 'shop-db-01', name: 'schema-41', parent: 'before-schema-41', sizeMib: 57_344, vmState: 'RUNNING', by: 'operator', days: 28.9, description: 'After the migration.' },
  { vm: 'shop-db-01', name: 'before-sale', parent: 'schema-41', sizeMib: 73_728, vmState: 'RUNNING', by: null, days: 14.3, description: 'The evening before the autumn sale.' },
  { vm: 'shop-db-01', name: 'after-sale', parent: 'before-sale', sizeMib: 91_136, vmState: 'RUNNING', by: null, days: 7.3, description: '' },
  { vm: 'git-01', name: 'before-upgrade', sizeMib: 12_288, vmState: 'RUNNING', by: 'admin', days: 6.2, description: 'To go back to if the upgrade fails.' },
  { vm: 'warehouse-01', name: 'quarter-end', sizeMib: 0, vmState: 'RUNNING', failed: true, by: 'operator', days: 19.6, description: 'The guest did not flush its file systems in time.' },
  { vm: 'notebook-01', name: 'drivers-ok', sizeMib: 9_216, vmState: 'PAUSED', by: 'operator', days: 38.4, description: 'All four GPUs are found.' },
];

const snapshotId = (vm: MachineName, name: string): string => demoId('VmSnapshot', `${vm}/${name}`);

export function snapshotCount(machine: MachineName): number {
  return SNAPSHOTS.filter(({ vm, failed }) => vm === machine && !failed).length;
}

/** For the quota, which counts failed snapshots too until they are deleted. */
export function snapshotHolders(): { projectId: string }[] {
  return SNAPSHOTS.map(({ vm }) => {
    const machine = MACHINES.find(({ name }) => name === vm);
    if (!machine) throw new Error(`the demo has no virtual machine ${vm}`);
    return { projectId: projectId(APPS[machine.app].project) };
  });
}

export function snapshotRows(ago: Ago): Prisma.VmSnapshotCreateManyInput[] {
  return SNAPSHOTS.map(({ vm, name, parent, sizeMib, vmState, failed, by, days, description }) => ({
    id: snapshotId(vm, name),
    virtualMachineId: machineId(vm),
    name,
    description,
    parentId: parent ? snapshotId(vm, parent) : null,
    state: failed ? 'ERROR' : 'AVAILABLE',
    sizeBytes: BigInt(sizeMib) * 1_048_576n,
    vmState,
    createdById: by && userId(by),
    createdAt: ago(days),
    updatedAt: ago(days),
  }));
}
