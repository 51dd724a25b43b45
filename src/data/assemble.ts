/** Builds the data port on top of a driver adapter: everything that is the same for both. */
import type { SqlDriverAdapterFactory } from '@prisma/client/runtime/client';
import { PrismaClient } from '../gen/client/client.js';
import type { Logger } from '../log.js';
import type { Data, PoolState } from './client.js';
import type { Gate } from './gate.js';
import { Heartbeat } from './heartbeat.js';
import { StatementLog, watchStatements } from './statements.js';
import { transactionRunner } from './transaction.js';

export interface Parts {
  readonly kind: Data['kind'];
  readonly adapter: SqlDriverAdapterFactory;
  readonly gate: Gate;
  readonly log: Logger;
  /** How long the start of a transaction may wait for a connection, once it is its turn. */
  readonly maxWaitMs: number;
  /** How long a transaction may take altogether before it is rolled back. */
  readonly transactionTimeoutMs: number;
  ping(): Promise<void>;
  pool(): PoolState;
  /** Closes what is below Prisma. Called once. */
  end(): Promise<void>;
}

/** Compiled query plans that are kept; each shape of a query is one. Bounded, because clients choose the shapes. */
const PLAN_CACHE_SIZE = 500;

/** What a transaction may take when nothing else is configured. */
export const TRANSACTION_TIMEOUT_MS = 20_000;

export function assemble(parts: Parts): Data {
  const { kind, gate, log } = parts;
  // What is in this process does not go away.
  const heartbeat = kind === 'postgres' ? new Heartbeat({ ping: parts.ping, log }) : undefined;
  const statementLog = new StatementLog(heartbeat);
  const db = new PrismaClient({
    adapter: watchStatements(parts.adapter, statementLog),
    queryPlanCacheMaxSize: PLAN_CACHE_SIZE,
    errorFormat: 'minimal',
    transactionOptions: { maxWait: parts.maxWaitMs, timeout: parts.transactionTimeoutMs },
  });
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    heartbeat?.stop();
    gate.close();
    await gate.empty();
    await statementLog.close();
    await db.$disconnect();
    await parts.end();
  };
  return {
    kind,
    persistent: kind === 'postgres',
    get available() {
      return heartbeat?.available ?? true;
    },
    db,
    transaction: transactionRunner({ db, gate, log, beginning: () => statementLog.beginning() }),
    statements: () => statementLog.count,
    onStatement: (listener) => statementLog.listen(listener),
    onWrite: (listener) => statementLog.listenToWrites(listener),
    ping: () => statementLog.track(() => parts.ping()),
    pool: () => parts.pool(),
    close: () => (closing ??= close()),
  };
}
