/** The life of a task. Pure. */
import type { TaskStatus } from '../../gen/client/enums.js';

/** A task that is not finished: at most one of these for each virtual machine (a unique index says so). */
export const UNFINISHED = ['PENDING', 'RUNNING'] as const satisfies readonly TaskStatus[];

export function isUnfinished(status: TaskStatus): boolean {
  return status === 'PENDING' || status === 'RUNNING';
}

export interface TaskEnd {
  readonly status: 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'CANCELLED';
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
}

export const SUCCESS: TaskEnd = { status: 'SUCCEEDED', errorCode: null, errorMessage: null };

/** The columns of a task that has ended. A success is complete; a failure keeps the progress it had. */
export function ended(
  task: { progressPercent: number; startedAt: Date | null },
  end: TaskEnd,
  now: Date,
) {
  return {
    ...end,
    errorMessage: end.errorMessage?.slice(0, 1000) ?? null,
    progressPercent: end.status === 'SUCCEEDED' ? 100 : task.progressPercent,
    startedAt: task.startedAt ?? now,
    finishedAt: now,
  };
}

/** Progress only rises, and 100 is reached by succeeding alone. */
export function progressed(known: number, reported: number | null): number {
  return Math.max(known, Math.min(99, Math.max(0, Math.floor(reported ?? 0))));
}
