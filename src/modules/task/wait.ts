/** Waiting for the end of a task, for scripts that prefer to block. */
import { delegateOf } from '../../core/entity.js';
import type { HintBus } from '../../core/hints.js';
import { BadRequestError, UnavailableError } from '../../errors.js';
import type { TaskStatus } from '../../gen/client/enums.js';
import type { GraphQLContext } from '../../graphql/builder.js';
import { TaskEntity } from './queries.js';
import { isUnfinished } from './rules.js';

/** A hint can be lost; then the task is looked at again after this. */
const RECHECK_MS = 2_000;
/** The part of the request's time that may be spent waiting: the rest is for the answer. */
const TIME_TO_WAIT = 0.9;
/** Each waits for minutes at most and costs a listener and a timer. */
export const MAX_WAITERS = 1000;

/** Of each process: its own bus of hints stands for it. */
const waiting = new WeakMap<HintBus, number>();

/**
 * Returns when the task is finished, not visible (any more), the time is over, or this process is about to stop.
 * @throws {BadRequestError} when `timeoutMs` is negative
 * @throws {UnavailableError} when too many wait already, or this request is given up
 */
export async function waitForEnd(
  { services, viewer, signal }: GraphQLContext,
  id: string,
  timeoutMs: number,
): Promise<void> {
  if (timeoutMs < 0) throw new BadRequestError('"timeoutMs" must not be negative.', ['timeoutMs']);
  const { hints, data, config } = services;
  const count = waiting.get(hints) ?? 0;
  if (count >= MAX_WAITERS)
    throw new UnavailableError('Too many wait for tasks already. Try again shortly, or poll.');
  waiting.set(hints, count + 1);
  const allowedMs = Math.min(timeoutMs, config.server.requestTimeoutMs * TIME_TO_WAIT);
  const alarm = newAlarm();
  const timeUp = setTimeout(alarm.end, allowedMs);
  signal.addEventListener('abort', alarm.end, { once: true });
  // Listen before reading: what happens in between wakes at once.
  const stopListening = hints.listen((hint) => {
    if (hint.type === TaskEntity.type && hint.id === id) alarm.ring();
  }, alarm.end);
  try {
    while (viewer && (await isGoingOn()) && !signal.aborted && (await alarm.next(RECHECK_MS)));
  } finally {
    stopListening();
    clearTimeout(timeUp);
    signal.removeEventListener('abort', alarm.end);
    waiting.set(hints, (waiting.get(hints) ?? 1) - 1);
  }
  signal.throwIfAborted();

  async function isGoingOn(): Promise<boolean> {
    const row = await delegateOf(data.db, TaskEntity.model).findFirst({
      where: { AND: [{ id }, viewer ? TaskEntity.visibility.where(viewer) : { id: { in: [] } }] },
      select: { status: true },
    });
    return row !== null && isUnfinished(row.status as TaskStatus);
  }
}

interface Alarm {
  ring(): void;
  end(): void;
  /** Resolves when it rings or rang since the last time, or after `ms`; false once it has ended. */
  next(ms: number): Promise<boolean>;
}

function newAlarm(): Alarm {
  let rang = false;
  let ended = false;
  let wake = (): void => {};
  return {
    ring() {
      rang = true;
      wake();
    },
    end() {
      ended = true;
      wake();
    },
    async next(ms) {
      if (!rang && !ended) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        wake = () => {};
      }
      rang = false;
      return !ended;
    },
  };
}
