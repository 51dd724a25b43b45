/** `deleteVolume`: its content first, by a task; the row and its claims go when the agent says that it is gone. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { idOf, version } from '../../core/input.js';
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
import { VolumeEntity } from './queries.js';
import { decideVolume } from './rules.js';

const resourceType = 'Volume';

export const deleteVolume = defineCommand({
  name: 'volume.delete',
  resourceType,
  permission: 'storage:delete',
  subject: (input: { id: string }) => ({ entity: VolumeEntity, id: input.id }),
  input: z.object({ id: idOf('Volume'), expectedVersion: version }),
  errors: [InvalidStateError, InUseError, ProtectedError, NoSuitableNodeError],
  lock: (input) => [`volume/${input.id}`],
  async run(context, { id, expectedVersion }) {
    const { tx, viewer, services } = context;
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
    const subject = {
      operation: 'DELETE_VOLUME',
      resourceType,
      resourceId: id,
      resourceName: before.name,
      projectId: before.projectId,
      volumeId: id,
      nodeId: await pickExecutor(tx, [before.poolId]),
    } as const;
    const task = await beginJob(context, subject, services.config.tasks.timeoutMs);
    return {
      result: { deletedVolumeId: id, taskId: task.id },
      changed: [{ type: resourceType, id, before, after }, newTask(task)],
    };
  },
});
