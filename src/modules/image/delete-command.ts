/** `deleteImage`: its content first, by a task; at once where there is none to take out of a pool. */
import { z } from 'zod';
import { defineCommand, type RunContext } from '../../core/command.js';
import { idOf, version } from '../../core/input.js';
import { usesOf } from '../../core/usage.js';
import { readForEdit } from '../../core/versioned.js';
import {
  ConflictError,
  InUseError,
  InvalidStateError,
  NoSuitableNodeError,
  type Usage,
} from '../../errors.js';
import type { Image } from '../../gen/client/client.js';
import { pickExecutor } from '../storage/executor.js';
import { beginJob, newTask } from '../task/begin.js';
import { requireIdle } from '../task/idle.js';
import { removeImage } from './kinds.js';
import { ImageEntity } from './queries.js';
import { decideImage } from './rules.js';

const resourceType = 'Image';

export const deleteImage = defineCommand({
  name: 'image.delete',
  resourceType,
  permission: 'image:delete',
  subject: (input: { id: string }) => ({ entity: ImageEntity, id: input.id }),
  input: z.object({ id: idOf('Image'), expectedVersion: version }),
  errors: [InUseError, InvalidStateError, NoSuitableNodeError],
  async run(context, { id, expectedVersion }) {
    const { tx, services } = context;
    const before = await readForEdit<Image>(tx, ImageEntity, id, expectedVersion);
    await requireIdle(tx, { imageId: id }, before.name);
    decideImage('DELETE', before.phase);
    // Written first, looked at then: a volume that begins to copy it now waits for this row, and finds it on its way out.
    const [after] = await tx.image.updateManyAndReturn({
      where: { id, phase: before.phase, version: before.version },
      data: { phase: 'DELETING', errorMessage: '' },
    });
    if (!after) throw new ConflictError(resourceType, null);
    const used = await usersOf(context, id);
    if (used.length > 0) throw new InUseError(resourceType, used);
    if (before.poolId === null) {
      const changed = await removeImage(tx, before);
      return { result: { deletedImageId: id, taskId: null }, changed };
    }
    const task = await beginJob(
      context,
      {
        operation: 'DELETE_IMAGE',
        resourceType,
        resourceId: id,
        resourceName: before.name,
        projectId: before.projectId,
        imageId: id,
        nodeId: await pickExecutor(context, [before.poolId]),
      },
      services.config.tasks.timeoutMs,
    );
    return {
      result: { deletedImageId: id, taskId: task.id as string | null },
      changed: [{ type: resourceType, id, before, after }, newTask(task)],
    };
  },
});

/** Machines that have it in a drive, and volumes that share its blocks or are still copying them. */
async function usersOf(
  { tx, viewer }: Pick<RunContext, 'tx' | 'viewer'>,
  imageId: string,
): Promise<Usage[]> {
  const inDrive = { spec: { path: ['cdroms'], array_contains: [{ imageId }] } };
  const from = {
    AND: [
      { spec: { path: ['source', 'type'], equals: 'IMAGE' } },
      { spec: { path: ['source', 'id'], equals: imageId } },
      { OR: [{ phase: 'CREATING' }, { spec: { path: ['source', 'linked'], equals: true } }] },
    ],
  };
  return usesOf(tx, viewer, { VirtualMachine: inDrive, Volume: from });
}
