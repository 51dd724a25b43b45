/**
 * Jobs without storage behind them: each takes its time, may be cancelled, and reports what a real one would have made.
 * There are no timers: how far a job is follows from the clock whenever somebody asks.
 */
import type { JobReportInput } from '../gen/api/graphql.js';
import type { Job, JobRunner } from './jobs.js';
import type { TimeSource } from './types.js';

export interface SimulatedJobsOptions {
  /** By default a clock that is never set back. */
  clock?: TimeSource;
  /** How many times faster than life jobs go. */
  speed?: number;
  /** Called once for each new job; a reason makes it fail at its end. */
  failure?: (job: Job) => string | null;
  /** Milliseconds at speed 1, by operation; what is not named takes `DEFAULT_MS`. */
  durations?: Partial<Record<Job['operation'], number>>;
  /** What a prepared pool holds, in bytes. */
  poolCapacityBytes?: bigint;
}

const DEFAULT_MS = 1_500;
const DURATIONS: Readonly<Partial<Record<Job['operation'], number>>> = {
  MIGRATE: 4_000,
  IMPORT_IMAGE: 5_000,
  CLONE: 3_000,
  PROMOTE: 3_000,
  DELETE_VOLUME: 300,
};
const TIB = 1n << 40n;
const MIB = 1n << 20n;

interface Running {
  readonly job: Job;
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly failure: string | null;
  /** Set once it has ended: an end does not change any more. */
  end: JobReportInput | null;
}

export function createSimulatedJobs(options: SimulatedJobsOptions = {}): JobRunner {
  const clock = options.clock ?? { now: () => performance.timeOrigin + performance.now() };
  const speed = options.speed ?? 1;
  const running = new Map<string, Running>();

  function settle(entry: Running): void {
    if (entry.end || clock.now() - entry.startedAtMs < entry.durationMs) return;
    const { taskId } = entry.job;
    entry.end = entry.failure
      ? { taskId, status: 'FAILED', reason: entry.failure }
      : { taskId, status: 'DONE', result: made(entry.job, options.poolCapacityBytes ?? 10n * TIB) };
  }

  function begin(job: Job): Running {
    const durationMs =
      (options.durations?.[job.operation] ?? DURATIONS[job.operation] ?? DEFAULT_MS) / speed;
    const failure = options.failure?.(job) ?? null;
    return { job, startedAtMs: clock.now(), durationMs, failure, end: null };
  }

  return {
    sync(jobs) {
      const listed = new Set(jobs.map(({ taskId }) => taskId));
      for (const taskId of running.keys()) if (!listed.has(taskId)) running.delete(taskId);
      for (const job of jobs) {
        const entry = running.get(job.taskId) ?? begin(job);
        running.set(job.taskId, entry);
        settle(entry);
        if (job.cancel) entry.end ??= { taskId: job.taskId, status: 'CANCELLED' };
      }
    },
    observe() {
      return [...running.values()].map((entry) => {
        settle(entry);
        if (entry.end) return entry.end;
        const share = (clock.now() - entry.startedAtMs) / entry.durationMs;
        const progressPercent = Math.max(0, Math.min(99, Math.floor(share * 100)));
        return { taskId: entry.job.taskId, status: 'RUNNING' as const, progressPercent };
      });
    },
    close: () => running.clear(),
  };
}

/** A thin volume that nothing was written to takes next to nothing; a linked clone even less. */
function made(job: Job, poolCapacityBytes: bigint): JobReportInput['result'] {
  const volumes = job.volumes.map(({ volumeId, sizeBytes, provisioning, sourceType, linked }) => ({
    volumeId,
    path: `/simulated/${volumeId}`,
    actualSizeBytes: String(
      linked
        ? MIB
        : provisioning === 'THIN' && sourceType === null && job.operation !== 'PROMOTE'
          ? 4n * MIB
          : BigInt(sizeBytes as string),
    ),
  }));
  switch (job.operation) {
    case 'PREPARE_POOL':
      return { capacityBytes: String(poolCapacityBytes), usedBytes: '0' };
    case 'IMPORT_IMAGE':
      return { sizeBytes: String(600n * MIB), path: `/simulated/${job.imageId}` };
    case 'CREATE_SNAPSHOT':
      return { sizeBytes: String(64n * MIB) };
    default:
      return { volumes };
  }
}
