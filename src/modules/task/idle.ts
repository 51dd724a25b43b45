/** Whether somebody is at work on an object: at most one unfinished task for each (partial unique indexes say so, too). */
import type { Tx } from '../../data/client.js';
import { BusyError } from '../../errors.js';
import type { Prisma } from '../../gen/client/client.js';
import { UNFINISHED } from './rules.js';

/**
 * Returns when no task is at work on the object.
 * @param about the column of tasks that names it
 * @throws BusyError that names the task
 */
export async function requireIdle(
  tx: Tx,
  about: Pick<Prisma.TaskWhereInput, 'virtualMachineId' | 'volumeId' | 'imageId' | 'poolId'>,
  name: string,
): Promise<void> {
  const task = await tx.task.findFirst({ where: { ...about, status: { in: [...UNFINISHED] } } });
  if (!task) return;
  const message = `The task ${task.operation} (${task.status}, ${task.progressPercent} %) has been at work on ${name} since ${task.createdAt.toISOString()}. Wait for it.`;
  throw new BusyError(message, {
    taskId: task.id,
    operation: task.operation,
    since: task.createdAt,
  });
}
