/** Migrations: once, in order, under a lock, there and back, and the same schema that schema.prisma describes. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaPGlite } from 'pglite-prisma-adapter';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DEFAULT_PROJECT_ID } from '../../src/data/client.js';
import { UNIQUE_FIELDS } from '../../src/data/constraints.js';
import { migrationStatus, revertMigrations, runMigrations } from '../../src/data/migrate.js';
import { packageRoot, readMigrations } from '../../src/data/migrations.js';
import { openPostgres } from '../../src/data/postgres.js';
import { sharedPostgres } from '../support/services/postgres.js';
import { describeRows, describeSchema, type Query } from './catalogue.js';
import { databaseOptions, silent } from './data-fixtures.js';
import { diagnose, differenceToSchema } from './schema-engine.js';

const EMPTY = '-- This is an empty migration.';

let database: string;
let client: pg.Client;
let query: Query;
const target = () => databaseOptions(sharedPostgres(), database);
/** The same database, in the driver's words. */
const address = () => {
  const { host, port, user, password } = sharedPostgres();
  return { host, port, user, password, database };
};

beforeEach(async () => {
  database = await sharedPostgres().createDatabase();
  client = new pg.Client(address());
  await client.connect();
  query = async (sql) => (await client.query(sql)).rows;
});
afterEach(async () => {
  await client.end();
  await sharedPostgres().dropDatabase(database);
});

const names = async () => (await readMigrations()).map(({ name }) => name);

describe('up', () => {
  test('applies everything in order, and the second time nothing', async () => {
    await expect(runMigrations(target())).resolves.toEqual(await names());
    await expect(runMigrations(target())).resolves.toEqual([]);
    const rows = await query('SELECT migration_name FROM _prisma_migrations ORDER BY started_at');
    expect(rows.map((row) => row.migration_name)).toEqual(await names());
  });

  test('stops after the one it is told, by name or by number, and goes on from there', async () => {
    await expect(runMigrations(target(), { to: '000003' })).resolves.toHaveLength(3);
    await expect(runMigrations(target(), { to: '000004_volume_extended' })).resolves.toEqual([
      '000004_volume_extended',
    ]);
    await expect(runMigrations(target())).resolves.toEqual((await names()).slice(4));
    await expect(runMigrations(target(), { to: '999' })).rejects.toThrow(
      /no migration 999.*000001_init/,
    );
  });

  test('run by twenty starts one after the other changes nothing after the first', async () => {
    await (await openPostgres(await migrated(), silent)).close();
    const before = [...(await describeSchema(query)), ...(await describeRows(query))];
    for (let boot = 2; boot <= 20; boot += 1) {
      await (await openPostgres(await migrated(), silent)).close();
    }
    expect([...(await describeSchema(query)), ...(await describeRows(query))]).toEqual(before);
    expect(before).toContainEqual(expect.stringContaining(DEFAULT_PROJECT_ID));
  });

  const migrated = async () => {
    await runMigrations(target());
    return target();
  };

  test('waits a bounded time for another process, and names it', async () => {
    const other = new pg.Client({ ...address(), application_name: 'somebody' });
    await other.connect();
    try {
      await other.query('SELECT pg_advisory_lock(72707369)');
      const refused = runMigrations(target(), { lockWaitMs: 300 });
      await expect(refused).rejects.toThrow(/migrating this database.*somebody/);
      setTimeout(() => void other.query('SELECT pg_advisory_unlock(72707369)'), 200);
      await expect(runMigrations(target(), { lockWaitMs: 10_000 })).resolves.toEqual(await names());
    } finally {
      await other.end();
    }
  });

  test('is safe for data written under the first schema: it survives, and the new columns describe it', async () => {
    await runMigrations(target(), { to: '000001' });
    await client.query(await readFile(join(import.meta.dirname, 'first-release.sql'), 'utf8'));
    await runMigrations(target());

    const rows = async (sql: string) => query(sql);
    await expect(
      rows(`SELECT used_virtual_machines, used_vcpus, used_memory_mib, used_storage_gib, used_volumes,
        used_snapshots, version FROM projects WHERE name = 'shop'`),
    ).resolves.toEqual([
      {
        used_virtual_machines: 3,
        used_vcpus: 7,
        used_memory_mib: 14_336,
        used_storage_gib: 31,
        used_volumes: 2,
        used_snapshots: 1,
        version: 1,
      },
    ]);
    await expect(
      rows('SELECT hostname, phase, intent, allocated FROM nodes ORDER BY hostname'),
    ).resolves.toEqual([
      {
        hostname: 'host-1',
        phase: 'READY',
        intent: 'IN_SERVICE',
        allocated: { vcpus: 6, memoryMib: 12_288, storageGib: 60 },
      },
      {
        hostname: 'host-2',
        phase: 'MAINTENANCE',
        intent: 'MAINTENANCE',
        allocated: { vcpus: 0, memoryMib: 0, storageGib: 0 },
      },
    ]);
    await expect(
      rows(`SELECT name, power_state, desired_state, generation, observed_generation, capacity_claimed,
        cluster_id IS NOT NULL AS placed FROM virtual_machines ORDER BY name`),
    ).resolves.toEqual([
      {
        name: 'db',
        power_state: 'UNKNOWN',
        desired_state: 'RUNNING',
        generation: 1,
        observed_generation: 1,
        capacity_claimed: true,
        placed: true,
      },
      {
        name: 'spare',
        power_state: 'STOPPED',
        desired_state: 'STOPPED',
        generation: 1,
        observed_generation: 1,
        capacity_claimed: false,
        placed: true,
      },
      {
        name: 'web',
        power_state: 'RUNNING',
        desired_state: 'RUNNING',
        generation: 1,
        observed_generation: 1,
        capacity_claimed: true,
        placed: true,
      },
    ]);
    const alerts = await rows(
      'SELECT title, kind, project_id IS NOT NULL AS scoped FROM alerts ORDER BY title',
    );
    expect(alerts).toEqual([
      { title: 'again', kind: expect.stringMatching(/^earlier-/), scoped: true },
      { title: 'hot', kind: expect.stringMatching(/^earlier-/), scoped: true },
      { title: 'over', kind: 'manual', scoped: false },
    ]);
    const audit = await rows('SELECT action, seq, status, tx_id FROM audit_log ORDER BY seq');
    expect(audit.map((row) => [row.action, row.seq, row.status])).toEqual([
      ['first', '1', 'SUCCEEDED'],
      ['second', '2', 'SUCCEEDED'],
    ]);
    expect(new Set(audit.map((row) => row.tx_id)).size).toBe(1);
    await client.query(
      `INSERT INTO audit_log (id, username, action, resource_type) VALUES (gen_random_uuid(), 'u', 'third', 'X')`,
    );
    await expect(rows(`SELECT seq FROM audit_log WHERE action = 'third'`)).resolves.toEqual([
      { seq: '3' },
    ]);
    await expect(rows('SELECT name FROM images')).resolves.toEqual([{ name: 'debian-12' }]);
  });
});

