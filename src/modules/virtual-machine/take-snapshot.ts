/** Taking a snapshot: asked for by a caller, or because a machine that is not off is to be copied. */
import type { Change, RunContext } from '../../core/command.js';
import { present } from '../../core/input.js';
import type { Task, VirtualMachine, VmSnapshot } from '../../gen/client/client.js';
import { claimQuota } from '../project/quota.js';
import { pickExecutor } from '../storage/executor.js';
import { newTask } from '../task/begin.js';
import { beginJob } from './begin.js';
import { usageChange } from './changes.js';
import { decide } from './rules.js';
import './snapshot-kinds.js';

/** The node that the machine is on does it; for one that is off, any node that reaches its volumes. */
export async function executorFor(context: RunContext, vm: VirtualMachine): Promise<string> {
  if (vm.capacityClaimed && vm.nodeId) return vm.nodeId;
  const pools = await context.tx.volume.findMany({
    where: { attachedVmId: vm.id },
    select: { poolId: true },
    distinct: ['poolId'],
  });
  return pickExecutor(
    context,
    pools.map(({ poolId }) => poolId),
    vm.nodeId ?? undefined,
  );
}

export interface NewSnapshot {
  /** Made up if not given. */
  readonly id?: string;
  readonly name: string;
  readonly description?: string | undefined;
  readonly discardAfterTaskId?: string | undefined;
}

/** The row, what it takes of the quota, and the job that takes it. `vm` is idle, and is busy from here on. */
export async function takeSnapshot(
  context: RunContext,
  vm: VirtualMachine,
  { id, name, ...fields }: NewSnapshot,
): Promise<{ snapshot: VmSnapshot; task: Task; changed: Change[] }> {
  const { tx, newId, viewer } = context;
  decide('CREATE_SNAPSHOT', vm.powerState, false);
  await claimQuota(tx, vm.projectId, { snapshots: 1 });
  const snapshot = await tx.vmSnapshot.create({
    data: {
      id: id ?? newId(),
      virtualMachineId: vm.id,
      name,
      ...present(fields),
      parentId: vm.currentSnapshotId,
      vmState: vm.powerState,
      createdById: viewer.userId,
    },
  });
  const nodeId = await executorFor(context, vm);
  const details = { snapshotId: snapshot.id };
  const task = await beginJob(context, vm, 'CREATE_SNAPSHOT', { nodeId, details });
  const changed: Change[] = [
    {
      type: 'VirtualMachineSnapshot',
      id: snapshot.id,
      before: null,
      after: snapshot,
      projectId: vm.projectId,
    },
    newTask(task),
    usageChange(vm.projectId),
  ];
  return { snapshot, task, changed };
}
