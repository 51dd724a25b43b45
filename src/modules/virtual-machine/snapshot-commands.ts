/**
 * Snapshots: a tree for each machine. Taking, reverting and deleting are jobs of a node that reaches its volumes; the
 * snapshot's own state says what is under way, and the machine is busy meanwhile.
 */
import { z } from 'zod';
import { defineCommand, type RunContext } from '../../core/command.js';
import { requireVisible } from '../../core/entity.js';
import { description, idOf, name, optional, present, version } from '../../core/input.js';
import { usesOf } from '../../core/usage.js';
import { readForEdit, updateVersioned } from '../../core/versioned.js';
import {
  AlreadyExistsError,
  ConflictError,
  InUseError,
  InvalidStateError,
  NoSuitableNodeError,
  NotFoundError,
  QuotaExceededError,
} from '../../errors.js';
import type { VirtualMachine, VmSnapshot } from '../../gen/client/client.js';
import type { SnapshotState } from '../../gen/client/enums.js';
import { copiedFromSnapshot } from '../storage/sharing.js';
import { newTask } from '../task/begin.js';
import { beginJob, isOff, readIdle } from './begin.js';
import { SnapshotEntity, VirtualMachineEntity } from './queries.js';
import { decide, nextGeneration, OPERATIONS } from './rules.js';
import { executorFor, takeSnapshot } from './take-snapshot.js';

const TYPE = 'VirtualMachineSnapshot';
const target = z.object({ virtualMachineId: idOf('VirtualMachine') });
const common = {
  resourceType: TYPE,
  permission: 'vm:snapshot',
  subject: (input: { virtualMachineId: string }) => ({
    entity: VirtualMachineEntity,
    id: input.virtualMachineId,
    path: ['virtualMachineId'],
  }),
} as const;

async function readSnapshot(
  { tx }: RunContext,
  virtualMachineId: string,
  id: string,
): Promise<VmSnapshot> {
  const snapshot = await tx.vmSnapshot.findFirst({ where: { id, virtualMachineId } });
  if (!snapshot) throw new NotFoundError(TYPE, ['id']);
  return snapshot;
}

/** From one of these states to the next; it must still be as it was read. */
async function turn(
  { tx }: RunContext,
  before: VmSnapshot,
  from: readonly SnapshotState[],
  to: SnapshotState,
  operation: string,
): Promise<VmSnapshot> {
  if (!from.includes(before.state)) throw new InvalidStateError(operation, before.state, []);
  const [after] = await tx.vmSnapshot.updateManyAndReturn({
    where: { id: before.id, state: before.state },
    data: { state: to },
  });
  if (!after) throw new ConflictError(TYPE, null);
  return after;
}

export const createSnapshot = defineCommand({
  ...common,
  name: 'snapshot.create',
  input: target.extend({ name, description: optional(description) }),
  errors: [AlreadyExistsError, InvalidStateError, NoSuitableNodeError, QuotaExceededError],
  label: (input) => input.name,
  async run(context, { virtualMachineId, ...fields }) {
    const vm = await readIdle(context.tx, virtualMachineId);
    const { snapshot, task, changed } = await takeSnapshot(context, vm, fields);
    return { result: { snapshotId: snapshot.id, virtualMachineId, taskId: task.id }, changed };
  },
});

export const revertSnapshot = defineCommand({
  ...common,
  name: 'snapshot.revert',
  input: target.extend({ id: idOf(TYPE), force: optional(z.boolean()) }),
  errors: [InvalidStateError, NoSuitableNodeError],
  async run(context, { virtualMachineId, id, force = false }) {
    const { tx } = context;
    const before = await readIdle(tx, virtualMachineId);
    decide('REVERT_SNAPSHOT', before.powerState, force);
    const snapshot = await readSnapshot(context, virtualMachineId, id);
    const after = await turn(context, snapshot, ['AVAILABLE'], 'REVERTING', 'REVERT_SNAPSHOT');
    const nodeId = await executorFor(context, before);
    const details = { snapshotId: id };
    const generation = isOff(before) ? before.generation : nextGeneration(before);
    const columns = { nodeId, details, force, generation };
    const task = await beginJob(context, before, 'REVERT_SNAPSHOT', columns);
    const changed = [
      { type: TYPE, id, before: snapshot, after, projectId: before.projectId },
      newTask(task),
    ];
    const result = { snapshotId: id, virtualMachineId, taskId: task.id };
    if (isOff(before)) return { result, changed };
    // Its agent is told to stop it now, and to revert when it is off.
    const vm = await tx.virtualMachine.update({
      where: { id: virtualMachineId },
      data: { desiredState: 'STOPPED', generation },
    });
    const stop = { type: 'VirtualMachine', id: vm.id, before, after: vm };
    return { result, changed: [...changed, stop] };
  },
});

