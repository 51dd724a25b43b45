/** What only a real PostgreSQL can show: deadlocks, settings, connections that die, and the way back. */
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Data } from '../../src/data/client.js';
import { DataUnavailableError, isUnavailable } from '../../src/data/errors.js';
import { runMigrations } from '../../src/data/migrate.js';
import { packageRoot } from '../../src/data/migrations.js';
import { type DataConfig, openData } from '../../src/data/open.js';
import { openPool } from '../../src/data/pool.js';
import { openPostgres, type PostgresOptions } from '../../src/data/postgres.js';
import { freePorts } from '../support/services/ports.js';
import {
  type PostgresHandle,
  sharedPostgres,
  startPostgres,
} from '../support/services/postgres.js';
import { addCluster, databaseOptions, freshName, silent } from './data-fixtures.js';

const opened: Data[] = [];
const keep = (data: Data): Data => {
  opened.push(data);
  return data;
};
afterEach(async () => {
  for (const data of opened.splice(0)) await data.close();
});

const caught = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => expect.fail('it should have failed'),
    (error: unknown) => error,
  );

describe('on a shared server', () => {
  let database: string;
  beforeAll(async () => {
    database = await sharedPostgres().createDatabase();
    await runMigrations(databaseOptions(sharedPostgres(), database));
  });
  afterAll(() => sharedPostgres().dropDatabase(database));

  const open = async (overrides: Partial<PostgresOptions> = {}) =>
    keep(await openPostgres(databaseOptions(sharedPostgres(), database, overrides), silent));

  const withAdmin = async <T>(work: (admin: pg.Client) => Promise<T>): Promise<T> => {
    const { host, port, user, password } = sharedPostgres();
    const admin = new pg.Client({ host, port, user, password, database: 'postgres' });
    await admin.connect();
    try {
      return await work(admin);
    } finally {
      await admin.end();
    }
  };
  const sessions = () =>
    withAdmin(async (admin) => {
      const { rows } = await admin.query(
        'SELECT pid, application_name FROM pg_stat_activity WHERE datname = $1',
        [database],
      );
      return rows as { pid: number; application_name: string }[];
    });
  const terminateAll = () =>
    withAdmin((admin) =>
      admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [
        database,
      ]),
    );

  test('two transactions in a deadlock both succeed, one of them at its second attempt', async () => {
    const data = await open();
    const first = await addCluster(data.db);
    const second = await addCluster(data.db);
    let attempts = 0;
    let holding = 0;
    const crossing = (from: string, to: string) =>
      data.transaction(async (tx) => {
        attempts += 1;
        const touch = (id: string) =>
          tx.cluster.update({ where: { id }, data: { version: { increment: 1 } } });
        await touch(from);
        holding += 1;
        while (holding < 2) await sleep(5); // both hold one row before either asks for the other's
        await touch(to);
      });
    await Promise.all([crossing(first.id, second.id), crossing(second.id, first.id)]);
    expect(attempts).toBe(3);
    const rows = await data.db.cluster.findMany({ where: { id: { in: [first.id, second.id] } } });
    expect(rows.map((row) => row.version)).toEqual([3, 3]);
  });

  test('every session is in UTC, READ COMMITTED and the public schema, with our timeouts, whatever the database says', async () => {
    await withAdmin(async (admin) => {
      for (const setting of [
        "TimeZone = 'Asia/Tokyo'",
        "default_transaction_isolation = 'serializable'",
        'search_path = pg_temp',
      ]) {
        await admin.query(`ALTER DATABASE ${database} SET ${setting}`);
      }
    });
    const data = await open({
      statementTimeoutMs: 4_321,
      lockTimeoutMs: 1_234,
      idleInTransactionTimeoutMs: 9_876,
    });
    const rows = await data.db.$queryRaw`
      SELECT current_setting('TimeZone') AS zone, current_setting('transaction_isolation') AS isolation,
        current_schema()::text AS schema, current_setting('statement_timeout') AS statement,
        current_setting('lock_timeout') AS lock, current_setting('idle_in_transaction_session_timeout') AS idle`;
    expect(rows).toEqual([
      {
        zone: 'UTC',
        isolation: 'read committed',
        schema: 'public',
        statement: '4321ms',
        lock: '1234ms',
        idle: '9876ms',
      },
    ]);
  });

  test('a statement that runs too long is cancelled and called unavailable', async () => {
    const data = await open({ statementTimeoutMs: 100 });
    expect(isUnavailable(await caught(data.db.$queryRaw`SELECT 1 FROM pg_sleep(5)`))).toBe(true);
    const inside = caught(data.transaction((tx) => tx.$queryRaw`SELECT 1 FROM pg_sleep(5)`));
    expect(await inside).toBeInstanceOf(DataUnavailableError);
  });

  test('a lock that is not to be had is given up and called unavailable', async () => {
    const data = await open({ lockTimeoutMs: 100 });
    const { id } = await addCluster(data.db);
    const touch = { where: { id }, data: { description: 'touched' } };
    await data.transaction(async (tx) => {
      await tx.cluster.update(touch);
      expect(isUnavailable(await caught(data.db.cluster.update(touch)))).toBe(true);
      const inside = await caught(data.transaction((other) => other.cluster.update(touch)));
      expect(inside).toMatchObject({ name: 'DataUnavailableError', reason: 'queue-timeout' });
    });
  });

  test('a transaction left idle for too long loses its session, not the process', async () => {
    const data = await open({ idleInTransactionTimeoutMs: 100 });
    const error = await caught(
      data.transaction(async (tx) => {
        await sleep(300);
        await tx.cluster.count();
      }),
    );
    expect(error).toBeInstanceOf(DataUnavailableError);
    await expect(data.transaction((tx) => tx.cluster.count())).resolves.toBeTypeOf('number');
  });

  test('a statement that fails does not cost its connection', async () => {
    const data = await open({ maxConnections: 1, maxIdleConnections: 1 });
    const pid = async () => {
      const rows = await data.db.$queryRaw<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
      return rows[0]?.pid;
    };
    const before = await pid();
    await caught(data.db.$queryRaw`SELECT 1 / 0`);
    await caught(data.transaction((tx) => tx.$queryRaw`SELECT 1 / 0`));
    expect(await pid()).toBe(before);
  });

  test('a connection that is given back twice, or inside a transaction, disturbs nobody', async () => {
    const options = databaseOptions(sharedPostgres(), database, { maxConnections: 1 });
    const pool = await openPool(options, silent);
    try {
      const client = await pool.connect();
      await client.query('BEGIN');
      await client.query('CREATE TEMPORARY TABLE half_done (id int)');
      client.release();
      client.release();
      const next = await pool.connect();
      await expect(next.query('SELECT 1 FROM half_done')).rejects.toThrow('does not exist');
      expect(next.getTransactionStatus()).toBe('I');
      next.release();
      expect(pool.totalCount).toBe(1);
    } finally {
      await pool.end();
    }
  });

  test('a connection that is cut while somebody holds it and asks nothing ends no process', async () => {
    const options = databaseOptions(sharedPostgres(), database, { maxConnections: 1 });
    const pool = await openPool(options, silent);
    try {
      const held = await pool.connect();
      const ended = new Promise((resolve) => held.once('end', resolve));
      await terminateAll();
      await ended;
      held.release();
      expect((await pool.query({ text: 'SELECT 1 AS one' })).rows).toEqual([{ one: 1 }]);
    } finally {
      await pool.end();
    }
  });

  test('opens its warm connections at start, and opens them again when they were cut', async () => {
    const data = await open({ maxIdleConnections: 7 });
    const ours = async () =>
      (await sessions()).filter((session) => session.application_name === 'qx-controlplane');
    const before = await ours();
    expect(before).toHaveLength(7);
    await terminateAll();
    await expect.poll(async () => (await ours()).length, { timeout: 10_000 }).toBe(7);
    const pids = new Set(before.map((session) => session.pid));
    expect((await ours()).filter((session) => pids.has(session.pid))).toEqual([]);
    expect(data.pool()).toMatchObject({ total: 7, idle: 7 });
  });

  test('replaces connections that have reached their age', async () => {
    await open({ maxIdleConnections: 3, connectionMaxLifetimeMs: 1_000 });
    const before = new Set((await sessions()).map((session) => session.pid));
    expect(before.size).toBe(3);
    await expect
      .poll(
        async () => {
          const pids = (await sessions()).map((session) => session.pid);
          return pids.length === 3 && pids.every((pid) => !before.has(pid));
        },
        { timeout: 10_000 },
      )
      .toBe(true);
  });

  test('close() leaves no session behind', async () => {
    const data = await open();
    await Promise.all(Array.from({ length: 20 }, () => data.db.cluster.count()));
    expect((await sessions()).length).toBeGreaterThanOrEqual(10);
    await data.close();
    await expect.poll(sessions).toEqual([]);
  });

  test('reads find a connection while transactions occupy all that they may', async () => {
    const data = await open({ maxConnections: 5, maxIdleConnections: 1 });
    let release!: () => void;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    let running = 0;
    const all = Array.from({ length: 10 }, () =>
      data.transaction(async (tx) => {
        running += 1;
        await released;
        return tx.cluster.count();
      }),
    );
    await expect.poll(() => running).toBe(4);
    await expect(data.db.cluster.count()).resolves.toBeTypeOf('number');
    expect(data.pool()).toMatchObject({ waiting: 6, max: 5 });
    release();
    await Promise.all(all);
    expect(running).toBe(10);
  });

  test('a session that is terminated inside a transaction gives the typed error and harms nobody else', async () => {
    const data = await open();
    const clusterName = freshName('cluster');
    const error = await caught(
      data.transaction(async (tx) => {
        await addCluster(tx, clusterName);
        await terminateAll();
        await tx.cluster.count();
      }),
    );
    expect(error).toMatchObject({ name: 'DataUnavailableError', reason: 'connection' });
    await expect(data.db.cluster.count({ where: { name: clusterName } })).resolves.toBe(0);
  });

  test('a read or a transaction that meets connections cut behind our back is not disturbed', async () => {
    const data = await open({ maxIdleConnections: 3 });
    // From a process of its own, and waited for without letting ours breathe: the pool cannot have heard of it yet.
    const cutBehindOurBack = () => {
      const script = `
        import pg from 'pg';
        const admin = new pg.Client(JSON.parse(process.env.ADDRESS));
        await admin.connect();
        await admin.query('SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1', [process.env.DATABASE]);
        await admin.end();`;
      const { host, port, user, password } = sharedPostgres();
      const ADDRESS = JSON.stringify({ host, port, user, password, database: 'postgres' });
      execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
        cwd: packageRoot(),
        env: { ...process.env, ADDRESS, DATABASE: database },
      });
    };
    cutBehindOurBack();
    await expect(data.db.cluster.count()).resolves.toBeTypeOf('number');
    await expect.poll(() => data.pool().idle).toBe(3);
    cutBehindOurBack();
    await expect(data.transaction((tx) => tx.cluster.count())).resolves.toBeTypeOf('number');
    await expect.poll(() => data.pool().idle).toBe(3);
    cutBehindOurBack();
    const write = await caught(addCluster(data.db));
    expect(write).toMatchObject({ name: 'DataUnavailableError', reason: 'connection' });
  });

  test('a wrong password is reported as such, with the address and without the password', async () => {
    const error = await caught(open({ password: 'sesame-42' }));
    expect(error).toBeInstanceOf(DataUnavailableError);
    expect(String(error)).toContain('password authentication failed');
    expect(String(error)).toContain(String(sharedPostgres().port));
    expect(String(error)).not.toContain('sesame-42');
  });
});