describe('interfaces of machines from before', () => {
  const wiredAt = '000010_network_interfaces';
  const uuid = (n: number) => `d0000000-0000-7000-8000-${String(n).padStart(12, '0')}`;
  const network = uuid(1);
  const machine = async (n: number, name: string, nics: unknown) =>
    client.query(
      `INSERT INTO virtual_machines (id, name, project_id, spec, created_at)
       VALUES ($1, $2, $3, $4, '2026-01-01'::timestamptz + $5 * interval '1 day')`,
      [uuid(n), name, DEFAULT_PROJECT_ID, JSON.stringify({ nics }), n],
    );
  const wired = () =>
    query(`SELECT vm.name AS vm, nic.name, nic.mac_address AS mac, nic.position,
      ARRAY(SELECT host(address) FROM ip_addresses WHERE interface_id = nic.id ORDER BY address) AS addresses,
      (SELECT count(*)::int FROM interface_security_groups WHERE interface_id = nic.id) AS groups
      FROM network_interfaces nic JOIN virtual_machines vm ON vm.id = nic.vm_id ORDER BY vm.id, nic.position`);
  const MADE_UP = expect.stringMatching(/^52:54:00(:[0-9a-f]{2}){3}$/);

  beforeEach(async () => {
    const before = (await names())[(await names()).indexOf(wiredAt) - 1] ?? '';
    await runMigrations(target(), { to: before });
    await client.query(`INSERT INTO virtual_networks (id, name, network_type, cidr, gateway)
      VALUES ('${network}', 'lan', 'OVERLAY', '10.8.0.0/24', '10.8.0.1'),
             ('${uuid(2)}', 'plain', 'OVERLAY', NULL, NULL),
             ('${uuid(3)}', 'six', 'ISOLATED', '2001:db8::/64', NULL)`);
  });

  test('are what their specs asked for, where that is valid and free; older machines come first', async () => {
    const group = '00000000-0000-7000-8000-000000000002';
    await client.query(
      `INSERT INTO security_groups (id, name, project_id) VALUES ('${uuid(9)}', 'web', '${DEFAULT_PROJECT_ID}')`,
    );
    const asked = ['10.8.0.7', '2001:DB8::0:7'];
    await machine(20, 'younger', [
      { name: 'eth0', networkId: network, macAddress: '02:00:00:00:00:01', ipAddresses: asked },
    ]);
    await machine(10, 'older', [
      {
        name: 'eth0',
        networkId: network,
        macAddress: '02-00-00-00-00-01'.toUpperCase(),
        ipAddresses: asked,
        securityGroupIds: [uuid(9), group, 'rubbish', 7],
      },
      { name: 'eth1', networkId: uuid(3), ipAddresses: asked },
    ]);
    await client.query(`INSERT INTO vm_security_groups VALUES ('${uuid(10)}', '${uuid(9)}')`);
    await runMigrations(target(), { to: wiredAt });
    await expect(wired()).resolves.toEqual([
      {
        vm: 'older',
        name: 'eth0',
        mac: '02:00:00:00:00:01',
        position: 0,
        addresses: ['10.8.0.7'],
        groups: 1,
      },
      {
        vm: 'older',
        name: 'eth1',
        mac: MADE_UP,
        position: 1,
        addresses: ['2001:db8::7'],
        groups: 0,
      },
      { vm: 'younger', name: 'eth0', mac: MADE_UP, position: 0, addresses: [], groups: 0 },
    ]);
  });

  test('never stop a start, whatever stands in old specs', async () => {
    const wrong = [
      '10.8.0.0',
      '10.8.0.1',
      '10.8.0.255',
      '10.9.0.1',
      '10.8.0.9/24',
      '::1',
      '',
      'ü',
      null,
      5,
      {},
      '10.8.0.5',
    ];
    await machine(10, 'odd', [
      null,
      'text',
      7,
      [],
      {},
      { networkId: uuid(99) },
      { networkId: 'rubbish' },
      { networkId: 5 },
      { networkId: network, name: 'ÜBER', macAddress: '01:00:5e:00:00:01', ipAddresses: wrong },
      { networkId: network, name: 5, macAddress: {}, ipAddresses: 'no list', securityGroupIds: {} },
      { networkId: network, name: 'nic9', ipAddresses: { 0: '10.8.0.6' } },
      { networkId: uuid(2), name: 'eth0', ipAddresses: ['10.8.0.6'] },
      { networkId: network, name: 'eth0', ipAddresses: ['10.8.0.5', '10.8.0.5'] },
    ]);
    await machine(11, 'text', 'no list');
    await machine(12, 'object', { networkId: network });
    await runMigrations(target(), { to: wiredAt });
    const rows = await wired();
    expect(rows.map(({ vm, name, addresses }) => [vm, name, addresses])).toEqual([
      ['odd', 'nic9', ['10.8.0.5']],
      ['odd', 'nic10', []],
      ['odd', expect.stringMatching(/^nic11-/), []],
      ['odd', 'eth0', []],
      ['odd', expect.stringMatching(/^nic13-/), []],
    ]);
    expect(new Set(rows.map(({ mac }) => mac)).size).toBe(rows.length);
  });
});

