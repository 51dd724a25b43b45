/** Jobs in a report: how far the agent is with each, and which it is to do. Every answer lists all of them, so losing one loses nothing. */
import type { Change, RunContext } from '../../core/command.js';
import { UnreadableSecretError } from '../../core/secrets.js';
import type { Prisma, Task } from '../../gen/client/client.js';
import type { TaskOperation } from '../../gen/client/enums.js';
import { encodeGlobalId } from '../../ids.js';
import { abandonTask, endTask, lockMachine, recordProgress, writeTask } from '../task/end.js';
import { isJob, type JobParts, kindOf } from '../task/kinds.js';
import { SUCCESS, type TaskEnd } from '../task/rules.js';
import type { JobReport } from './input.js';

/** What an agent is told of one job. */
export interface JobResultPart extends JobParts {
  readonly taskId: string;
  readonly operation: TaskOperation;
  /** Stop it, undo what can be undone, and report it as CANCELLED (or as DONE, when it was too late). */
  readonly cancel: boolean;
}

/** More would make the answer too long; the rest is told when some of these have ended. */
const MAX_JOBS = 100;

/** Takes in what the agent says of its jobs, and tells it what to do. */
export async function followJobs(
  context: RunContext,
  tasks: readonly Task[],
  reports: readonly JobReport[],
): Promise<{ jobs: JobResultPart[]; changed: Change[] }> {
  const said = new Map(reports.map((report) => [report.taskId, report]));
  const changed: Change[] = [];
  const jobs: JobResultPart[] = [];
  for (const task of tasks.filter(isJob)) {
    const report = said.get(task.id);
    const ends = report && report.status !== 'RUNNING';
    if (report) changed.push(...(await follow(context, task, report)));
    if (ends || jobs.length >= MAX_JOBS) continue;
    const job = await describe(context, task);
    if (job === 'later') continue;
    if ('taskId' in job) jobs.push(job);
    else changed.push(...(await abandonTask(context, task, job)));
  }
  return { jobs, changed };
}

/** One that cannot be described ends, and the report goes on: a node must not fall silent because of one job. */
async function describe(
  { tx, services }: RunContext,
  task: Task,
): Promise<JobResultPart | TaskEnd | 'later'> {
  try {
    const begins = task.status === 'PENDING' ? await kindOf(task).job?.mayBegin?.(tx, task) : 'now';
    if (begins !== undefined && begins !== 'now') return begins;
    const parts = await kindOf(task).job?.describe(tx, task, services);
    const { operation, cancelRequested: cancel } = task;
    return { ...parts, taskId: encodeGlobalId('Task', task.id), operation, cancel };
  } catch (error) {
    if (!(error instanceof UnreadableSecretError)) throw error;
    const errorMessage = `A secret of its storage pool cannot be used. ${error.message}`;
    return { status: 'FAILED', errorCode: 'SECRET', errorMessage };
  }
}

async function follow(context: RunContext, task: Task, report: JobReport): Promise<Change[]> {
  switch (report.status) {
    case 'RUNNING':
      return begun(context, task, report.progressPercent ?? null);
    case 'DONE':
      return done(context, task, report);
    case 'FAILED':
      return abandonTask(context, task, {
        status: 'FAILED',
        errorCode: 'AGENT',
        errorMessage: report.reason ?? 'The agent gave no reason',
      });
    case 'CANCELLED':
      return abandonTask(context, task, {
        status: 'CANCELLED',
        errorCode: 'CANCELLED',
        errorMessage: 'Cancelled on request',
      });
  }
}

async function begun(context: RunContext, task: Task, reported: number | null): Promise<Change[]> {
  const change = await recordProgress(context, task, reported);
  if (!change) return [];
  const first = task.status === 'PENDING' ? await kindOf(task).job?.begun?.(context, task) : [];
  return [change, ...(first ?? [])];
}

/** The task's own row is written first: whoever ends it is the only one who writes what follows. */
async function done(context: RunContext, task: Task, report: JobReport): Promise<Change[]> {
  await lockMachine(context, task);
  const held = await writeTask(context, task, { status: 'RUNNING' });
  const { job } = kindOf(task);
  if (!held || !job) return [];
  const {
    changed,
    end = SUCCESS,
    result,
    continued,
    afterwards,
  } = await job.done(context, task, report.result);
  const written = continued
    ? await writeTask(context, task, {
        status: 'RUNNING',
        ...(continued as Prisma.TaskUncheckedUpdateManyInput),
      })
    : await endTask(context, task, end, {
        resultType: result?.type ?? null,
        resultId: result?.id ?? null,
      });
  const after = (await afterwards?.()) ?? [];
  return [...(written ? [{ ...written, derived: false }] : []), ...changed, ...after];
}
