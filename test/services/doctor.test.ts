/** The doctor on real servers in the states that it must find: each is made, found by name, and answered with what to do. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { SettingFile } from '../../src/cli/doctor/check.js';
import type { Finding } from '../../src/cli/doctor/finding.js';
import { postgresActivity } from '../../src/cli/doctor/postgres-activity.js';
import { openPostgresSession } from '../../src/cli/doctor/postgres-session.js';
import { findingsAsJson, printFindings } from '../../src/cli/doctor/report.js';
import { examine } from '../../src/cli/doctor.js';
import { type ConfigOverrides, defaultConfig } from '../../src/config/load.js';
import { runMigrations } from '../../src/data/migrate.js';
import { configFile } from '../support/installation.js';
import { runProgram } from '../support/program.js';
import { startEtcd } from '../support/services/etcd.js';
import { freePorts } from '../support/services/ports.js';
import {
  type PostgresAddress,
  type PostgresHandle,
  sharedPostgres,
  startPostgres,
} from '../support/services/postgres.js';
import { type RedisHandle, startRedis } from '../support/services/redis.js';
import type { ServerHandle } from '../support/services/server.js';
import { until } from '../support/until.js';

let server: PostgresHandle;
let redis: RedisHandle;
let etcd: ServerHandle;
let database: string;
beforeAll(async () => {
  const settings = { max_connections: '20', max_prepared_transactions: '2' };
  [server, redis, etcd] = await Promise.all([
    startPostgres({ settings, durable: true }),
    startRedis(),
    startEtcd(),
  ]);
  database = await server.createDatabase();
  await runMigrations(configOf().database);
});
afterAll(() => Promise.all([server.dispose(), redis.dispose(), etcd.dispose()]));

function configOf(change: ConfigOverrides = {}) {
  const { host, port, user, password } = server;
  return defaultConfig({
    mode: 'production',
    database: {
      ...{ host, port, user, password, database, maxConnections: 5, connectTimeoutMs: 1_500 },
      ...change.database,
    },
    redis: { host: redis.host, port: redis.port, password: redis.password, ...change.redis },
    etcd: {
      endpoints: [`http://${etcd.host}:${etcd.port}`],
      requestTimeoutMs: 1_000,
      ...change.etcd,
    },
  });
}

async function findings(
  change: ConfigOverrides = {},
  files: readonly SettingFile[] = [],
): Promise<Finding[]> {
  return examine(configOf(change), files, 4_000);
}

const of = (all: readonly Finding[], check: string) =>
  all.filter((finding) => finding.check === check);

/** A connection of somebody else; ends with the test. */
async function somebody(sql: string): Promise<pg.Client> {
  const { host, port, user, password } = server;
  const client = new pg.Client({ host, port, user, password, database, application_name: 'else' });
  client.on('error', () => {});
  await client.connect();
  onTestFinished(() => client.end().catch(() => {}));
  await client.query(sql);
  return client;
}

