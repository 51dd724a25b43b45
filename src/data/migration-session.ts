/** One database session for migrations, on PostgreSQL or embedded: whole scripts, and sole access while they run. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PGlite } from '@electric-sql/pglite';
import pg from 'pg';
import { asOwner, type ConnectionOptions, clientConfig, connectError } from './connection.js';

export type MigrationTarget = ConnectionOptions | PGlite;

export interface MigrationSession {
  /** The role that works with the tables that this session's role owns; null: one role does both. */
  readonly service: string | null;
  /** Runs a script of any number of statements in one go; function bodies may contain semicolons. */
  script(sql: string): Promise<void>;
  query<Row>(sql: string, parameters?: readonly unknown[]): Promise<Row[]>;
  /** Runs `work` while no other process migrates this database. */
  alone<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** The lock that Prisma's own migration tool takes, so that the two exclude each other. */
const LOCK = 72_707_369;
const LOCK_WAIT_MS = 60_000;
const LOCK_POLL_MS = 100;
/**
 * A migration waits this long for a table that somebody uses, and holds up everybody behind it meanwhile: shorter than statements of an
 * older version that still serves wait (`database.lock_timeout`), so those come through late and do not fail. Then it lets them pass, and tries again.
 */
const TABLE_LOCK_TIMEOUT = '2s';

function embedded(database: PGlite): MigrationSession {
  return {
    service: null,
    async script(sql) {
      await database.exec(sql);
    },
    async query<Row>(sql: string, parameters: readonly unknown[] = []) {
      return (await database.query<Row>(sql, [...parameters])).rows;
    },
    alone: (work) => work(), // its only session is ours
    close: async () => {},
  };
}

async function holder(client: pg.Client): Promise<string> {
  const { rows } = await client.query(
    `SELECT pid, application_name, client_addr FROM pg_locks JOIN pg_stat_activity USING (pid)
     WHERE locktype = 'advisory' AND objid = $1 AND granted`,
    [LOCK],
  );
  const [row] = rows;
  if (!row) return 'nobody any more';
  return `process ${row.pid} (${row.application_name || 'unnamed'} at ${row.client_addr ?? 'a local socket'})`;
}

async function lock(client: pg.Client, waitMs: number): Promise<void> {
  const deadline = Date.now() + waitMs;
  for (;;) {
    const { rows } = await client.query('SELECT pg_try_advisory_lock($1) AS locked', [LOCK]);
    if (rows[0]?.locked) return;
    if (Date.now() >= deadline) {
      throw new Error(
        `Another process has been migrating this database for more than ${waitMs / 1000} s. The lock is held by ${await holder(client)}.`,
      );
    }
    await sleep(LOCK_POLL_MS);
  }
}

async function server(settings: ConnectionOptions, lockWaitMs: number): Promise<MigrationSession> {
  const options = asOwner(settings);
  const client = new pg.Client(clientConfig(options));
  client.on('error', () => {}); // a lost connection also fails the statement that runs
  await client.connect().catch((error: unknown) => {
    throw connectError(options, error);
  });
  return {
    service: options.user === settings.user ? null : settings.user,
    async script(sql) {
      await client.query(sql); // without parameters: the simple protocol, which takes several statements
    },
    async query<Row>(sql: string, parameters: readonly unknown[] = []) {
      return (await client.query(sql, [...parameters])).rows as Row[];
    },
    async alone(work) {
      await lock(client, lockWaitMs);
      try {
        await client.query(`SET lock_timeout = '${TABLE_LOCK_TIMEOUT}'; SET statement_timeout = 0`);
        return await work();
      } finally {
        // a session's lock ends with it; unlocking a broken session must not hide the first error
        await client.query('SELECT pg_advisory_unlock($1)', [LOCK]).catch(() => {});
      }
    },
    close: () => client.end(),
  };
}

/** Opens a session of its own on PostgreSQL, as the owner of the tables where one is named, or uses the only one of an embedded database. */
export async function openSession(
  target: MigrationTarget,
  lockWaitMs: number = LOCK_WAIT_MS,
): Promise<MigrationSession> {
  return 'exec' in target ? embedded(target) : server(target, lockWaitMs);
}
