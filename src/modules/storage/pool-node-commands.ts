/** Where a storage pool is to be had, and connecting it anew. */
import { z } from 'zod';
import { defineCommand, type Outcome, type RunContext } from '../../core/command.js';
import { idOf } from '../../core/input.js';
import { readForEdit, updateVersioned } from '../../core/versioned.js';
import {
  InUseError,
  InvalidStateError,
  NoSuitableNodeError,
  ValidationError,
} from '../../errors.js';
import type { StoragePool } from '../../gen/client/client.js';
import { newTask } from '../task/begin.js';
import { requireIdle } from '../task/idle.js';
import { nodeIdsInput, refuseIfNeeded, requireNodes } from './pool-nodes.js';
import { decidePool, whilePrepared } from './pool-rules.js';
import { beginPreparation } from './prepare-pool.js';
import { StoragePoolEntity } from './queries.js';

const resourceType = 'StoragePool';
const subject = (input: { id: string }) => ({ entity: StoragePoolEntity, id: input.id });
const assignment = z.object({
  id: idOf('StoragePool'),
  nodeIds: nodeIdsInput.refine((ids) => ids.length > 0, 'must name at least one node'),
});

async function reassign(
  context: RunContext,
  before: StoragePool,
  assignedNodeIds: string[],
): Promise<Outcome<{ storagePoolId: string }>> {
  const result = { storagePoolId: before.id };
  if (assignedNodeIds.length === before.assignedNodeIds.length) return { result, changed: [] };
  const after = await updateVersioned(context.tx, StoragePoolEntity, before, { assignedNodeIds });
  await refuseIfNeeded(context, after);
  return { result, changed: [{ type: resourceType, id: before.id, before, after }] };
}

/** The first assignment takes the pool away from all other nodes: without any, every node has it. */
export const assignStoragePoolNodes = defineCommand({
  name: 'storagePool.assignNodes',
  resourceType,
  permission: 'storage:update',
  subject,
  input: assignment,
  errors: [InUseError],
  async run(context, { id, nodeIds }) {
    await requireNodes(context, nodeIds);
    const before = await readForEdit<StoragePool>(context.tx, StoragePoolEntity, id);
    return reassign(context, before, [...new Set([...before.assignedNodeIds, ...nodeIds])]);
  },
});

export const unassignStoragePoolNodes = defineCommand({
  name: 'storagePool.unassignNodes',
  resourceType,
  permission: 'storage:update',
  subject,
  input: assignment,
  errors: [InUseError],
  async run(context, { id, nodeIds }) {
    const before = await readForEdit<StoragePool>(context.tx, StoragePoolEntity, id);
    const kept = before.assignedNodeIds.filter((nodeId) => !nodeIds.includes(nodeId));
    if (kept.length === 0 && before.assignedNodeIds.length > 0)
      throw ValidationError.of(
        ['nodeIds'],
        'one node must keep the pool: without any, every node has it. Assign another one first, or delete the pool.',
      );
    return reassign(context, before, kept);
  },
});

export const prepareStoragePool = defineCommand({
  name: 'storagePool.prepare',
  resourceType,
  permission: 'storage:update',
  subject,
  input: z.object({ id: idOf('StoragePool') }),
  errors: [InvalidStateError, NoSuitableNodeError],
  async run(context, { id }) {
    const before = await readForEdit<StoragePool>(context.tx, StoragePoolEntity, id);
    await requireIdle(context.tx, { poolId: id }, before.name);
    decidePool('PREPARE', before.phase);
    const phase = whilePrepared(before.phase);
    const after =
      phase === before.phase
        ? before
        : await context.tx.storagePool.update({ where: { id }, data: { phase, errorMessage: '' } });
    const task = await beginPreparation(context, after);
    return {
      result: { storagePoolId: id, taskId: task.id },
      changed: [
        ...(after === before ? [] : [{ type: resourceType, id, before, after }]),
        newTask(task),
      ],
    };
  },
});