describe('on servers that run', () => {
  it('says that all is well that is, and ends with 0, for people and for programs', async () => {
    const all = await findings();
    for (const check of ['postgres', 'postgres-migrations', 'clock', 'etcd', 'redis', 'disk'])
      expect(of(all, check)[0], check).toMatchObject({ level: 'ok', advice: null });
    expect(all.filter(({ level }) => level === 'problem')).toEqual([]);
    expect(of(all, 'postgres-roles')).toMatchObject([
      { level: 'warning', seen: expect.stringContaining('is a superuser') },
    ]);
    expect(of(all, 'etcd')).toContainEqual(
      expect.objectContaining({ level: 'notice', seen: expect.stringContaining('one member') }),
    );
    for (const secret of [server.password, redis.password]) {
      expect(printFindings(all)).not.toContain(secret);
      expect(findingsAsJson(all)).not.toContain(secret);
    }
  });

  it('is a command: 0 without a problem, 1 with one, 2 when it is called wrongly', async () => {
    const { host, port, password } = redis;
    const yaml = (address: PostgresAddress, name: string) =>
      configFile(address, name, {
        redis: { host, port, password },
        etcd: { endpoints: [`http://${etcd.host}:${etcd.port}`] },
        database: { max_connections: 5 },
      });
    const run = (args: string[], address: PostgresAddress, name: string) =>
      runProgram(['doctor', '--config', 'config.yaml', ...args], {
        files: { 'config.yaml': yaml(address, name), jwt: 'x'.repeat(32) },
      });
    const [well, ill, wrong] = await Promise.all([
      run([], server, database),
      run(['--json'], sharedPostgres(), 'postgres'),
      run(['--dev'], server, database),
    ]);
    expect([well.code, well.stderr]).toEqual([0, '']);
    expect(well.stdout).toMatch(/^ok {7}postgres {14}quantix@/m);
    expect(well.stdout).toMatch(/\n0 problem, \d+ warning, \d+ notice, \d+ ok\n$/);
    expect([ill.code, ill.stderr]).toEqual([1, '']);
    const report = JSON.parse(ill.stdout);
    expect(report).toMatchObject({ format: 1, level: 'problem' });
    expect(report.findings).toContainEqual({
      check: 'postgres-settings',
      level: 'problem',
      seen: 'fsync is off: a power cut can destroy the database',
      advice: 'ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();',
    });
    expect([wrong.code, wrong.stdout]).toEqual([2, '']);
    for (const { stdout } of [well, ill]) expect(stdout).not.toContain(server.password);
  });

  it('counts the connections that the server has against those that two instances open', async () => {
    const [two, one, none] = await Promise.all(
      [8, 12, 40].map((maxConnections) => findings({ database: { maxConnections } })),
    );
    const about = (all: Finding[] | undefined) =>
      of(all ?? [], 'postgres-settings').find(({ seen }) => seen.includes('connections can be had'))
        ?.level;
    expect([about(two), about(one), about(none)]).toEqual([undefined, 'warning', 'problem']);
  });

  it('finds a database without migrations, one that is behind, one that is newer, and an edited file', async () => {
    const other = await server.createDatabase();
    const target = { ...configOf().database, database: other };
    const about = async () =>
      of(await findings({ database: { database: other } }), 'postgres-migrations');
    expect(await about()).toMatchObject([
      { level: 'problem', seen: 'the database is empty', advice: 'qx-controlplane migrate up' },
    ]);
    await runMigrations(target, { to: '000005' });
    expect(await about()).toMatchObject([
      { level: 'problem', seen: expect.stringMatching(/^\d+ behind this program: 000006_tasks, /) },
    ]);
    await runMigrations(target);
    const { host, port, user, password } = server;
    const client = new pg.Client({ host, port, user, password, database: other });
    await client.connect();
    await client.query(`UPDATE _prisma_migrations SET checksum = 'x' WHERE migration_name LIKE '000002%';
      INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES ('1', 'x', '999999_future', now())`);
    await client.end();
    expect((await about()).map(({ seen }) => seen)).toEqual([
      'the database is newer than this program: it has 999999_future',
      'files were changed after they were applied: 000002_admin_tables',
    ]);
  });

  it('finds a transaction that was prepared and forgotten, and a slot that nobody uses', async () => {
    const client = await somebody("BEGIN; SELECT 1; PREPARE TRANSACTION 'forgotten'");
    await client.query("SELECT pg_create_physical_replication_slot('unused', true)");
    try {
      const all = await findings();
      expect(of(all, 'postgres-activity')).toContainEqual(
        expect.objectContaining({ seen: expect.stringMatching(/^1 prepared transactions/) }),
      );
      expect(of(all, 'postgres-replication')).toContainEqual(
        expect.objectContaining({
          level: 'warning',
          seen: expect.stringMatching(/^the replication slot unused is used by nobody/),
          advice: expect.stringContaining("pg_drop_replication_slot('unused')"),
        }),
      );
    } finally {
      await client.query("ROLLBACK PREPARED 'forgotten'");
      await client.query("SELECT pg_drop_replication_slot('unused')");
    }
  });

  it('sees sessions that wait and transactions that are open, with who they are', async () => {
    const holder = await somebody('BEGIN; LOCK TABLE clusters');
    const waiting = await somebody('SELECT 1');
    const blocked = waiting.query('SELECT count(*) FROM clusters');
    const { query, close } = openPostgresSession(configOf().database);
    try {
      const site = { config: configOf(), files: [], query };
      await until('the wait is seen', async () => {
        const rows = await query<{ pid: number }>(
          `SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'`,
        );
        return rows.length > 0;
      });
      const facts = await postgresActivity.collect(site);
      expect(facts.waits).toMatchObject([{ blockers: [expect.any(Number)] }]);
      expect(facts.transactions[0]).toMatchObject({
        application: 'else',
        state: 'idle in transaction',
        pid: facts.waits[0]?.blockers[0],
      });
    } finally {
      await close();
      await holder.query('ROLLBACK');
      await blocked;
    }
  });

  it('finds strangers at secret files', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'doctor-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, 'password');
    await writeFile(file, 'sesame');
    const entry = { setting: 'database.password_file', file, holdsSecret: true };
    await chmod(file, 0o644);
    expect(of(await findings({}, [entry]), 'configuration')).toContainEqual({
      check: 'configuration',
      level: 'problem',
      seen: `${file} (database.password_file) has mode 644: everybody on this machine may use the secret`,
      advice: `chmod o= ${file}`,
    });
  });
});

