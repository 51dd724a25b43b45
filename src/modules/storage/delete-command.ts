/** `deleteVolume`: its content first, by a task; the row and its claims go when the agent says that it is gone. */
import { z } from 'zod';
import { requireMay } from '../../core/authorize.js';
import { defineCommand, type RunContext } from '../../core/command.js';
import { idOf, optional, version } from '../../core/input.js';
import { usesOf } from '../../core/usage.js';
import { readForEdit } from '../../core/versioned.js';
import {
  ConflictError,
  InUseError,
  InvalidStateError,
  NoSuitableNodeError,
  ProtectedError,
} from '../../errors.js';
import type { Volume } from '../../gen/client/client.js';
import { beginJob, newTask } from '../task/begin.js';
import { requireIdle } from '../task/idle.js';
import { pickExecutor } from './executor.js';
import { removeVolume } from './make-volume.js';
import { VolumeEntity } from './queries.js';
import { decideVolume } from './rules.js';

const resourceType = 'Volume';

export const deleteVolume = defineCommand({
  name: 'volume.delete',
  resourceType,
  permission: 'storage:delete',
  subject: (input: { id: string }) => ({ entity: VolumeEntity, id: input.id }),
  input: z.object({
    id: idOf('Volume'),
    force: optional(z.boolean()),
    expectedVersion: version,
  }),
  errors: [InvalidStateError, InUseError, ProtectedError, NoSuitableNodeError],
  async run(context, { id, force = false, expectedVersion }) {
    const { tx, viewer, services } = context;
    // What is left on the backend is the administrators' to clear away.
    if (force) requireMay(viewer, 'storage:delete', null);
    const before = await readForEdit<Volume>(tx, VolumeEntity, id, expectedVersion);
    if (before.deletionProtected) throw new ProtectedError(resourceType);
    await requireIdle(tx, { volumeId: id }, before.name);
    decideVolume('DELETE', before.phase);
    if (before.attachedVmId !== null) {
      const holder = { VirtualMachine: { id: before.attachedVmId } };
      throw new InUseError(resourceType, await usesOf(tx, viewer, holder));
    }
    // Written first, looked at then: a copy that begins now waits for this row, and finds it on its way out.
    const { phase, version: seen } = before;
    const [after] = await tx.volume.updateManyAndReturn({
      where: { id, phase, version: seen, deletionProtected: false, attachedVmId: null },
      data: { phase: 'DELETING', errorMessage: '' },
    });
    if (!after) throw new ConflictError(resourceType, null);
    const used = await usesOf(tx, viewer, { Volume: { parentId: id } });
    if (after.snapshotCount > 0)
      used.push({ type: 'VirtualMachineSnapshot', count: after.snapshotCount, names: [] });
    if (used.length > 0) throw new InUseError(resourceType, used);
    const nodeId = await executorFor(context, before, force);
    const result = { deletedVolumeId: id, taskId: null as string | null };
    if (nodeId === null) return { result, changed: await removeVolume(tx, before) };
    const subject = {
      operation: 'DELETE_VOLUME',
      resourceType,
      resourceId: id,
      resourceName: before.name,
      projectId: before.projectId,
      volumeId: id,
      nodeId,
    } as const;
    const task = await beginJob(context, subject, services.config.tasks.timeoutMs);
    return {
      result: { ...result, taskId: task.id },
      changed: [{ type: resourceType, id, before, after }, newTask(task)],
    };
  },
});

/** Null: no node can delete the content, and it is to go without that. */
async function executorFor(
  context: RunContext,
  { poolId }: Volume,
  force: boolean,
): Promise<string | null> {
  try {
    return await pickExecutor(context, [poolId]);
  } catch (error) {
    if (force && error instanceof NoSuitableNodeError) return null;
    throw error;
  }
}