describe('down', () => {
  test('undoes the last one; up again gives the same schema, at every step and for all of them', async () => {
    const all = await names();
    const schemas: string[][] = [];
    for (const name of all) {
      await runMigrations(target(), { to: name });
      schemas.push(await describeSchema(query));
    }
    expect(schemas.at(-1)?.length).toBeGreaterThan(500);
    for (let i = all.length - 1; i > 0; i -= 1) {
      await expect(revertMigrations(target())).resolves.toEqual([all[i]]);
      await expect(describeSchema(query)).resolves.toEqual(schemas[i - 1]);
    }
    await expect(revertMigrations(target())).resolves.toEqual([all[0]]);
    await expect(revertMigrations(target())).resolves.toEqual([]);
    const left = (await describeSchema(query)).filter(
      (line) => !line.includes('_prisma_migrations'),
    );
    expect(left).toEqual([]);
    await runMigrations(target());
    await expect(describeSchema(query)).resolves.toEqual(schemas.at(-1));
  });

  test('goes back to the one it is told, or to nothing', async () => {
    await runMigrations(target());
    const all = await names();
    await expect(revertMigrations(target(), { to: '000006' })).resolves.toEqual(
      all.slice(6).reverse(),
    );
    await expect(revertMigrations(target(), { to: 'none' })).resolves.toEqual(
      all.slice(0, 6).reverse(),
    );
  });

  test('keeps the data that the earlier schema has room for', async () => {
    await runMigrations(target());
    await client.query(`INSERT INTO clusters (id, name) VALUES (gen_random_uuid(), 'kept')`);
    await revertMigrations(target(), { to: '000001' });
    await runMigrations(target());
    await expect(query('SELECT name, version FROM clusters')).resolves.toEqual([
      { name: 'kept', version: 1 },
    ]);
  });
});

