/** The data port on an embedded PostgreSQL in this process's memory: for --dev, for tests, and as the fallback. */

import { PGlite } from '@electric-sql/pglite';
import { PrismaPGlite } from 'pglite-prisma-adapter';
import { pino } from 'pino';
import type { Logger } from '../log.js';
import { takeBegun } from './ahead.js';
import { assemble, TRANSACTION_TIMEOUT_MS } from './assemble.js';
import type { Data } from './client.js';
import { DataUnavailableError } from './errors.js';
import { BEGIN_IN_MEMORY } from './feed-epoch.js';
import { Gate } from './gate.js';
import { preparedDatabase } from './prepared.js';
import { wasmModule } from './wasm.js';

export interface MemoryOptions {
  /** Where the prepared database is kept; by default `.cache` of this package. */
  readonly cacheDir?: string | undefined;
  /** How long a transaction waits for its turn, in milliseconds; 10 s by default. */
  readonly queueWaitMs?: number | undefined;
  /** How many transactions may wait; 1,000 by default. */
  readonly maxQueuedCommands?: number | undefined;
  /** How long a transaction may take altogether; 20 s by default. */
  readonly transactionTimeoutMs?: number | undefined;
  readonly log?: Logger | undefined;
}

async function start(archive: Buffer): Promise<PGlite> {
  const database = await PGlite.create({
    loadDataDir: new Blob([archive as Uint8Array<ArrayBuffer>], { type: 'application/x-tar' }),
    pgliteWasmModule: await wasmModule(),
  });
  // The adapter sends times without a zone; the second statement proves that the archive was whole.
  await database.exec(
    `SET TIME ZONE 'UTC'; SELECT count(*) FROM _prisma_migrations; ${BEGIN_IN_MEMORY}`,
  );
  return database;
}

async function open(cacheDir: string | undefined): Promise<PGlite> {
  // compiling and unpacking both leave this thread free: at the same time
  const begun = cacheDir === undefined ? takeBegun() : undefined;
  const prepared = async () => (await begun) ?? (await preparedDatabase(cacheDir));
  const [archive] = await Promise.all([prepared(), wasmModule()]);
  try {
    return await start(archive);
  } catch {
    return start(await preparedDatabase(cacheDir, true));
  }
}

/**
 * Opens an empty, migrated database in memory. It has one session: a transaction excludes everything else,
 * so transactions run one by one and reads wait for the running one.
 */
export async function openMemory(options: MemoryOptions = {}): Promise<Data> {
  const database = await open(options.cacheDir);
  const queueWaitMs = options.queueWaitMs ?? 10_000;
  const gate = new Gate({
    capacity: 1,
    maxQueued: options.maxQueuedCommands ?? 1_000,
    waitMs: queueWaitMs,
  });
  return assemble({
    kind: 'memory',
    adapter: new PrismaPGlite(database),
    gate,
    log: options.log ?? pino({ enabled: false }),
    maxWaitMs: queueWaitMs,
    transactionTimeoutMs: options.transactionTimeoutMs ?? TRANSACTION_TIMEOUT_MS,
    async ping() {
      try {
        await database.query('SELECT 1');
      } catch (error) {
        throw new DataUnavailableError('connection', 'The database in memory does not answer.', {
          cause: error,
        });
      }
    },
    pool: () => ({ total: 1, idle: 1 - gate.inside, waiting: gate.waiting, max: 1 }),
    end: () => database.close(),
  });
}