export const deleteSnapshot = defineCommand({
  ...common,
  name: 'snapshot.delete',
  input: target.extend({ id: idOf(TYPE), expectedVersion: version }),
  errors: [InUseError, InvalidStateError, NoSuitableNodeError],
  async run(context, { virtualMachineId, id, expectedVersion }) {
    const vm = await readIdle(context.tx, virtualMachineId);
    decide('DELETE_SNAPSHOT', vm.powerState, false);
    const snapshot = await readSnapshot(context, virtualMachineId, id);
    if (expectedVersion != null && snapshot.version !== expectedVersion)
      throw new ConflictError(TYPE, snapshot.version);
    const from = ['AVAILABLE', 'ERROR'] as const;
    // Written first, looked at then: a copy that begins now waits for this row, and finds it on its way out.
    const after = await turn(context, snapshot, from, 'DELETING', 'DELETE_SNAPSHOT');
    const usedBy = await usesOf(context.tx, context.viewer, { Volume: copiedFromSnapshot(id) });
    if (usedBy.length > 0) throw new InUseError(TYPE, usedBy);
    const nodeId = await executorFor(context, vm);
    const details = { snapshotId: id };
    const task = await beginJob(context, vm, 'DELETE_SNAPSHOT', { nodeId, details });
    return {
      result: { deletedSnapshotId: id, virtualMachineId, taskId: task.id },
      changed: [
        { type: TYPE, id, before: snapshot, after, projectId: vm.projectId },
        newTask(task),
      ],
    };
  },
});

/** Null: none can do it now. That is no news every few seconds: it is tried again. */
async function executorIfAny(context: RunContext, vm: VirtualMachine): Promise<string | null> {
  try {
    return await executorFor(context, vm);
  } catch (error) {
    if (error instanceof NoSuitableNodeError) return null;
    throw error;
  }
}

/** By the control plane itself: one that was taken for a copy goes when that has ended. What fails is seen, and tried again by and by. */
export const discardSnapshot = defineCommand({
  ...common,
  name: 'snapshot.discard',
  input: z.object({ virtualMachineId: z.uuid(), id: z.uuid() }),
  errors: [],
  audit: 'changes',
  async run(context, { virtualMachineId, id }) {
    const { tx } = context;
    const result = { snapshotId: id };
    const nothing = { result, changed: [] };
    const vm = await readIdle(tx, virtualMachineId);
    // Held: a copy that begins now waits for this row, and finds it on its way out.
    await tx.$queryRaw`SELECT id FROM vm_snapshots WHERE id = ${id}::uuid FOR UPDATE`;
    const before = await tx.vmSnapshot.findUnique({ where: { id } });
    if (!before?.discardAfterTaskId || !['AVAILABLE', 'ERROR'].includes(before.state))
      return nothing;
    if (!OPERATIONS.DELETE_SNAPSHOT.from.includes(vm.powerState)) return nothing;
    const copying = { id: before.discardAfterTaskId, finishedAt: null };
    if ((await tx.task.count({ where: copying })) > 0) return nothing;
    // Somebody else found it on the list and copies from it: then it is theirs, and stays.
    const wanted = (await tx.volume.count({ where: copiedFromSnapshot(id) })) > 0;
    const nodeId = wanted ? null : await executorIfAny(context, vm);
    if (!wanted && nodeId === null) return nothing;
    const data = wanted ? { discardAfterTaskId: null } : { state: 'DELETING' as const };
    const after = await tx.vmSnapshot.update({ where: { id }, data });
    const settled = { type: TYPE, id, before, after, projectId: vm.projectId };
    if (nodeId === null) return { result, changed: [settled] };
    const details = { snapshotId: id };
    const task = await beginJob(context, vm, 'DELETE_SNAPSHOT', { nodeId, details });
    return { result, changed: [settled, newTask(task)] };
  },
});

export const updateSnapshot = defineCommand({
  ...common,
  name: 'snapshot.update',
  input: target.extend({
    id: idOf(TYPE),
    name: optional(name),
    description: optional(description),
    expectedVersion: version,
  }),
  errors: [AlreadyExistsError],
  async run(context, { virtualMachineId, id, expectedVersion, ...fields }) {
    const { tx, viewer } = context;
    const vm = await requireVisible<VirtualMachine>(
      tx,
      VirtualMachineEntity,
      viewer,
      virtualMachineId,
      { id: true, projectId: true },
      ['virtualMachineId'],
    );
    await readSnapshot(context, virtualMachineId, id);
    const before = await readForEdit<VmSnapshot>(tx, SnapshotEntity, id, expectedVersion);
    const after = await updateVersioned(tx, SnapshotEntity, before, present(fields));
    return {
      result: { snapshotId: id },
      changed: [{ type: TYPE, id, before, after, projectId: vm.projectId }],
    };
  },
});
