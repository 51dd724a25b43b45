/** The data port on PostgreSQL. */
import { PrismaPg } from '@prisma/adapter-pg';
import type { Logger } from '../log.js';
import { assemble, TRANSACTION_TIMEOUT_MS } from './assemble.js';
import type { Data } from './client.js';
import { connectError } from './connection.js';
import { DataUnavailableError } from './errors.js';
import { Gate } from './gate.js';
import { openPool, type PoolOptions } from './pool.js';

export interface PostgresOptions extends PoolOptions {
  /** How long a transaction waits for its turn, in milliseconds. */
  readonly queueWaitMs: number;
  /** How many transactions may wait; the next one is refused. */
  readonly maxQueuedCommands: number;
  /** How long a transaction may take altogether; 20 s when not given. */
  readonly transactionTimeoutMs?: number | undefined;
}

/** Part of the pool that transactions may take, so that reads always find a connection. */
const TRANSACTION_SHARE = 0.8;
/** The pool gives up first, with a better error. */
const PRISMA_PATIENCE_MS = 1_000;

/**
 * Connects to a migrated database and opens the warm connections.
 * Connections that are lost later are replaced as needed: a restart of the server needs nothing from us.
 * @throws {DataUnavailableError} the server cannot be reached or refuses us
 */
export async function openPostgres(options: PostgresOptions, log: Logger): Promise<Data> {
  const pool = await openPool(options, log).catch((error: unknown) => {
    throw connectError(options, error);
  });
  const max = options.maxConnections;
  const gate = new Gate({
    capacity: Math.max(1, Math.floor(max * TRANSACTION_SHARE)),
    maxQueued: options.maxQueuedCommands,
    waitMs: options.queueWaitMs,
  });
  return assemble({
    kind: 'postgres',
    adapter: new PrismaPg(pool),
    gate,
    log,
    maxWaitMs: options.connectTimeoutMs + PRISMA_PATIENCE_MS,
    transactionTimeoutMs: options.transactionTimeoutMs ?? TRANSACTION_TIMEOUT_MS,
    async ping() {
      try {
        await pool.query({ text: 'SELECT 1' });
      } catch (error) {
        throw new DataUnavailableError('connection', 'PostgreSQL does not answer.', {
          cause: error,
        });
      }
    },
    pool: () => ({
      total: pool.totalCount,
      idle: pool.idleCount,
      waiting: pool.waitingCount + gate.waiting,
      max,
    }),
    end: () => pool.end(),
  });
}
