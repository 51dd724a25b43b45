/**
 * Serves from memory while PostgreSQL cannot be reached at start, and returns to PostgreSQL by itself.
 * What was written to memory meanwhile is gone then, which is why `persistent` is false until it happened.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../log.js';
import type { Data, StatementListener, WriteListener } from './client.js';

export interface FallbackOptions {
  readonly memory: Data;
  /** Tries to open PostgreSQL; rejects while that fails. */
  reconnect(): Promise<Data>;
  readonly retryMs: number;
  readonly log: Logger;
  /** Called once, after the return to PostgreSQL: whatever was read before is void. */
  onReturn?: (() => void) | undefined;
}

/** A data port whose parts are those of memory at first, and of PostgreSQL once that is back. */
export function withReturn(options: FallbackOptions): Data {
  const { memory, log } = options;
  const closing = new AbortController();
  const listeners = new Map<StatementListener, () => void>();
  const writeListeners = new Map<WriteListener, () => void>();
  let current = memory;
  let earlier = 0; // statements of the database that was left

  const adopt = async (postgres: Data): Promise<void> => {
    current = postgres;
    earlier = memory.statements();
    for (const [listener, stop] of listeners) {
      stop();
      listeners.set(listener, postgres.onStatement(listener));
    }
    for (const [listener, stop] of writeListeners) {
      stop();
      writeListeners.set(listener, postgres.onWrite(listener));
    }
    log.warn('PostgreSQL is back: what was written to memory meanwhile is dropped');
    options.onReturn?.();
    await memory.close();
  };

  const watch = async (): Promise<void> => {
    for (;;) {
      await sleep(options.retryMs, undefined, { signal: closing.signal, ref: false });
      const postgres = await options.reconnect().catch((error: unknown) => {
        log.error({ err: error }, 'still serving from memory: PostgreSQL cannot be used');
      });
      if (!postgres) continue;
      if (closing.signal.aborted) return postgres.close();
      return adopt(postgres);
    }
  };
  const watching = watch().catch((error: unknown) => {
    if (!closing.signal.aborted) log.error({ err: error }, 'the return to PostgreSQL failed');
  });

  return {
    get kind() {
      return current.kind;
    },
    get persistent() {
      return current.persistent;
    },
    get available() {
      return current.available;
    },
    get db() {
      return current.db;
    },
    transaction: (run, transactionOptions) => current.transaction(run, transactionOptions),
    statements: () => earlier + current.statements(),
    onStatement(listener) {
      listeners.set(listener, current.onStatement(listener));
      return () => {
        listeners.get(listener)?.();
        listeners.delete(listener);
      };
    },
    onWrite(listener) {
      writeListeners.set(listener, current.onWrite(listener));
      return () => {
        writeListeners.get(listener)?.();
        writeListeners.delete(listener);
      };
    },
    ping: () => current.ping(),
    pool: () => current.pool(),
    async close() {
      closing.abort();
      await watching; // it may be opening PostgreSQL at this moment
      await current.close();
    },
  };
}
