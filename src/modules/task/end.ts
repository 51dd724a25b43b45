/** The ends of tasks: one conditional update each, so that of all who would end a task, one does. */
import type { Change, RunContext } from '../../core/command.js';
import { written } from '../../core/versioned.js';
import type { Prisma, Task } from '../../gen/client/client.js';
import { kindOf } from './kinds.js';
import { ended, progressed, type TaskEnd, UNFINISHED } from './rules.js';

type TaskData = Prisma.TaskUncheckedUpdateManyInput;

/** Writes `data` unless the task has ended meanwhile: then null. */
export async function writeTask(
  { tx }: Pick<RunContext, 'tx'>,
  before: Task,
  data: TaskData,
): Promise<Change | null> {
  const [after] = await tx.task.updateManyAndReturn({
    where: { id: before.id, status: { in: [...UNFINISHED] } },
    data,
  });
  // Progress is not history: it is announced, and the beginning and the end are audited.
  const derived = after?.status === 'RUNNING' && before.status === 'RUNNING';
  const told = after && written(before, after, data);
  return told ? { type: 'Task', id: before.id, before, after: told, derived } : null;
}

/** Writes that the agent has begun and how far it says that it is, from 0 to 100; null when that is no news, or the task has ended. */
export async function recordProgress(
  context: Pick<RunContext, 'tx' | 'now'>,
  task: Task,
  reported: number | null,
): Promise<Change | null> {
  const progressPercent = progressed(task.progressPercent, reported);
  if (task.status === 'RUNNING' && progressPercent === task.progressPercent) return null;
  const startedAt = task.startedAt ?? context.now;
  return writeTask(context, task, { status: 'RUNNING', progressPercent, startedAt });
}

/** Ends a task; null when somebody else has. */
export function endTask(
  context: Pick<RunContext, 'tx' | 'now'>,
  task: Task,
  end: TaskEnd,
  data: TaskData = {},
): Promise<Change | null> {
  return writeTask(context, task, { ...ended(task, end, context.now), ...data });
}

/**
 * The task as it is now, which nobody else writes until the commit; null when it is gone. First the machine, then its task,
 * as a report does: in the other order the two would wait for each other.
 */
export async function holdTask(
  { tx }: Pick<RunContext, 'tx'>,
  task: Pick<Task, 'id' | 'virtualMachineId'>,
): Promise<Task | null> {
  await lockMachine({ tx }, task);
  await tx.$queryRaw`SELECT id FROM tasks WHERE id = ${task.id}::uuid FOR UPDATE`;
  return tx.task.findUnique({ where: { id: task.id } });
}

/**
 * Ends a task without success and undoes what it had begun. Read again once it is held: a migration that has
 * switched nodes meanwhile has something else to undo.
 */
export async function abandonTask(
  context: RunContext,
  task: Task,
  end: TaskEnd,
): Promise<Change[]> {
  const now = await holdTask(context, task);
  if (!now) return [];
  const change = await endTask(context, now, end);
  return change ? [change, ...(await kindOf(now).undo(context, now, end))] : [];
}

/** Waits for whoever is writing the task's machine, if it has one. */
export async function lockMachine(
  { tx }: Pick<RunContext, 'tx'>,
  task: Pick<Task, 'virtualMachineId'>,
): Promise<void> {
  if (task.virtualMachineId === null) return;
  await tx.$queryRaw`SELECT id FROM virtual_machines WHERE id = ${task.virtualMachineId}::uuid FOR UPDATE`;
}
