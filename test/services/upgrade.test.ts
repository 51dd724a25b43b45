/**
 * Upgrade and rollback: the version of before goes on while a new one migrates, whether that works or not, and the way back keeps what it can.
 * The version of before is its statements: prepared ones, as its client sends them, with the columns that its schema had. Of what comes
 * next, the version of before is the present program.
 */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { seedDemo } from '../../src/cli/demo/seed.js';
import { revertMigrations, runMigrations } from '../../src/data/migrate.js';
import { packageRoot, readMigrations } from '../../src/data/migrations.js';
import { openData } from '../../src/data/open.js';
import { openPostgres } from '../../src/data/postgres.js';
import { configOn, createTestApp } from '../support/app.js';
import { mutate } from '../support/mutations.js';
import { sharedPostgres } from '../support/services/postgres.js';
import { until } from '../support/until.js';
import { databaseOptions, silent } from './data-fixtures.js';
import { HASHES } from './demo-fixtures.js';

/** The newest ones; each is taken back and applied again under the version of before it. */
const NEWEST = 3;

let database: string;
let names: string[];
const target = () => databaseOptions(sharedPostgres(), database);

async function connect(): Promise<pg.Client> {
  const { host, port, user, password } = sharedPostgres();
  const client = new pg.Client({ host, port, user, password, database });
  client.on('error', () => {});
  await client.connect();
  return client;
}

interface Column {
  readonly table: string;
  readonly column: string;
  readonly generated: boolean;
}

const COLUMNS = `
  SELECT c.relname::text AS table, a.attname::text AS column, a.attidentity <> '' OR a.attgenerated <> '' AS generated
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
    AND c.relname <> '_prisma_migrations' ORDER BY 1, a.attnum`;

/** All that a program of the present schema knows: its tables, with their columns. */
async function schemaOf(client: pg.Client): Promise<Map<string, Column[]>> {
  const { rows } = await client.query<Column>(COLUMNS);
  const tables = new Map<string, Column[]>();
  for (const row of rows) tables.set(row.table, [...(tables.get(row.table) ?? []), row]);
  return tables;
}

/** Reads every table by its columns, and writes each one's first row anew with the values that it has: what a program of that schema does. */
async function daily(
  client: pg.Client,
  schema: ReadonlyMap<string, readonly Column[]>,
): Promise<void> {
  for (const [table, columns] of schema) {
    const on = pg.escapeIdentifier(table);
    const id = (column: Column) => pg.escapeIdentifier(column.column);
    const all = columns.map(id).join(', ');
    await client.query({ name: `read ${table}`, text: `SELECT ${all} FROM ${on} LIMIT 3` });
    const own = columns.filter(({ generated }) => !generated).map(id);
    await client.query('BEGIN');
    try {
      // a row goes and comes back, with nothing that this program does not know: later columns need a default, or no row can be added
      const { rows } = await client.query(
        `SELECT ${own.map((name) => `${name}::text`).join(', ')} FROM ${on} LIMIT 1`,
      );
      const [row] = rows as Record<string, string | null>[];
      if (row) {
        const values = own.map((_, i) => `$${i + 1}`).join(', ');
        await client.query(`SET LOCAL session_replication_role = replica; DELETE FROM ${on}`);
        await client.query({
          text: `INSERT INTO ${on} (${own.join(', ')}) VALUES (${values})`,
          values: Object.values(row),
        });
      }
    } finally {
      await client.query('ROLLBACK');
    }
  }
}

/** Filled once, and copied for each test. */
let filled: string;
beforeAll(async () => {
  names = (await readMigrations()).map(({ name }) => name);
  database = filled = await sharedPostgres().createDatabase();
  await runMigrations(target());
  const data = await openPostgres(
    { ...target(), maxConnections: 3, maxIdleConnections: 1 },
    silent,
  );
  await seedDemo(data, { now: new Date(), hashes: HASHES });
  await data.close();
});
afterAll(() => sharedPostgres().dropDatabase(filled));
beforeEach(async () => {
  database = 'postgres';
  const client = await connect();
  database = `${filled}_copy`;
  await client.query(`CREATE DATABASE ${database} TEMPLATE ${filled}`);
  await client.end();
});
afterEach(() => sharedPostgres().dropDatabase(database));

describe('while a new version migrates', () => {
  it('each of the newest migrations lets the version of before it read and write every table, during and after', async () => {
    const broken: string[] = [];
    for (const name of names.slice(-NEWEST)) {
      const before = names[names.indexOf(name) - 1] ?? '';
      await revertMigrations(target(), { to: before });
      const client = await connect(); // one for each: it keeps the statements of its version
      const schema = await schemaOf(client);
      await daily(client, schema);
      let migrating = true;
      const migration = runMigrations(target(), { to: name }).finally(() => {
        migrating = false;
      });
      try {
        while (migrating) await daily(client, schema);
        await daily(client, schema);
      } catch (error) {
        broken.push(`${name}: ${(error as Error).message}`);
      }
      await migration;
      await client.end();
    }
    expect(broken).toEqual([]);
  }, 60_000);

  it.each([
    [
      'a column that has to be given',
      'ADD COLUMN next int NOT NULL DEFAULT 0; ALTER TABLE clusters ALTER COLUMN next DROP DEFAULT',
      /null value in column "next"/,
    ],
    [
      'a column of another name',
      'RENAME COLUMN description TO about',
      /column "description" does not exist/,
    ],
    [
      'a column of another type',
      'ALTER COLUMN name TYPE text',
      /cached plan must not change result type/,
    ],
  ])('would be found to break with %s', async (_what, change, message) => {
    const client = await connect();
    const schema = await schemaOf(client);
    await daily(client, schema);
    await client.query(`ALTER TABLE clusters ${change}`);
    await expect(daily(client, schema)).rejects.toThrow(message);
    await client.end();
  });
});

