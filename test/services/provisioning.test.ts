/** The servers that other tests build on: they are real, private, obedient, and never left behind. */
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { startEtcd } from '../support/services/etcd.js';
import { canListen, freePorts } from '../support/services/ports.js';
import {
  type PostgresAddress,
  sharedPostgres,
  startPostgres,
} from '../support/services/postgres.js';
import { isRunning } from '../support/services/process.js';
import { find, POSTGRES, provide } from '../support/services/provide.js';
import { startRedis } from '../support/services/redis.js';
import {
  exchange,
  type ServerHandle,
  type ServerKind,
  startServer,
} from '../support/services/server.js';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function owned<T extends ServerHandle>(handle: T): T {
  cleanups.push(() => handle.dispose());
  return handle;
}

async function connectPostgres(address: PostgresAddress, database = 'postgres') {
  const { host, port, user, password } = address;
  const client = new pg.Client({ host, port, user, password, database });
  client.on('error', () => {}); // tests here cut connections on purpose
  await client.connect();
  cleanups.push(() => client.end().catch(() => {}));
  return client;
}

/** One line of text out of one row and column. */
async function ask(client: pg.Client, sql: string): Promise<unknown> {
  const { rows } = await client.query({ text: sql, rowMode: 'array' });
  return rows[0]?.[0];
}

function connectRedis(server: { host: string; port: number }, password: string): Redis {
  const { host, port } = server;
  const client = new Redis({ host, port, password, retryStrategy: () => null, lazyConnect: true });
  client.on('error', () => {});
  cleanups.push(() => client.disconnect());
  return client;
}

