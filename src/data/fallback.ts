/**
 * Serves from memory while PostgreSQL cannot be reached at start, and returns to PostgreSQL by itself.
 * What was written to memory meanwhile is gone then, which is why `persistent` is false until it happened.
 */
import type { Logger } from '../log.js';
import { withStandIn } from '../stand-in.js';
import type { Data } from './client.js';

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
  const { memory, reconnect, retryMs, log } = options;
  let earlier = 0; // statements of the database that was left
  const place = withStandIn<Data>({
    ...{ standIn: memory, reconnect, retryMs, log, server: 'PostgreSQL, serving from memory' },
    onReturn() {
      earlier = memory.statements();
      log.warn('PostgreSQL is back: what was written to memory meanwhile is dropped');
      options.onReturn?.();
    },
  });
  return {
    get kind() {
      return place.current.kind;
    },
    get persistent() {
      return place.current.persistent;
    },
    get available() {
      return place.current.available;
    },
    get db() {
      return place.current.db;
    },
    transaction: (run, transactionOptions) => place.current.transaction(run, transactionOptions),
    statements: () => earlier + place.current.statements(),
    onStatement: (listener) => place.follow((data) => data.onStatement(listener)),
    onWrite: (listener) => place.follow((data) => data.onWrite(listener)),
    ping: () => place.current.ping(),
    pool: () => place.current.pool(),
    close: () => place.close(),
  };
}
