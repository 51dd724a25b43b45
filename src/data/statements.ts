/**
 * The layer between Prisma and its driver adapter. It counts statements, types the errors of a lost connection,
 * and refuses to commit a transaction in which a statement failed: PostgreSQL answers such a COMMIT with a silent
 * rollback, which Prisma takes for success.
 */
import { setImmediate } from 'node:timers/promises';
import type { SqlDriverAdapterFactory } from '@prisma/client/runtime/client';
import type { StatementListener, WriteListener } from './client.js';
import {
  DataUnavailableError,
  isConnectionFailure,
  isEndedSession,
  TransactionAbortedError,
} from './errors.js';
import type { Heartbeat } from './heartbeat.js';
import { tablesWritten } from './writes.js';

type Adapter = Awaited<ReturnType<SqlDriverAdapterFactory['connect']>>;
type Transaction = Awaited<ReturnType<Adapter['startTransaction']>>;
type Query = Parameters<Adapter['queryRaw']>[0];

/** Counts statements, tells listeners of them and of what was written, and knows when none runs. */
export class StatementLog {
  /** Told of statements that were answered, if only by an error, and of connections that failed. */
  readonly #health: Pick<Heartbeat, 'answered' | 'failed'> | undefined;
  readonly #listeners = new Set<StatementListener>();
  readonly #writeListeners = new Set<WriteListener>();
  readonly #onIdle: (() => void)[] = [];
  #count = 0;
  #running = 0;
  #closed = false;

  constructor(health?: Pick<Heartbeat, 'answered' | 'failed'>) {
    this.#health = health;
  }

  get count(): number {
    return this.#count;
  }