describe('on servers that do not', () => {
  it('tells a wrong password, a missing database, and a place where nobody listens', async () => {
    const [port] = await freePorts(1);
    const [password, missing, nobody] = await Promise.all([
      findings({ database: { password: 'sesame-42' } }),
      findings({ database: { database: 'nowhere' } }),
      findings({ database: { port: Number(port) } }),
    ]);
    expect(of(password, 'postgres')).toMatchObject([
      {
        level: 'problem',
        seen: expect.stringContaining('password authentication failed'),
        advice: expect.stringContaining('database.password_file'),
      },
    ]);
    expect(of(missing, 'postgres')).toMatchObject([
      { level: 'problem', seen: expect.stringContaining('"nowhere" does not exist') },
    ]);
    expect(of(nobody, 'postgres')).toMatchObject([
      { level: 'problem', seen: expect.stringContaining('ECONNREFUSED') },
    ]);
    expect(printFindings(password)).not.toContain('sesame-42');
    expect(of(nobody, 'postgres-settings')).toMatchObject([
      { level: 'notice', seen: 'not checked: PostgreSQL cannot be used' },
    ]);
  });

  it('tells when all connections are taken, and how to find who has them', async () => {
    const clients: pg.Client[] = [];
    const { host, port, user, password } = server;
    for (let refused = false; !refused; ) {
      const client = new pg.Client({ host, port, user, password, database });
      client.on('error', () => {});
      await client.connect().then(
        () => clients.push(client),
        () => {
          refused = true;
        },
      );
    }
    try {
      expect(of(await findings(), 'postgres')).toMatchObject([
        {
          level: 'problem',
          seen: expect.stringContaining('too many clients'),
          advice: expect.stringContaining('pg_stat_activity'),
        },
      ]);
      await clients.pop()?.end();
      await until('there is room', async () => {
        const [first] = of(await findings(), 'postgres');
        return first?.level === 'ok';
      });
      expect(of(await findings(), 'postgres-activity')[0]).toMatchObject({
        level: 'problem',
        seen: expect.stringMatching(/^\d+ of 20 connections are taken/),
      });
    } finally {
      await Promise.all(clients.map((client) => client.end()));
    }
  });

  it('tells that etcd and Redis are away or have another password, and goes on without them', async () => {
    const [nobody = 0] = await freePorts(1);
    const [away, wrong] = await Promise.all([
      findings({
        etcd: { endpoints: [`http://127.0.0.1:${nobody}`] },
        redis: { port: nobody },
      }),
      findings({ redis: { password: 'sesame-42' } }),
    ]);
    expect(of(away, 'etcd')).toMatchObject([
      { level: 'warning', seen: expect.stringContaining('no member can be reached') },
    ]);
    expect(of(away, 'redis')).toMatchObject([
      { level: 'warning', seen: expect.stringContaining('ECONNREFUSED') },
    ]);
    expect(of(wrong, 'redis')).toMatchObject([
      { level: 'problem', seen: expect.stringContaining('WRONGPASS') },
    ]);
    expect(printFindings(wrong)).not.toContain('sesame-42');
  });

  it('tells of servers that are frozen, in bounded time', async () => {
    for (const one of [server, redis, etcd]) one.pause();
    const start = performance.now();
    try {
      const all = await findings();
      expect(performance.now() - start).toBeLessThan(8_000);
      expect(of(all, 'postgres')).toMatchObject([{ level: 'problem' }]);
      for (const check of ['redis', 'etcd'])
        expect(of(all, check)).toMatchObject([
          { level: 'warning', seen: expect.not.stringContaining('not checked') },
        ]);
    } finally {
      for (const one of [server, redis, etcd]) one.resume();
    }
  });
});