/** Calls the JSON side of etcd's API; keys and values travel as base64. */
async function etcd(server: ServerHandle, method: string, body: Record<string, string>) {
  const encoded = Object.entries(body).map(([k, v]) => [k, Buffer.from(v).toString('base64')]);
  const response = await fetch(`http://${server.host}:${server.port}/v3/kv/${method}`, {
    method: 'POST',
    body: JSON.stringify(Object.fromEntries(encoded)),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as { kvs?: { value: string }[] };
}

/** "settled" or "silent", depending on whether `promise` settles within `ms`. */
function withinMs(promise: Promise<unknown>, ms: number): Promise<'settled' | 'silent'> {
  const settled = promise.then(
    () => 'settled' as const,
    () => 'settled' as const,
  );
  const silent = new Promise<'silent'>((resolve) => setTimeout(() => resolve('silent'), ms));
  return Promise.race([settled, silent]);
}

describe('the shared PostgreSQL', () => {
  it('gives every caller an empty UTF-8 database of its own', async () => {
    const server = sharedPostgres();
    const names = await Promise.all([server.createDatabase(), server.createDatabase()]);
    for (const name of names) cleanups.push(() => server.dropDatabase(name));
    expect(names[0]).not.toBe(names[1]);
    const [first, second] = [
      await connectPostgres(server, names[0]),
      await connectPostgres(server, names[1]),
    ];
    await first.query('CREATE TABLE only_here (id int)');
    const tables = "SELECT count(*)::int FROM pg_tables WHERE schemaname = 'public'";
    expect(await ask(first, tables)).toBe(1);
    expect(await ask(second, tables)).toBe(0);
    expect(await ask(first, 'SHOW server_encoding')).toBe('UTF8');
    expect(await ask(first, "SELECT 'Z' < 'a'")).toBe(true); // bytewise, as in locale C
  });

  it('drops a database under its clients, and does not mind one that is not there', async () => {
    const server = sharedPostgres();
    const name = await server.createDatabase('odd "name" with spaces');
    const client = await connectPostgres(server, name);
    const ended = new Promise((resolve) => client.once('end', resolve));
    await server.dropDatabase(name);
    await ended;
    await server.dropDatabase(name);
    await expect(connectPostgres(server, name)).rejects.toThrow('does not exist');
  });

  it('lets nobody in without the password, which is stored as SCRAM', async () => {
    const server = sharedPostgres();
    await expect(connectPostgres({ ...server, password: 'guess' })).rejects.toThrow(
      'password authentication failed',
    );
    const client = await connectPostgres(server);
    expect(await ask(client, 'SELECT rolpassword FROM pg_authid WHERE rolname = user')).toMatch(
      /^SCRAM-SHA-256/,
    );
    expect(await ask(client, 'SHOW listen_addresses')).toBe('127.0.0.1');
  });
});

describe('a private PostgreSQL', () => {
  it('loses nothing it acknowledged when it is killed, if it is durable, and comes back', async () => {
    const server = owned(await startPostgres({ durable: true }));
    const { port, pid } = server;
    const client = await connectPostgres(server);
    expect(await ask(client, "SELECT current_setting('fsync')")).toBe('on');
    expect(await ask(client, "SELECT current_setting('synchronous_commit')")).toBe('on');
    await client.query('CREATE TABLE kept AS SELECT 42 AS answer');
    const backend = Number(await ask(client, 'SELECT pg_backend_pid()'));

    await server.kill();
    expect(server.pid).toBeUndefined();
    expect([pid as number, backend].filter(isRunning)).toEqual([]);
    await expect(connectPostgres(server)).rejects.toThrow('ECONNREFUSED');

    await server.restart();
    expect(server.port).toBe(port);
    expect(server.pid).not.toBe(pid);
    expect(await ask(await connectPostgres(server), 'SELECT answer FROM kept')).toBe(42);
  });

  it('trades durability for speed unless told otherwise, and takes settings', async () => {
    const server = owned(await startPostgres({ settings: { work_mem: '7MB' } }));
    const client = await connectPostgres(server);
    expect(await ask(client, 'SHOW fsync')).toBe('off');
    expect(await ask(client, 'SHOW work_mem')).toBe('7MB');
  });

  it('is silent while paused, also on open connections, and answers after it', async () => {
    const server = owned(await startPostgres());
    const client = await connectPostgres(server);
    server.pause();
    const query = client.query('SELECT 1');
    const connect = connectPostgres(server);
    expect(await withinMs(Promise.race([query, connect]), 300)).toBe('silent');
    server.resume();
    expect((await query).rows).toHaveLength(1);
    await connect;
  });

  it('stops under its clients and keeps its data for the restart', async () => {
    const server = owned(await startPostgres());
    const client = await connectPostgres(server);
    await client.query('CREATE TABLE kept AS SELECT 42 AS answer');
    server.pause(); // stopping must work from here too
    await server.stop();
    expect(server.pid).toBeUndefined();
    await server.stop();
    expect(() => server.pause()).toThrow('does not run');
    await server.restart();
    expect(await ask(await connectPostgres(server), 'SELECT answer FROM kept')).toBe(42);
  });

  it('says at once why it could not start, with the words of its log', async () => {
    const started = startPostgres({ settings: { shared_buffers: 'plenty' } });
    await expect(started).rejects.toThrow(
      /PostgreSQL ended before it was ready[\s\S]*invalid value for parameter "shared_buffers"/,
    );
  });

  it('leaves neither process nor folder when it is disposed of', async () => {
    const server = await startPostgres();
    const client = await connectPostgres(server);
    const folder = dirname(String(await ask(client, 'SHOW data_directory')));
    const pid = server.pid as number;
    expect(existsSync(folder)).toBe(true);
    await server.dispose();
    expect(isRunning(pid)).toBe(false);
    expect(existsSync(folder)).toBe(false);
    await server.dispose();
  });
});

describe('a private Redis', () => {
  it('wants its password, and comes back empty on the same port', async () => {
    const server = owned(await startRedis());
    const stranger = connectRedis(server, 'guess');
    await expect(stranger.connect().then(() => stranger.ping())).rejects.toThrow(
      /WRONGPASS|closed/,
    );
    const before = connectRedis(server, server.password);
    expect(await before.set('key', 'value')).toBe('OK');
    expect(await before.config('GET', 'save')).toEqual(['save', '']);

    await server.kill();
    await expect(connectRedis(server, server.password).connect()).rejects.toThrow();

    await server.restart();
    expect(await connectRedis(server, server.password).get('key')).toBeNull();
  });

  it('is silent while paused', async () => {
    const server = owned(await startRedis());
    const client = connectRedis(server, server.password);
    await client.ping();
    server.pause();
    const pong = client.ping();
    expect(await withinMs(pong, 200)).toBe('silent');
    server.resume();
    expect(await pong).toBe('PONG');
  });
});

describe('a private etcd', () => {
  it('keeps its keys when it is killed, and comes back on the same port', async () => {
    const server = owned(await startEtcd());
    await etcd(server, 'put', { key: '/quantix/test', value: 'kept' });
    await server.kill();
    await expect(etcd(server, 'range', { key: '/quantix/test' })).rejects.toThrow('fetch failed');
    await server.restart();
    const { kvs } = await etcd(server, 'range', { key: '/quantix/test' });
    expect(kvs?.map(({ value }) => Buffer.from(value, 'base64').toString())).toEqual(['kept']);
  });

  it('runs beside another one', async () => {
    const [one, other] = (await Promise.all([startEtcd(), startEtcd()])).map(owned);
    expect(one?.port).not.toBe(other?.port);
  });
});

describe('starting any server', () => {
  const GREETER = `require('node:net').createServer((socket) => socket.end(process.cwd()))
    .listen(Number(process.argv[1]), '127.0.0.1'); console.log('greeter speaking');`;

  /** A server of our own making, so that its faults can be chosen. */
  function greeter(over: Partial<ServerKind> = {}): ServerKind & { folders: string[] } {
    const folders: string[] = [];
    return {
      name: 'Greeter',
      ports: 1,
      abortSignal: 'SIGTERM',
      async prepare(folder) {
        folders.push(folder);
      },
      command: (_folder, [port]) => ({
        program: process.execPath,
        args: ['-e', GREETER, String(port)],
        stopSignal: 'SIGTERM',
      }),
      probe: (port, folder) => exchange(port, '', folder),
      ...over,
      folders,
    };
  }

  it('takes another port when somebody was quicker, and leaves no trace of the first try', async () => {
    const taken: number[] = [];
    const folders: string[] = [];
    const kind = greeter({
      async prepare(folder, [port]) {
        folders.push(folder);
        if (taken.length > 0) return;
        taken.push(port as number);
        const quicker = createServer((socket) => socket.end('hello'));
        cleanups.push(() => quicker.close());
        await new Promise<void>((resolve) => quicker.listen(port, '127.0.0.1', resolve));
      },
    });
    const server = owned(await startServer(kind));
    expect(taken).not.toContain(server.port);
    await exchange(server.port, '', folders[1] as string);
    expect(folders.map((folder) => existsSync(folder))).toEqual([false, true]);
  });

  it('gives up on one that never answers, with its last words, and removes it', async () => {
    const kind = greeter({
      readyWithinMs: 1_000,
      probe: () => Promise.reject(new Error('it mumbles')),
    });
    await expect(startServer(kind)).rejects.toThrow(
      /Greeter was not ready in 1000 ms \(it mumbles\)[\s\S]*greeter speaking/,
    );
    expect(kind.folders).toHaveLength(1);
    expect(kind.folders.filter((folder) => existsSync(folder))).toEqual([]);
  });

  it('kills one that does not obey its stop signal in time', async () => {
    const server = owned(await startServer(greeter()));
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    cleanups.push(() => vi.useRealTimers());
    const stopped = server.stop('SIGWINCH'); // a signal that it ignores
    await vi.advanceTimersByTimeAsync(9_900);
    expect(server.pid).toBeDefined();
    await vi.advanceTimersByTimeAsync(200);
    await stopped;
    expect(server.pid).toBeUndefined();
  });
});

describe('finding programs and ports', () => {
  it('looks first where the software says, and wants all of its programs in one folder', async () => {
    const folders = async () => ['/nonexistent', dirname(process.execPath)];
    const node = { ...POSTGRES, programs: ['node'], folders };
    expect(await find(node)).toBe(dirname(process.execPath));
    expect(await find({ ...node, programs: ['node', 'no-such-program'] })).toBeUndefined();
  });

  it('says what to install when it is missing and we are not root', async () => {
    const getuid = vi.spyOn(process, 'getuid').mockReturnValue(1000);
    cleanups.push(() => getuid.mockRestore());
    const software = { name: 'Frobnicator', programs: ['frob'], packages: ['frob-server'] };
    await expect(provide(software)).rejects.toThrow(
      /Frobnicator is needed by the tests .*Only root .*apt-get install frob-server/,
    );
  });

  it('picks different ports that can be listened on, outside the range of outgoing ones', async () => {
    const ports = await freePorts(50);
    expect(new Set(ports).size).toBe(50);
    for (const port of ports) expect(await canListen(port)).toBe(true);
    expect(Math.max(...ports)).toBeLessThan(32_768);
  });
});
