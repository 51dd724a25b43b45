/** PREPARE_POOL: a node that the pool is assigned to connects it and says how much it holds. */
import type { Change, RunContext } from '../../core/command.js';
import type { Prisma, StoragePool, Task } from '../../gen/client/client.js';
import { encodeGlobalId } from '../../ids.js';
import { beginJob } from '../task/begin.js';
import { defineTaskKind } from '../task/kinds.js';
import { pickExecutor } from './executor.js';
import { measured, phaseAfterFailure } from './pool-rules.js';
import { poolConfiguration } from './pool-secrets.js';

const NO_FIGURES = 'Its agent did not say how much it holds';

/** Throws NoSuitableNodeError when no node could do it. */
export async function beginPreparation(context: RunContext, pool: StoragePool): Promise<Task> {
  const subject = {
    operation: 'PREPARE_POOL',
    resourceType: 'StoragePool',
    resourceId: pool.id,
    resourceName: pool.name,
    projectId: pool.projectId,
    poolId: pool.id,
    nodeId: await pickExecutor(context, [pool.id]),
  } as const;
  return beginJob(context, subject, context.services.config.tasks.timeoutMs);
}

/** The pool of the task, as long as there is one, is given these columns. What is observed does not raise the version. */
async function write(
  { tx }: Pick<RunContext, 'tx'>,
  { poolId }: Task,
  columns: (before: StoragePool) => Prisma.StoragePoolUpdateInput,
): Promise<Change[]> {
  const before = poolId && (await tx.storagePool.findUnique({ where: { id: poolId } }));
  if (!before) return [];
  const data = columns(before);
  const after = await tx.storagePool.update({ where: { id: before.id }, data });
  return [{ type: 'StoragePool', id: before.id, before, after }];
}

defineTaskKind('PREPARE_POOL', {
  job: {
    async describe(tx, { poolId }, services) {
      if (poolId === null) return {};
      return {
        storagePoolId: encodeGlobalId('StoragePool', poolId),
        poolConfiguration: await poolConfiguration(tx, services, [poolId]),
      };
    },
    async done(context, task, { capacityBytes, usedBytes = 0n }) {
      const changed = await write(context, task, () =>
        capacityBytes === undefined
          ? { phase: 'ERROR', errorMessage: NO_FIGURES }
          : { phase: 'READY', errorMessage: '', ...measured(capacityBytes, usedBytes) },
      );
      return { changed };
    },
  },
  undo: (context, task, end) =>
    write(context, task, ({ phase }) => ({
      phase: phaseAfterFailure(phase, end),
      errorMessage: end.errorMessage?.slice(0, 1000) ?? '',
    })),
});
