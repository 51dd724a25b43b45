/** IMPORT_IMAGE and DELETE_IMAGE: jobs of a node that has the pool. */
import type { Change, RunContext } from '../../core/command.js';
import type { Image, Prisma, Task } from '../../gen/client/client.js';
import { encodeGlobalId } from '../../ids.js';
import { poolConfiguration } from '../storage/pool-secrets.js';
import { defineTaskKind, type TaskKind } from '../task/kinds.js';
import type { TaskEnd } from '../task/rules.js';

type Tx = RunContext['tx'];

/** Null: it is gone, with all that the task could have done to it. */
async function imageOf(tx: Tx, { imageId }: Task): Promise<Image | null> {
  return imageId === null ? null : tx.image.findUnique({ where: { id: imageId } });
}

async function write(tx: Tx, task: Task, data: Prisma.ImageUpdateInput): Promise<Change[]> {
  const before = await imageOf(tx, task);
  if (!before) return [];
  const after = await tx.image.update({ where: { id: before.id }, data });
  return [{ type: 'Image', id: before.id, before, after }];
}

/** Those it was published to are told apart: the list of them goes with it. */
export async function removeImage(tx: Tx, image: Image): Promise<Change[]> {
  const shares = await tx.imageShare.findMany({ where: { imageId: image.id } });
  const sharedWith = shares.map(({ projectId }) => projectId).sort();
  await tx.image.delete({ where: { id: image.id } });
  return [{ type: 'Image', id: image.id, before: { ...image, sharedWith }, after: null }];
}

function fail(tx: Tx, task: Task, end: TaskEnd): Promise<Change[]> {
  const errorMessage = (end.errorMessage ?? end.status).slice(0, 1000);
  return write(tx, task, { phase: 'ERROR', errorMessage });
}

const describe: NonNullable<TaskKind['job']>['describe'] = async (tx, task, services) => {
  const image = await imageOf(tx, task);
  if (!image?.poolId) return {};
  const { sourceUrl, checksum, format } = image;
  return {
    imageId: encodeGlobalId('Image', image.id),
    storagePoolId: encodeGlobalId('StoragePool', image.poolId),
    poolConfiguration: await poolConfiguration(tx, services, [image.poolId]),
    format,
    ...(task.operation === 'IMPORT_IMAGE' ? { sourceUrl, checksum } : {}),
  };
};

defineTaskKind('IMPORT_IMAGE', {
  job: {
    describe,
    begun: ({ tx }, task) => write(tx, task, { phase: 'DOWNLOADING' }),
    async done({ tx }, task, { path = '', sizeBytes = 0n }) {
      const available = { phase: 'AVAILABLE', errorMessage: '', path, sizeBytes } as const;
      const changed = await write(tx, task, available);
      return { changed, result: { type: 'Image', id: task.resourceId } };
    },
  },
  cancellable: () => true,
  async undo({ tx }, task, end) {
    if (end.status !== 'CANCELLED') return fail(tx, task, end);
    // Only the agent ends a job as cancelled, and then it has left nothing behind.
    const image = await imageOf(tx, task);
    return image ? removeImage(tx, image) : [];
  },
});

defineTaskKind('DELETE_IMAGE', {
  job: {
    describe,
    async done({ tx }, task) {
      const image = await imageOf(tx, task);
      return { changed: image ? await removeImage(tx, image) : [] };
    },
  },
  undo: ({ tx }, task, end) => fail(tx, task, end),
});
