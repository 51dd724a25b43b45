/** The one place that chooses the database: memory for --dev, PostgreSQL in production, and what to do without it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../log.js';
import type { Data } from './client.js';
import { DataUnavailableError, isRefusal } from './errors.js';
import { withReturn } from './fallback.js';
import { openMemory } from './memory.js';
import { runMigrations } from './migrate.js';
import type { PoolOptions } from './pool.js';
import { openPostgres } from './postgres.js';

export interface DatabaseOptions extends PoolOptions {
  /** Without PostgreSQL at start: serve from memory, degraded, until it is back; or refuse to start. */
  readonly fallback: 'memory' | 'refuse';
}

/** The part of the configuration that this layer reads. Durations are milliseconds. */
export interface DataConfig {
  readonly mode: 'dev' | 'production';
  readonly database: DatabaseOptions;
  readonly limits: { readonly queueWaitMs: number; readonly maxQueuedCommands: number };
}

export interface OpenOptions {
  /** Where the prepared database in memory is kept; by default `.cache` of this package. */
  readonly cacheDir?: string | undefined;
  /** How often to look for PostgreSQL while serving from memory; 5 s by default. */
  readonly retryMs?: number | undefined;
  /** Called once when a fallback has returned to PostgreSQL: whatever was read before is void. */
  onReturn?: (() => void) | undefined;
}

const RETRY_MS = 5_000;
/** PostgreSQL and this program often start at the same time. */
const FIRST_RETRY_MS = 250;

/** Whether waiting can help: nobody answers, or not yet. A wrong password or name stays wrong. */
const mayRecover = (error: unknown): boolean =>
  error instanceof DataUnavailableError && !isRefusal(error.cause);

/**
 * Opens the database of this configuration, migrated to the schema of this program.
 * @throws {MigrationError} the database and this program's migrations contradict each other
 * @throws {DataUnavailableError} PostgreSQL refuses us, or does not answer and the fallback is "refuse"
 */
export async function openData(
  config: DataConfig,
  log: Logger,
  options: OpenOptions = {},
): Promise<Data> {
  const { database, limits } = config;
  const memory = () => openMemory({ ...limits, cacheDir: options.cacheDir, log });

  const postgres = async (): Promise<Data> => {
    const applied = await runMigrations(database);
    if (applied.length > 0) log.info({ migrations: applied }, 'database migrated');
    return openPostgres({ ...database, ...limits }, log);
  };
  const patiently = async (): Promise<Data> => {
    const deadline = Date.now() + database.connectTimeoutMs;
    for (;;) {
      try {
        return await postgres();
      } catch (error) {
        if (!mayRecover(error) || Date.now() >= deadline) throw error;
      }
      await sleep(FIRST_RETRY_MS);
    }
  };

  if (config.mode === 'dev') {
    log.info({ database: 'memory' }, 'the database is in memory and ends with this process');
    return memory();
  }
  try {
    const data = await patiently();
    log.info(
      { database: 'postgres', host: database.host, name: database.database },
      'connected to PostgreSQL',
    );
    return data;
  } catch (error) {
    if (database.fallback === 'refuse' || !mayRecover(error)) throw error;
    log.error(
      { err: error },
      'PostgreSQL cannot be reached: serving from memory, nothing written now will last',
    );
    return withReturn({
      memory: await memory(),
      reconnect: postgres,
      retryMs: options.retryMs ?? RETRY_MS,
      log,
      onReturn: options.onReturn,
    });
  }
}
