/** Looks into a database behind the program's back, and gets in its way. */
import pg from 'pg';
import type { PostgresAddress } from '../support/services/postgres.js';
import { until } from '../support/until.js';

/** A connection of our own; closed by the caller. */
export async function connect(server: PostgresAddress, database: string): Promise<pg.Client> {
  const { host, port, user, password } = server;
  const client = new pg.Client({ host, port, user, password, database });
  client.on('error', () => {}); // a server that is killed also rejects the statement
  await client.connect();
  return client;
}

/** The rows of one statement. */
export async function query<R extends object>(
  server: PostgresAddress,
  database: string,
  statement: string,
): Promise<R[]> {
  const client = await connect(server, database);
  try {
    return (await client.query<R>(statement)).rows;
  } finally {
    await client.end();
  }
}

export interface Hold {
  /** Waits until so many statements of others wait for us. */
  waiters(count: number): Promise<void>;
  release(): Promise<void>;
}

/** Makes all who write to `table` wait; reading goes on. */
export async function holdTable(
  server: PostgresAddress,
  database: string,
  table: string,
  /** 'writes': reads go on. */
  against: 'writes' | 'all' = 'writes',
): Promise<Hold> {
  const client = await connect(server, database);
  const mode = against === 'all' ? 'ACCESS EXCLUSIVE' : 'EXCLUSIVE';
  await client.query(`BEGIN; LOCK TABLE ${pg.escapeIdentifier(table)} IN ${mode} MODE`);
  // Not all who wait for anything: what runs in the background waits for locks of its own.
  const waiting = `SELECT count(DISTINCT pid)::int AS count FROM pg_locks
    WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))`;
  return {
    waiters: (count) =>
      until(`${count} waiting statements`, async () => {
        const { rows } = await client.query<{ count: number }>(waiting);
        return rows[0]?.count === count;
      }).then(() => undefined),
    async release() {
      await client.end();
    },
  };
}

/** A cluster with one node that is ready for machines, although no agent reports for it. */
export async function insertReadyNode(server: PostgresAddress, database: string): Promise<void> {
  await query(
    server,
    database,
    `WITH cluster AS (
       INSERT INTO clusters (id, name, updated_at) VALUES (gen_random_uuid(), 'inserted', now()) RETURNING id
     )
     INSERT INTO nodes (id, hostname, management_ip, cluster_id, phase, last_heartbeat, allocatable, updated_at)
     SELECT gen_random_uuid(), 'inserted', '192.0.2.1', id, 'READY', now() + interval '1 hour',
       '{"vcpus": 64, "memoryMib": 262144, "storageGib": 1000}', now() FROM cluster`,
  );
}