describe('a contradiction between database and files', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'migrations-'));
    await cp(join(packageRoot(), 'prisma', 'migrations'), directory, { recursive: true });
  });
  afterEach(() => rm(directory, { recursive: true }));

  const edit = async (name: string, sql: string) => {
    const file = join(directory, name, 'migration.sql');
    await writeFile(file, `${await readFile(file, 'utf8')}\n${sql}\n`);
  };

  test('is refused when a migration was edited after it was applied, and nothing is done', async () => {
    await runMigrations(target(), { to: '000005' });
    await edit('000002_admin_tables', '-- a harmless comment');
    const before = await describeSchema(query);
    await expect(runMigrations(target(), { directory })).rejects.toThrow(
      /000002_admin_tables was edited/,
    );
    await expect(revertMigrations(target(), { directory })).rejects.toThrow(
      /000002_admin_tables was edited/,
    );
    await expect(describeSchema(query)).resolves.toEqual(before);
    const states = (await migrationStatus(target(), { directory })).map(({ state }) => state);
    expect(states).toEqual([
      'applied',
      'edited',
      'applied',
      'applied',
      'applied',
      ...(await names()).slice(5).map(() => 'pending'),
    ]);
  });

  test('is refused when the database is newer than the program', async () => {
    await runMigrations(target());
    const newest = String((await names()).at(-1));
    await rm(join(directory, newest), { recursive: true });
    await expect(runMigrations(target(), { directory })).rejects.toThrow(
      new RegExp(`newer than this program.*${newest}`),
    );
    const status = await migrationStatus(target(), { directory });
    expect(status.at(-1)).toMatchObject({ name: newest, state: 'unknown' });
  });

  test('is refused when an earlier migration is missing although a later one was applied', async () => {
    await runMigrations(target());
    await client.query(`DELETE FROM _prisma_migrations WHERE migration_name LIKE '000003%'`);
    await expect(runMigrations(target())).rejects.toThrow(
      new RegExp(`000003_storage_pool_extended is missing.*${(await names()).at(-1)}`),
    );
  });

  test('is refused when another tool left a migration half-way', async () => {
    await runMigrations(target());
    await client.query(
      `UPDATE _prisma_migrations SET finished_at = NULL WHERE migration_name LIKE '000008%'`,
    );
    await expect(runMigrations(target())).rejects.toThrow(
      /000008_idempotency_keys was begun .* never finished/,
    );
  });

  test('does not arise from a migration that fails: it leaves nothing behind and is not recorded', async () => {
    await edit('000003_storage_pool_extended', 'SELECT 1 / 0;');
    await expect(runMigrations(target(), { directory })).rejects.toThrow(
      /000003_storage_pool_extended failed and was undone: division by zero/,
    );
    await expect(query(`SELECT count(*)::int AS n FROM _prisma_migrations`)).resolves.toEqual([
      { n: 2 },
    ]);
    const columns = await query(
      `SELECT 1 FROM information_schema.columns WHERE table_name = 'storage_pools' AND column_name = 'labels'`,
    );
    expect(columns).toEqual([]);
    await expect(runMigrations(target())).resolves.toEqual((await names()).slice(2));
  });
});

