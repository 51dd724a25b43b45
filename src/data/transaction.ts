/** Runs transactions: in turn, bounded, and again after a serialization failure. Nothing else in the program retries those. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../log.js';
import { whileWanted } from './cancel.js';
import type { Data, Db, Tx } from './client.js';
import {
  DataUnavailableError,
  isCancelled,
  isLockTimeout,
  isSerializationFailure,
  isUnavailable,
} from './errors.js';
import type { Gate } from './gate.js';

const ATTEMPTS = 5;
const FIRST_BACKOFF_MS = 10;
const LONGEST_BACKOFF_MS = 250;

export interface TransactionRunnerOptions {
  readonly db: Db;
  readonly gate: Gate;
  readonly log: Logger;
  /** Waited for before each attempt. */
  beginning(): Promise<void>;
}

/** Anywhere between nothing and twice as long as last time, so that the losers of one race do not meet again. */
function backoffMs(attempt: number): number {
  return Math.random() * Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** attempt);
}

/** What the caller gets to see: the same typed error for everything that may pass when it is tried again later. */
function typed(cause: unknown): unknown {
  if (cause instanceof DataUnavailableError) return cause;
  if (isSerializationFailure(cause)) {
    const message = `Other transactions were faster ${ATTEMPTS} times in a row.`;
    return new DataUnavailableError('queue-timeout', message, { cause });
  }
  if (isLockTimeout(cause)) {
    return new DataUnavailableError(
      'queue-timeout',
      'Another transaction kept a row for too long.',
      { cause },
    );
  }
  if (!isUnavailable(cause)) return cause;
  return new DataUnavailableError('connection', 'The database did not finish the transaction.', {
    cause,
  });
}

/** Makes the `transaction` of a data port; see there for what it promises. */
export function transactionRunner(options: TransactionRunnerOptions): Data['transaction'] {
  const { db, gate, log } = options;

  async function once<T>(run: (tx: Tx) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    await options.beginning();
    const leave = await gate.enter(signal);
    try {
      // Without a signal of its own it ends by itself alone, also within the work for somebody who has gone: the audit of that.
      return await whileWanted(signal ?? null, () =>
        db.$transaction(async (tx) => {
          const result = await run(tx);
          signal?.throwIfAborted(); // nobody waits for the answer any more: better undone than unheard
          return result;
        }),
      );
    } catch (error) {
      if (signal?.aborted && isCancelled(error)) throw signal.reason;
      throw error;
    } finally {
      leave();
    }
  }

  return async (run, { signal } = {}) => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await once(run, signal);
      } catch (error) {
        if (!isSerializationFailure(error) || attempt === ATTEMPTS) throw typed(error);
        log.debug({ attempt, err: error }, 'transaction lost a race and runs again');
      }
      // an abort only wakes it: the next turn at the gate throws the signal's own reason
      await sleep(backoffMs(attempt), undefined, signal ? { signal } : {}).catch(() => {});
    }
  };
}
