/** What becomes of snapshots when the jobs about them end. */
import type { Change, RunContext } from '../../core/command.js';
import { written } from '../../core/versioned.js';
import type { Task, VirtualMachine, VmSnapshot } from '../../gen/client/client.js';
import type { SnapshotState } from '../../gen/client/enums.js';
import { encodeGlobalId } from '../../ids.js';
import { releaseQuota } from '../project/quota.js';
import { defineTaskKind, type JobParts } from '../task/kinds.js';
import type { TaskEnd } from '../task/rules.js';
import { usageChange } from './changes.js';
import { settle } from './power-kinds.js';
import { holdVolumes, letGoOfVolumes } from './snapshot-volumes.js';

const TYPE = 'VirtualMachineSnapshot';

interface Situation {
  readonly vm: VirtualMachine;
  readonly snapshot: VmSnapshot;
}

/** Null when the machine has gone meanwhile, and its snapshots with it. */
async function read({ tx }: RunContext, task: Task): Promise<Situation | null> {
  const { snapshotId } = task.details as { snapshotId: string };
  // Held: somebody may be renaming it, and the audit tells of it as it was.
  await tx.$queryRaw`SELECT id FROM vm_snapshots WHERE id = ${snapshotId}::uuid FOR UPDATE`;
  const snapshot = await tx.vmSnapshot.findUnique({
    where: { id: snapshotId },
    include: { virtualMachine: true },
  });
  if (!snapshot) return null;
  const { virtualMachine: vm, ...row } = snapshot;
  return { vm, snapshot: row };
}

async function describe(_tx: unknown, task: Task): Promise<JobParts> {
  const { snapshotId } = task.details as { snapshotId: string };
  return {
    virtualMachineId: encodeGlobalId('VirtualMachine', task.virtualMachineId ?? ''),
    snapshotId: encodeGlobalId(TYPE, snapshotId),
  };
}

async function write(
  { tx }: RunContext,
  { vm, snapshot }: Situation,
  data: { state: SnapshotState; sizeBytes?: bigint },
): Promise<Change> {
  const after = await tx.vmSnapshot.update({ where: { id: snapshot.id }, data });
  return { type: TYPE, id: snapshot.id, before: snapshot, after, projectId: vm.projectId };
}

async function standOn({ tx }: RunContext, vm: VirtualMachine, id: string | null): Promise<Change> {
  const after = await tx.virtualMachine.update({
    where: { id: vm.id },
    data: { currentSnapshotId: id },
  });
  return { type: 'VirtualMachine', id: vm.id, before: vm, after };
}

/** Its children stand on its parent from now on, and so does the machine when it stood on it. */
async function remove(context: RunContext, { vm, snapshot }: Situation): Promise<Change[]> {
  const { tx } = context;
  const children = await tx.vmSnapshot.findMany({ where: { parentId: snapshot.id } });
  const data = { parentId: snapshot.parentId };
  const relinked = await tx.vmSnapshot.updateManyAndReturn({
    where: { parentId: snapshot.id },
    data,
  });
  const changed: Change[] = relinked.map((row) => {
    const before = children.find(({ id }) => id === row.id) ?? row;
    const after = written(before, row, data);
    return { type: TYPE, id: row.id, before, after, projectId: vm.projectId };
  });
  if (vm.currentSnapshotId === snapshot.id)
    changed.push(await standOn(context, vm, snapshot.parentId));
  changed.push(...(await letGoOfVolumes(tx, vm.id, snapshot.id)));
  await tx.vmSnapshot.delete({ where: { id: snapshot.id } });
  await releaseQuota(tx, vm.projectId, { snapshots: 1 });
  const gone = { type: TYPE, id: snapshot.id, before: snapshot, after: null };
  return [{ ...gone, projectId: vm.projectId }, ...changed, usageChange(vm.projectId)];
}

/** Back to what it was, or ERROR where nobody knows what is left of it. */
const turnTo =
  (state: SnapshotState) =>
  async (context: RunContext, task: Task): Promise<Change[]> => {
    const found = await read(context, task);
    return found ? [await write(context, found, { state })] : [];
  };

defineTaskKind('CREATE_SNAPSHOT', {
  cancellable: () => true,
  job: {
    describe,
    async done(context, task, { sizeBytes = 0n }) {
      const found = await read(context, task);
      if (!found) return { changed: [] };
      const { id } = found.snapshot;
      const made = await write(context, found, { state: 'AVAILABLE', sizeBytes });
      const changed = [
        made,
        await standOn(context, found.vm, id),
        ...(await holdVolumes(context.tx, found.vm.id, id)),
      ];
      return { changed, result: { type: TYPE, id } };
    },
  },
  async undo(context, task, end: TaskEnd) {
    if (end.status !== 'CANCELLED') return turnTo('ERROR')(context, task);
    const found = await read(context, task);
    return found ? remove(context, found) : [];
  },
});

/** Its disks are not touched while the machine writes to them: the agent hears of the job when the machine is off. */
async function mayBegin(tx: RunContext['tx'], task: Task): Promise<'now' | 'later' | TaskEnd> {
  const vm = await tx.virtualMachine.findUnique({ where: { id: task.virtualMachineId ?? '' } });
  if (!vm || (vm.powerState === 'STOPPED' && !vm.capacityClaimed)) return 'now';
  if (vm.desiredState === 'STOPPED') return 'later';
  const errorMessage = `It could not be stopped: ${vm.statusMessage}`;
  return { status: 'FAILED', errorCode: 'NOT_STOPPED', errorMessage };
}

defineTaskKind('REVERT_SNAPSHOT', {
  job: {
    describe,
    mayBegin,
    async done(context, task) {
      const found = await read(context, task);
      if (!found) return { changed: [] };
      const { id } = found.snapshot;
      const back = await write(context, found, { state: 'AVAILABLE' });
      return { changed: [back, await standOn(context, found.vm, id)], result: { type: TYPE, id } };
    },
  },
  undo: async (context, task, end) => [
    ...(await turnTo('AVAILABLE')(context, task)),
    ...(task.force ? await settle(context, task, end) : []), // what was not stopped by now is not stopped later by surprise
  ],
});

defineTaskKind('DELETE_SNAPSHOT', {
  job: {
    describe,
    async done(context, task) {
      const found = await read(context, task);
      if (!found) return { changed: [] };
      return { changed: await remove(context, found) };
    },
  },
  undo: turnTo('ERROR'),
});