test('a migration that cannot be recorded is not applied either: the two are one transaction', async () => {
  await runMigrations(target(), { to: '000002' });
  await client.query(
    `ALTER TABLE _prisma_migrations ADD CHECK (migration_name NOT LIKE '000003%')`,
  );
  const before = await describeSchema(query);
  await expect(runMigrations(target())).rejects.toThrow(/000003_storage_pool_extended failed/);
  await expect(describeSchema(query)).resolves.toEqual(before);
  await expect(runMigrations(target(), { to: '000002' })).resolves.toEqual([]);
});

describe('status', () => {
  test('tells what is applied and what is pending, and does not touch the database', async () => {
    const before = await migrationStatus(target());
    expect(before.every(({ state, appliedAt }) => state === 'pending' && appliedAt === null)).toBe(
      true,
    );
    await expect(describeSchema(query)).resolves.toEqual([]);
    await runMigrations(target(), { to: '000002' });
    const after = await migrationStatus(target());
    expect(after.map(({ state }) => state).slice(0, 3)).toEqual(['applied', 'applied', 'pending']);
    expect(after[0]?.appliedAt).toBeInstanceOf(Date);
  });
});

describe('schema.prisma', () => {
  // Prisma's engine cannot look into PostgreSQL through the driver adapter of this version ("char" is unknown to it),
  // so it looks into the embedded database, and that one is compared with PostgreSQL.
  let embedded: PGlite;
  beforeAll(async () => {
    embedded = await PGlite.create();
    await runMigrations(embedded);
  });
  afterAll(() => embedded.close());

  test('describes the database that the migrations make', async () => {
    expect((await differenceToSchema(new PrismaPGlite(embedded))).trim()).toBe(EMPTY);
  });

  test('would be found to differ if an index, a default or a column were missing', async () => {
    await embedded.exec(`BEGIN; DROP INDEX tasks_node_id_idx; ALTER TABLE tasks ALTER COLUMN force DROP DEFAULT;
      ALTER TABLE nodes DROP COLUMN report_sequence`);
    const difference = await differenceToSchema(new PrismaPGlite(embedded));
    await embedded.exec('ROLLBACK');
    expect(difference).toContain('CREATE INDEX "tasks_node_id_idx"');
    expect(difference).toContain('ALTER COLUMN "force" SET DEFAULT false');
    expect(difference).toContain('ADD COLUMN     "report_sequence"');
  });

  test('describes PostgreSQL too, because there the migrations make the same database', async () => {
    await runMigrations(target());
    const inMemory: Query = async (sql) =>
      (await embedded.query<Record<string, unknown>>(sql)).rows;
    await expect(describeSchema(query)).resolves.toEqual(await describeSchema(inMemory));
  });

  test("is in step with the history that Prisma's own tool reads", async () => {
    await runMigrations(target());
    const pool = new pg.Pool(address());
    try {
      const migrations = await readMigrations();
      await expect(diagnose(new PrismaPg(pool), migrations)).resolves.toMatchObject({
        hasMigrationsTable: true,
        editedMigrationNames: [],
        failedMigrationNames: [],
        history: null,
      });
      const edited = migrations.map((m, i) => (i === 3 ? { ...m, up: `${m.up}-- edited` } : m));
      await expect(diagnose(new PrismaPg(pool), edited)).resolves.toMatchObject({
        editedMigrationNames: ['000004_volume_extended'],
      });
    } finally {
      await pool.end();
    }
  });
});

test('the list of unique constraints and their fields is that of the database', async () => {
  await runMigrations(target());
  const rows = await query(`
    SELECT i.indexrelid::regclass::text AS name, count(*)::int AS columns
    FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid CROSS JOIN unnest(i.indkey) AS key
    WHERE i.indisunique AND t.relnamespace = 'public'::regnamespace AND t.relname <> '_prisma_migrations'
    GROUP BY 1 ORDER BY 1`);
  const listed = Object.entries(UNIQUE_FIELDS).map(([name, fields]) => ({
    name,
    columns: fields.length,
  }));
  expect(listed).toEqual(rows);
});