describe('a migration that cannot be done', () => {
  const NEXT = '999999_next';
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'next-'));
    await cp(join(packageRoot(), 'prisma', 'migrations'), directory, { recursive: true });
    await mkdir(join(directory, NEXT));
    await writeFile(join(directory, NEXT, 'down.sql'), 'ALTER TABLE clusters DROP COLUMN next;');
  });
  afterAll(() => rm(directory, { recursive: true }));
  const next = (sql: string) => writeFile(join(directory, NEXT, 'migration.sql'), sql);

  it('because it fails in its middle leaves the version of before working, with all its data', async () => {
    await next('ALTER TABLE clusters ADD COLUMN next int; DROP TABLE alerts; SELECT 1 / 0;');
    const client = await connect();
    const schema = await schemaOf(client);
    await expect(runMigrations(target(), { directory })).rejects.toThrow(
      /999999_next failed and was undone/,
    );
    await daily(client, schema);
    expect(await schemaOf(client)).toEqual(schema);
    await expect(runMigrations(target())).resolves.toEqual([]); // what the version of before does at a start
    await client.end();
  });

  it('leaves the program of before with its whole API, as does one that can be done', async () => {
    const data = await openData(configOn(database), silent);
    const world = await createTestApp({ data });
    await world.seed.user('ADMIN', { username: 'of-before' });
    const admin = await world.signIn('of-before');
    let made = 0;
    const works = () => mutate(admin, 'createCluster', { name: `cluster-${++made}` });
    await works();
    const column = 'ALTER TABLE clusters ADD COLUMN next int NOT NULL DEFAULT 0;';
    for (const [sql, outcome] of [
      [`${column} SELECT pg_sleep(0.1); SELECT 1 / 0;`, 'failed and was undone: division by zero'],
      [`${column} SELECT pg_sleep(0.1);`, NEXT],
    ] as const) {
      await next(sql);
      let migrating = true;
      const migration = runMigrations(target(), { directory })
        .then(([name]) => name, String)
        .finally(() => {
          migrating = false;
        });
      while (migrating) await works();
      expect(await migration).toContain(outcome);
      await works();
    }
    expect(await data.db.cluster.count({ where: { name: { startsWith: 'cluster-' } } })).toBe(made);
    await world.stop();
    await data.close();
  });

  it('because a long transaction keeps its table lets others by in between, and goes through when that ends', async () => {
    await next('ALTER TABLE clusters ADD COLUMN next int;');
    const [long, other] = await Promise.all([connect(), connect()]);
    await long.query('BEGIN; SELECT 1 FROM clusters LIMIT 1');
    // as the version of before: the time that it waits for a lock
    await other.query(`SET lock_timeout = '${target().lockTimeoutMs}ms'`);
    const migration = runMigrations(target(), { directory });
    const waits = () =>
      long.query(
        `SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock' AND relation = 'clusters'::regclass`,
      );
    await until('the migration waits', async () => (await waits()).rows.length > 0);
    // behind the migration in the line, and through before it
    await expect(other.query('SELECT count(*) FROM clusters')).resolves.toMatchObject({
      rowCount: 1,
    });
    await long.query('COMMIT');
    await expect(migration).resolves.toEqual([NEXT]);
    await expect(revertMigrations(target(), { directory })).resolves.toEqual([NEXT]);
    await Promise.all([long.end(), other.end()]);
  });
});

describe('going back', () => {
  const counts = async (client: pg.Client) => {
    const schema = await schemaOf(client);
    const found: Record<string, number> = {};
    for (const table of schema.keys()) {
      const { rows } = await client.query(
        `SELECT count(*)::int AS count FROM ${pg.escapeIdentifier(table)}`,
      );
      found[table] = rows[0]?.count;
    }
    return found;
  };

  it('step by step to the fourth and up again keeps every row of the tables that are there all the way; then to nothing', async () => {
    const client = await connect();
    const before = await counts(client);
    for (const name of names.slice(4).reverse()) {
      await expect(revertMigrations(target())).resolves.toEqual([name]);
      const now = await counts(client);
      // a table goes with the migration that made it; one that stays keeps its rows
      for (const [table, count] of Object.entries(now))
        expect([name, table, count]).toEqual([name, table, before[table]]);
    }
    const least = await counts(client);
    await runMigrations(target());
    const after = await counts(client);
    for (const table of Object.keys(least))
      expect([table, after[table]]).toEqual([table, before[table]]);
    expect(Object.keys(after)).toEqual(Object.keys(before));

    // and the four below, which take their tables with them
    await expect(revertMigrations(target(), { to: 'none' })).resolves.toEqual([...names].reverse());
    expect(await counts(client)).toEqual({});
    await client.end();
  }, 60_000);
});