describe('on a server that dies', () => {
  let server: PostgresHandle;
  let options: ReturnType<typeof databaseOptions>;
  beforeAll(async () => {
    server = await startPostgres({ durable: true });
    options = databaseOptions(server, await server.createDatabase(), {
      statementTimeoutMs: 1_000,
      connectTimeoutMs: 1_000,
    });
    await runMigrations(options);
  });
  afterAll(() => server.dispose());

  test('statements give the typed error, and work again after its restart, without reopening', async () => {
    const data = keep(await openPostgres(options, silent));
    const kept = await data.transaction((tx) => addCluster(tx));
    const half = freshName('cluster');
    const interrupted = caught(
      data.transaction(async (tx) => {
        await addCluster(tx, half);
        await server.kill();
        await tx.cluster.count();
      }),
    );
    expect(await interrupted).toMatchObject({ name: 'DataUnavailableError', reason: 'connection' });
    const while_down = await Promise.all([
      caught(data.db.cluster.count()),
      caught(data.db.$queryRaw`SELECT 1`),
      caught(data.transaction((tx) => tx.cluster.count())),
      caught(data.ping()),
    ]);
    for (const error of while_down) expect(error).toBeInstanceOf(DataUnavailableError);

    await server.restart();
    await expect(data.ping()).resolves.toBeUndefined();
    const names = await data.db.cluster.findMany({ select: { name: true } });
    expect(names).toContainEqual({ name: kept.name });
    expect(names).not.toContainEqual({ name: half });
    const many = Array.from({ length: 60 }, () => data.transaction((tx) => tx.cluster.count()));
    await expect(Promise.all(many)).resolves.toHaveLength(60);
  });

  test('one that falls silent is given up after a bounded time', async () => {
    const data = keep(await openPostgres(options, silent));
    server.pause();
    try {
      const start = performance.now();
      const [read, write] = await Promise.all([
        caught(data.db.cluster.count()),
        caught(data.transaction((tx) => tx.cluster.count())),
      ]);
      expect(read).toBeInstanceOf(DataUnavailableError);
      expect(write).toBeInstanceOf(DataUnavailableError);
      expect(performance.now() - start).toBeLessThan(15_000);
    } finally {
      server.resume();
    }
    await expect
      .poll(() => data.db.cluster.count().catch(() => -1), { timeout: 10_000 })
      .toBeGreaterThanOrEqual(0);
  });
});

