/**
 * The connections to PostgreSQL: warm ones at once, few when idle, replaced when old, never leaked and never fatal.
 * Four habits of the driver's pool are corrected here: it closes a connection whenever a statement fails, throws
 * where a connection is released twice (Prisma does, around timeouts), hands on one that is inside a transaction, and leaves
 * one that it has handed out with nobody who hears that it breaks.
 */
import pg from 'pg';
import type { Logger } from '../log.js';
import { Canceller, endUnwanted } from './cancel.js';
import { type ConnectionOptions, clientConfig } from './connection.js';

export interface PoolOptions extends ConnectionOptions {
  readonly maxConnections: number;
  /** Kept open while idle, and opened at start: the warm ones. */
  readonly maxIdleConnections: number;
  readonly connectionMaxLifetimeMs: number;
  /** 0 switches each of these off. */
  readonly statementTimeoutMs: number;
  readonly lockTimeoutMs: number;
  readonly idleInTransactionTimeoutMs: number;
}

/** Idle connections beyond the warm ones are closed after this. */
const IDLE_TIMEOUT_MS = 30_000;
/** Beyond the server's own statement timeout: then the server is gone without a word, and so is the connection. */
const SILENCE_MS = 5_000;
const FIRST_REFILL_MS = 500;
const LONGEST_REFILL_MS = 30_000;

/** A statement that the server refused leaves the connection as good as before; anything else does not. */
function stillGood(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.severity === 'ERROR';
}

function correctRelease(client: pg.PoolClient): pg.PoolClient {
  const release = client.release.bind(client);
  let released = false;
  client.release = (error) => {
    if (released) return;
    released = true;
    release(error ?? client.getTransactionStatus() !== 'I');
  };
  return client;
}

function correct(pool: pg.Pool): void {
  const connect = pool.connect.bind(pool) as () => Promise<pg.PoolClient>;
  const checkOut = async (): Promise<pg.PoolClient> => correctRelease(await connect());
  pool.connect = checkOut as typeof pool.connect;

  const query = async (config: pg.QueryConfig): Promise<pg.QueryResult> => {
    const client = await checkOut();
    let broken = false;
    try {
      return await client.query(config);
    } catch (error) {
      broken = !stillGood(error);
      throw error;
    } finally {
      client.release(broken);
    }
  };
  pool.query = query as unknown as typeof pool.query;
}

/** Opens connections until `count` exist, or as many as can be had, by holding them all for a moment. */
async function warmUp(pool: pg.Pool, count: number): Promise<void> {
  const missing = Math.max(0, count - pool.totalCount);
  const taken = await Promise.allSettled(
    Array.from({ length: missing + pool.idleCount }, () => pool.connect()),
  );
  for (const client of taken) if (client.status === 'fulfilled') client.value.release();
  const failed = taken.find((client) => client.status === 'rejected');
  if (failed) throw failed.reason;
}

/** Replaces warm connections that went away (age, a restart of the server), with patience while there is none. */
function keepWarm(pool: pg.Pool, count: number): void {
  let timer: NodeJS.Timeout | undefined;
  let delay = FIRST_REFILL_MS;
  const refill = async (): Promise<void> => {
    timer = undefined;
    try {
      await warmUp(pool, count);
      delay = FIRST_REFILL_MS;
    } catch {
      delay = Math.min(delay * 2, LONGEST_REFILL_MS);
      schedule();
    }
  };
  const schedule = (): void => {
    if (timer || pool.ending || pool.totalCount >= count) return;
    timer = setTimeout(() => void refill(), delay);
    timer.unref();
  };
  pool.on('remove', schedule);
}

/**
 * Makes a pool and opens its warm connections.
 * @throws the driver's error when the server cannot be reached or refuses; then nothing is left open
 */
export async function openPool(options: PoolOptions, log: Logger): Promise<pg.Pool> {
  const { statementTimeoutMs } = options;
  const warm = Math.min(options.maxIdleConnections, options.maxConnections);
  const pool = new pg.Pool({
    ...clientConfig(options),
    max: options.maxConnections,
    min: warm,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    maxLifetimeSeconds: options.connectionMaxLifetimeMs / 1000,
    statement_timeout: statementTimeoutMs,
    lock_timeout: options.lockTimeoutMs,
    idle_in_transaction_session_timeout: options.idleInTransactionTimeoutMs,
    ...(statementTimeoutMs > 0 ? { query_timeout: statementTimeoutMs + SILENCE_MS } : {}),
  });
  const canceller = new Canceller(options, log);
  pool.on('connect', (client) => {
    // The pool listens to those that are idle. One that breaks in other hands would end the process, were nobody listening at that moment.
    client.on('error', () => {});
    endUnwanted(client, canceller);
  });
  correct(pool);
  pool.on('error', (error) => log.warn({ err: error }, 'idle database connection lost'));
  try {
    await warmUp(pool, Math.max(warm, 1));
  } catch (error) {
    await pool.end();
    throw error;
  }
  keepWarm(pool, warm);
  return pool;
}
