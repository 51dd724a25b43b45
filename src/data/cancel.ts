/**
 * Ends statements that nobody waits for any more, so that a backend does not go on for a caller who has gone or whose time is over.
 * The signal travels beside the calls, because Prisma has no way to hand one to its driver; the driver's connection finds it here.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import pg from 'pg';
import type { Logger } from '../log.js';
import { APPLICATION_NAME, type ConnectionOptions, clientConfig } from './connection.js';

/**
 * So long a statement may go on after its caller has gone: most end by themselves, and a cancellation costs a connection.
 * It also spares those whose reads Prisma has put into one statement with that of the caller who left.
 */
const GRACE_MS = 200;

const callers = new AsyncLocalStorage<AbortSignal | null>();

/** Statements of `work` end when `signal` is aborted. Null: they end by themselves alone, whoever has gone. */
export function whileWanted<T>(signal: AbortSignal | null, work: () => T): T {
  return callers.run(signal, work);
}

/** Cut off, it would not be known what became of the transaction; and a rollback is how one ends. */
const ENDS_TRANSACTION = /^\s*(COMMIT|ROLLBACK)\b/i;

/** The text of a statement, in the forms in which the driver takes one. */
const textOf = (statement: unknown): string =>
  typeof statement === 'string'
    ? statement
    : String((statement as { text?: unknown } | null)?.text);

type Query = (...args: unknown[]) => unknown;

/** To be called once for each new connection of a pool. */
export function endUnwanted(client: pg.PoolClient, canceller: Canceller): void {
  const query = client.query.bind(client) as Query;
  const watched: Query = (...args) => {
    const signal = callers.getStore();
    if (!signal || ENDS_TRANSACTION.test(textOf(args[0]))) return query(...args);
    return watch(signal, client, () => query(...args) as Promise<unknown>, canceller);
  };
  client.query = watched as typeof client.query;
}

async function watch<T>(
  signal: AbortSignal,
  client: pg.PoolClient & { readonly processID?: number },
  send: () => Promise<T>,
  canceller: Canceller,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let cancelling: Promise<void> | undefined;
  const wait = (): void => {
    timer = setTimeout(() => {
      if (client.processID) cancelling = canceller.cancel(client.processID);
    }, GRACE_MS);
  };
  if (signal.aborted) wait();
  else signal.addEventListener('abort', wait, { once: true });
  try {
    return await send();
  } finally {
    signal.removeEventListener('abort', wait);
    clearTimeout(timer);
    await cancelling; // or it could meet the next statement on this connection, which may be another caller's
  }
}

/** The server looks whether it is still ours and at work: an idle session has nothing to be cancelled. */
const CANCEL = `SELECT pg_cancel_backend(pid) FROM pg_stat_activity
 WHERE pid = ANY($1::int[]) AND state = 'active' AND usename = current_user AND application_name = $2`;

/** Cancels from outside of the pool, which may be exhausted by the very statements that are to end. One connection, while there is need. */
export class Canceller {
  readonly #pids = new Set<number>();
  #working: Promise<void> | null = null;

  constructor(
    private readonly options: ConnectionOptions,
    private readonly log: Logger,
  ) {}

  /** Resolves when the server has been told. Never rejects: what cannot be cancelled ends with `database.statement_timeout`. */
  cancel(pid: number): Promise<void> {
    this.#pids.add(pid);
    this.#working ??= this.#work().finally(() => {
      this.#working = null;
    });
    return this.#working;
  }

  async #work(): Promise<void> {
    const client = new pg.Client({
      ...clientConfig(this.options),
      query_timeout: this.options.connectTimeoutMs,
    });
    client.on('error', () => {}); // the statement that it meets fails
    try {
      await client.connect();
      while (this.#pids.size > 0) {
        const pids = [...this.#pids];
        this.#pids.clear();
        await client.query(CANCEL, [pids, APPLICATION_NAME]);
        this.log.info({ pids }, 'statements that nobody waited for any more were cancelled');
      }
    } catch (err) {
      this.#pids.clear();
      this.log.warn({ err }, 'statements that nobody waits for could not be cancelled');
    } finally {
      await client.end().catch(() => {});
    }
  }
}
