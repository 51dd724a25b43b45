/** What a dump has to contain: read in the same snapshot as the dump itself. */
import pg from 'pg';
import type { Manifest } from './manifest.js';

export type DatabaseFacts = Pick<Manifest, 'postgres' | 'migrations' | 'tables' | 'feed'>;

/** Rows by table. One statement, so that it is one moment in any isolation. */
export async function countRows(client: pg.Client): Promise<Record<string, number>> {
  const { rows: tables } = await client.query<{ name: string }>(
    `SELECT relname::text AS name FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1`,
  );
  if (tables.length === 0) return {};
  const counts = tables.map(
    ({ name }) =>
      `SELECT ${pg.escapeLiteral(name)} AS name, count(*)::float8 AS count FROM public.${pg.escapeIdentifier(name)}`,
  );
  const { rows } = await client.query<{ name: string; count: number }>(counts.join(' UNION ALL '));
  return Object.fromEntries(rows.map(({ name, count }) => [name, count]));
}

/** Whether the database has the table. */
export async function has(client: pg.Client, table: string): Promise<boolean> {
  const { rows } = await client.query('SELECT to_regclass($1) IS NOT NULL AS present', [
    `public.${table}`,
  ]);
  return rows[0]?.present === true;
}

/** The feed's epoch, and the last entry of the audit log. */
export async function feedOf(client: pg.Client): Promise<Manifest['feed']> {
  if (!(await has(client, 'change_feed'))) return null;
  const { rows } = await client.query<{ epoch: number; seq: string }>(
    `SELECT epoch, (SELECT coalesce(max(seq), 0)::text FROM audit_log) AS seq FROM change_feed`,
  );
  return rows[0] ?? null;
}

/** In a transaction of one snapshot. */
export async function factsOf(client: pg.Client): Promise<DatabaseFacts> {
  const { rows } = await client.query<Manifest['postgres']>(
    `SELECT current_setting('server_version_num')::int AS version, datname::text AS database,
       datcollate::text AS collate, datctype::text AS ctype, pg_database_size(oid)::float8 AS bytes
     FROM pg_database WHERE datname = current_database()`,
  );
  const [postgres] = rows;
  if (!postgres) throw new Error('the server does not know our database');
  const migrations = (await has(client, '_prisma_migrations'))
    ? await client.query<{ name: string; checksum: string }>(
        `SELECT migration_name AS name, checksum FROM _prisma_migrations
         WHERE rolled_back_at IS NULL AND finished_at IS NOT NULL ORDER BY migration_name`,
      )
    : { rows: [] };
  const feed = await feedOf(client);
  return { postgres, migrations: migrations.rows, tables: await countRows(client), feed };
}

/** Runs `work` while the snapshot is held that its name stands for. */
export async function inSnapshot<T>(
  client: pg.Client,
  work: (name: string, facts: DatabaseFacts) => Promise<T>,
): Promise<T> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  try {
    const { rows } = await client.query('SELECT pg_export_snapshot() AS name');
    return await work(String(rows[0]?.name), await factsOf(client));
  } finally {
    await client.query('ROLLBACK').catch(() => {});
  }
}