  listen(listener: StatementListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  listenToWrites(listener: WriteListener): () => void {
    this.#writeListeners.add(listener);
    return () => this.#writeListeners.delete(listener);
  }

  /** To be waited for before a transaction begins. Rejects when none must. */
  async beginning(): Promise<void> {
    await Promise.all([...this.#writeListeners].map((listener) => listener.beginning?.()));
  }

  /** To be waited for before these tables are written. Rejects when they must not be; `written` is to follow in any case. */
  async writing(tables: ReadonlySet<string>): Promise<void> {
    if (tables.size === 0) return;
    await Promise.all([...this.#writeListeners].map((listener) => listener.writing?.(tables)));
  }

  /** To be waited for before anybody hears that these tables were written. */
  async written(tables: ReadonlySet<string>, error?: unknown): Promise<void> {
    if (tables.size === 0) return;
    const inDoubt = error instanceof DataUnavailableError; // a refusal is an answer
    await Promise.all(
      [...this.#writeListeners].map((listener) => listener.written(tables, inDoubt)),
    );
  }

  /**
   * Refuses every further statement; resolves when the running ones are done. The embedded database must not be closed
   * before: what waits for its turn then would spin in it for ever, and the whole process with it.
   */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#running > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  /** Runs what is not a statement of ours, but uses the database. */
  async track<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new DataUnavailableError('connection', 'The database is closed.');
    this.#running += 1;
    try {
      return await work();
    } finally {
      this.#running -= 1;
      if (this.#running === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
    }
  }

  /** Runs one statement; a failed connection becomes DataUnavailableError. */
  async run<T>(sql: string, send: () => Promise<T>): Promise<T> {
    this.#count += 1;
    const start = performance.now();
    try {
      const answer = await this.track(send);
      this.#health?.answered();
      return answer;
    } catch (error) {
      if (!isConnectionFailure(error)) throw error;
      this.#health?.failed();
      throw new DataUnavailableError('connection', 'The connection to the database failed.', {
        cause: error,
      });
    } finally {
      const duration = performance.now() - start;
      for (const listener of this.#listeners) listener(sql, duration);
    }
  }
}

const isCommit = (query: Query): boolean => query.sql === 'COMMIT';
const goesBack = (query: Query): boolean => query.sql.startsWith('ROLLBACK TO SAVEPOINT');

/**
 * Prisma ends a transaction in one of two ways, by the adapter: it sends COMMIT or ROLLBACK itself and then calls
 * `commit()` or `rollback()` only to free the connection (PostgreSQL), or it leaves both to those calls (PGlite).
 */
function watchTransaction(inner: Transaction, log: StatementLog): Transaction {
  const endsItself = inner.options.usePhantomQuery;
  const tables = new Set<string>();
  let failure: unknown;
  let committing = false;

  async function send<T>(query: Query, method: 'queryRaw' | 'executeRaw'): Promise<T> {
    for (const table of tablesWritten(query.sql)) tables.add(table);
    try {
      const result = await log.run(query.sql, () => inner[method](query) as Promise<T>);
      if (goesBack(query)) failure = undefined; // to before the statement that failed
      return result;
    } catch (error) {
      failure ??= error;
      // Lost on its way, a COMMIT may have been heard all the same; and nobody may call commit() any more.
      if (committing) await log.written(tables, error);
      throw error;
    }
  }

  /** Says what is about to be written, and returns why it must not be, or null. */
  async function mayNotCommit(): Promise<unknown> {
    if (failure !== undefined) return new TransactionAbortedError({ cause: failure });
    try {
      await log.writing(tables);
      return null;
    } catch (error) {
      await log.written(tables);
      return error;
    }
  }

  const watched: Transaction = {
    provider: inner.provider,
    adapterName: inner.adapterName,
    options: inner.options,
    queryRaw: (query) => send(query, 'queryRaw'),
    async executeRaw(query) {
      if (!isCommit(query)) return send(query, 'executeRaw');
      const refusal = await mayNotCommit();
      if (refusal === null) {
        committing = true;
        return send(query, 'executeRaw');
      }
      // Prisma only frees the connection after this, so it must not be left inside the transaction.
      await send({ ...query, sql: 'ROLLBACK' }, 'executeRaw');
      throw refusal;
    },
    async commit() {
      // What was written is told when the connection is free again: others may be waiting for it.
      if (!endsItself) {
        await inner.commit();
        if (committing) await log.written(tables);
        return;
      }
      const refusal = await mayNotCommit();
      if (refusal !== null) {
        await log.run('ROLLBACK', () => inner.rollback());
        throw refusal;
      }
      await log.run('COMMIT', () => inner.commit()).finally(() => log.written(tables));
    },
    rollback: () => (endsItself ? log.run('ROLLBACK', () => inner.rollback()) : inner.rollback()),
  };
  const { createSavepoint, rollbackToSavepoint, releaseSavepoint } = inner;
  if (createSavepoint) watched.createSavepoint = (name) => createSavepoint.call(inner, name);
  if (releaseSavepoint) watched.releaseSavepoint = (name) => releaseSavepoint.call(inner, name);
  if (rollbackToSavepoint) {
    watched.rollbackToSavepoint = async (name) => {
      await rollbackToSavepoint.call(inner, name);
      failure = undefined;
    };
  }
  return watched;
}

const RETRIES = 2;

/**
 * Sends again what met a connection whose session had ended (a failover, a restart), if that can do no harm:
 * a read, or the BEGIN before anything was done. Others may have been executed before the answer was lost.
 */
async function onLiveSession<T>(send: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await send();
    } catch (error) {
      const ended = error instanceof DataUnavailableError && isEndedSession(error.cause);
      if (!ended || attempt === RETRIES) throw error;
    }
    await setImmediate(); // lets the pool hear of the other connections that ended with this one
  }
}

const isRead = (query: Query): boolean => /^\s*SELECT\b/i.test(query.sql);

function watchAdapter(inner: Adapter, log: StatementLog): Adapter {
  const read = (query: Query) => log.run(query.sql, () => inner.queryRaw(query));
  /** A statement that is a transaction of its own. After a failure it is not known whether it came through. */
  async function write<T>(query: Query, send: (query: Query) => Promise<T>): Promise<T> {
    const tables = tablesWritten(query.sql);
    let failure: unknown;
    try {
      await log.writing(tables);
      return await send(query).catch((error: unknown) => {
        failure = error;
        throw error;
      });
    } finally {
      await log.written(tables, failure);
    }
  }
  const watched: Adapter = {
    provider: inner.provider,
    adapterName: inner.adapterName,
    queryRaw: (query) => (isRead(query) ? onLiveSession(() => read(query)) : write(query, read)),
    executeRaw: (query) => write(query, () => log.run(query.sql, () => inner.executeRaw(query))),
    executeScript: (script) => inner.executeScript(script),
    dispose: () => inner.dispose(),
    async startTransaction(isolationLevel) {
      const begin = () => log.run('BEGIN', () => inner.startTransaction(isolationLevel));
      const transaction = await onLiveSession(begin);
      return watchTransaction(transaction, log);
    },
  };
  const { getConnectionInfo } = inner;
  if (getConnectionInfo) watched.getConnectionInfo = () => getConnectionInfo.call(inner);
  return watched;
}

/** Puts `log` between Prisma and the adapters that `factory` makes. */
export function watchStatements(
  factory: SqlDriverAdapterFactory,
  log: StatementLog,
): SqlDriverAdapterFactory {
  return {
    provider: factory.provider,
    adapterName: factory.adapterName,
    connect: async () => watchAdapter(await factory.connect(), log),
  };
}