describe('without a server at start', () => {
  const config = (database: DataConfig['database']): DataConfig => ({
    mode: 'production',
    database: { ...database, connectTimeoutMs: 300 },
    limits: { queueWaitMs: 5_000, maxQueuedCommands: 100 },
  });

  test('"refuse" does not open anything', async () => {
    const [port] = await freePorts(1);
    const nobody = databaseOptions({ ...sharedPostgres(), port: Number(port) }, 'x', {
      fallback: 'refuse',
    });
    const error = await caught(openData(config(nobody), silent));
    expect(error).toMatchObject({ name: 'DataUnavailableError', reason: 'connection' });
  });

  test('a refused password is an error even where memory would be the fallback', async () => {
    const wrong = databaseOptions(sharedPostgres(), 'postgres', {
      fallback: 'memory',
      password: 'wrong',
    });
    expect(String(await caught(openData(config(wrong), silent)))).toContain(
      'password authentication failed',
    );
  });

  test('"memory" serves from memory, and returns to PostgreSQL by itself once that is there', async () => {
    const server = await startPostgres();
    try {
      const database = await server.createDatabase();
      await server.stop();
      let returns = 0;
      const data = keep(
        await openData(config(databaseOptions(server, database, { fallback: 'memory' })), silent, {
          retryMs: 100,
          onReturn: () => {
            returns += 1;
          },
        }),
      );
      expect({ kind: data.kind, persistent: data.persistent }).toEqual({
        kind: 'memory',
        persistent: false,
      });
      const lost = await data.transaction((tx) => addCluster(tx));
      const heard: string[] = [];
      data.onStatement((sql) => heard.push(sql));
      const statements = data.statements();

      await server.restart();
      await expect.poll(() => data.kind, { timeout: 10_000 }).toBe('postgres');
      expect(data.persistent).toBe(true);
      expect(returns).toBe(1);
      await expect(data.db.cluster.findUnique({ where: { id: lost.id } })).resolves.toBeNull();
      await data.transaction((tx) => addCluster(tx));
      expect(heard.at(-1)).toBe('COMMIT');
      expect(data.statements()).toBe(statements + 4);
    } finally {
      for (const data of opened.splice(0)) await data.close();
      await server.dispose();
    }
  });

  test('close() while still serving from memory ends the search for PostgreSQL', async () => {
    const [port] = await freePorts(1);
    const nobody = databaseOptions({ ...sharedPostgres(), port: Number(port) }, 'x', {
      fallback: 'memory',
    });
    const data = await openData(config(nobody), silent, { retryMs: 20 });
    await data.close();
    expect(await caught(data.db.cluster.count())).toBeInstanceOf(DataUnavailableError);
  });
});
