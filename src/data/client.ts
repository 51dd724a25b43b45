/**
 * The data port: what everything above knows of the database.
 * Two adapters implement it, PostgreSQL (postgres.ts) and embedded PostgreSQL in memory (memory.ts);
 * test/services/data-contract.test.ts holds both to the same behaviour.
 */
import type { Prisma, PrismaClient } from '../gen/client/client.js';

/** The root client: every statement is its own transaction. For reads. */
export type Db = PrismaClient;

/** The client of one running transaction. Unusable once the transaction has ended. */
export type Tx = Prisma.TransactionClient;

export interface TransactionOptions {
  /** Leaves the queue when aborted; a transaction already running is rolled back before its COMMIT, and its running statement cancelled. */
  readonly signal?: AbortSignal;
}

export interface PoolState {
  /** Connections open now, of which `idle` have nothing to do. */
  readonly total: number;
  readonly idle: number;
  /** Callers waiting for a connection or for their turn to run a transaction. */
  readonly waiting: number;
  readonly max: number;
}

/** Called after each statement, also after a failed one. `durationMs` includes waiting for a connection. */
export type StatementListener = (sql: string, durationMs: number) => void;

/** Told of the tables that a commit writes, and waited for. */
export interface WriteListener {
  /** Before a transaction begins, which it refuses by rejecting: here nothing is locked yet. */
  beginning?(): Promise<void>;
  /** Just before the commit, which it refuses by rejecting; `written` follows, whatever comes of it, unless the process ends. */
  writing?(tables: ReadonlySet<string>): Promise<void>;
  /** After it, and before the writer hears of it. `inDoubt`: the answer was lost, and it may still come through. Must not reject. */
  written(tables: ReadonlySet<string>, inDoubt: boolean): Promise<void>;
}

export interface Data {
  readonly kind: 'postgres' | 'memory';
  /** Whether what is written survives the process. */
  readonly persistent: boolean;
  /** Whether the database answers now, as far as is known. */
  readonly available: boolean;
  /** Read it at each use, never keep it: it is replaced when a fallback returns to PostgreSQL. */
  readonly db: Db;
  /**
   * Runs `run` in one READ COMMITTED transaction. It may run up to five times: serialization failures and
   * deadlocks are retried, so `run` must not do anything that a rollback does not undo.
   *
   * `run` must use `tx` alone, never `db` and never another `transaction`: on PostgreSQL the root client
   * silently works outside the transaction; in memory both wait for the very transaction that waits for them.
   *
   * @throws {DataUnavailableError} no turn or no row lock within the configured wait, queue full, five races lost,
   *   or the connection failed. After a lost connection the outcome of the COMMIT can be unknown; idempotency keys are for that.
   * @throws {TransactionAbortedError} `run` swallowed the error of a failed statement and returned.
   */
  transaction<T>(run: (tx: Tx) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /** SQL statements sent since start, BEGIN and COMMIT included; the same count on both adapters. */
  statements(): number;
  /** Calls `listener` for each statement until the returned function is called. For tests and metrics. */
  onStatement(listener: StatementListener): () => void;
  /**
   * Tells `listener` of every commit, whoever wrote, until the returned function is called: also when it is not known whether
   * the commit came through. Tables that follow by their foreign keys are named, too. A statement that says UNSEEN is left out.
   */
  onWrite(listener: WriteListener): () => void;
  /** Resolves when the database answers, rejects with DataUnavailableError when it does not. */
  ping(): Promise<void>;
  pool(): PoolState;
  /** Ends everything: waiting callers are refused, running transactions may finish. Safe to call twice. */
  close(): Promise<void>;
}

/** The project that every installation starts with, and its default security group (see 000001_init). */
export const DEFAULT_PROJECT_ID = '00000000-0000-7000-8000-000000000001';
export const DEFAULT_SECURITY_GROUP_ID = '00000000-0000-7000-8000-000000000002';
