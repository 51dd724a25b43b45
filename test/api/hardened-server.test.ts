/** What a server in production tells and takes, and to whom: its schema, documents, sockets, and what browsers are told of its answers. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConfigOverrides } from '../../src/config/load.js';
import type { Data } from '../../src/data/client.js';
import { openSocket } from '../e2e/socket-client.js';
import { createTestApp, openTestData, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { until } from '../support/until.js';

const SCHEMA = '{ s: __schema { queryType { name } } }';
const ON_LIST = 'query Listed { viewer { name } }';
const LATER = 'query Later { server { version } }';
const hash = (text: string) => createHash('sha256').update(text).digest('hex');
const MOST_SOCKETS = 3;

let folder: string;
let list: string;
let data: Data;
const worlds: TestApp[] = [];

async function world(mode: 'dev' | 'production', overrides: ConfigOverrides = {}) {
  const app = await createTestApp({
    data,
    config: { ...overrides, mode, auth: { jwtSecret: 'x'.repeat(32) } },
  });
  worlds.push(app);
  return app;
}

let closed: TestApp;
let open: TestApp;
let strict: TestApp;
let url: string;
let ada: Client;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'quantix-operations-'));
  list = join(folder, 'operations.json');
  writeFileSync(list, JSON.stringify({ [hash(ON_LIST)]: ON_LIST }));
  data = await openTestData('memory');
  closed = await world('production', {
    server: { port: 0, trustedProxies: ['127.0.0.1'] },
    limits: { socketsPerPrincipal: MOST_SOCKETS, subscriptionsPerPrincipal: 2, maxSockets: 5 },
  });
  open = await world('production', {
    server: { introspection: 'on', persistedOperations: 'allow', persistedOperationsFile: list },
  });
  strict = await world('production', {
    server: { port: 0, persistedOperations: 'require', persistedOperationsFile: list },
  });
  url = (await closed.app.start()).url;
  await closed.seed.user('ADMIN', { username: 'ada' });
  ada = await closed.signIn('ada');
});
afterAll(async () => {
  for (const each of worlds) await each.stop();
  await data.close();
  rmSync(folder, { recursive: true });
});

const as = (app: TestApp, client: Client) => app.withToken(client.token ?? '');
const code = async (client: Client, query: string) =>
  (await client.answer(query)).errors[0]?.extensions.code;

describe('the schema', () => {
  it('is told by a server in production to whoever is signed in, if at all, and never to strangers', async () => {
    expect(await code(ada, SCHEMA)).toBe('INTROSPECTION_DISABLED');
    expect(await code(as(open, ada), SCHEMA)).toBeUndefined();
    // The same document again, which is validated no more.
    expect(await code(open.anonymous, SCHEMA)).toBe('INTROSPECTION_DISABLED');
    expect(await code(as(open, ada), SCHEMA)).toBeUndefined();
    const hidden =
      'query { ...A } fragment A on Query { ... { x: __type(name: "User") { name } } }';
    expect(await code(ada, hidden)).toBe('INTROSPECTION_DISABLED');
    const both = '{ viewer { name } __schema { queryType { name } } }';
    expect(await code(ada, both)).toBe('INTROSPECTION_DISABLED');
    expect(await code(ada, '{ __typename viewer { __typename } }')).toBeUndefined();
  });

  it('with --dev is told to everybody, unless that is switched off', async () => {
    expect(await code((await world('dev')).anonymous, SCHEMA)).toBeUndefined();
    const off = await world('dev', { server: { introspection: 'off' } });
    expect(await code(off.anonymous, SCHEMA)).toBe('INTROSPECTION_DISABLED');
  });

  it('is not told over a WebSocket either', async () => {
    const socket = openSocket(url, { token: ada.token });
    expect(await socket.run(SCHEMA)).toMatchObject({
      errors: [{ extensions: { code: 'INTROSPECTION_DISABLED' } }],
    });
    await socket.client.dispose();
  });
});

describe('persisted operations', () => {
  const post = async (app: TestApp, body: object, path = '/graphql', method = 'POST') => {
    const response = await as(app, ada).raw({
      method,
      path,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${ada.token}` },
      ...(method === 'POST' ? { body: JSON.stringify(body) } : {}),
    });
    const { data: answered, errors } = (await response.json()) as {
      data?: unknown;
      errors?: { extensions: { code: string } }[];
    };
    return errors?.[0]?.extensions.code ?? answered;
  };
  const persistedQuery = { version: 1, sha256Hash: hash(ON_LIST) };
  const NAME = { viewer: { name: 'ada' } };

  it('are found by their hash, in the forms in which clients send it, also when the answer is kept', async () => {
    for (const app of [open, strict, open, strict]) {
      expect(await post(app, { extensions: { persistedQuery } })).toEqual(NAME);
      expect(await post(app, { documentId: hash(ON_LIST) })).toEqual(NAME);
      expect(await post(app, { documentId: `sha256:${hash(ON_LIST).toUpperCase()}` })).toEqual(
        NAME,
      );
      expect(await post(app, {}, `/graphql?documentId=${hash(ON_LIST)}`, 'GET')).toEqual(NAME);
      const inUrl = encodeURIComponent(JSON.stringify({ persistedQuery }));
      expect(await post(app, {}, `/graphql?extensions=${inUrl}`, 'GET')).toEqual(NAME);
      expect(await post(app, { query: ON_LIST })).toEqual(NAME);
      expect(await post(app, { query: ON_LIST, extensions: { persistedQuery } })).toEqual(NAME);
    }
  });

  it.each([
    ['an unknown hash', { documentId: hash('{ x }') }, 'PERSISTED_QUERY_NOT_FOUND'],
    ['what is no hash', { documentId: '__proto__' }, 'PERSISTED_QUERY_NOT_FOUND'],
    ['a number', { documentId: 5 }, 'PERSISTED_QUERY_NOT_FOUND'],
    [
      'the hash of another text',
      { query: '{ viewer { id } }', extensions: { persistedQuery } },
      'BAD_REQUEST',
    ],
  ])('are refused for %s', async (_what, body, refusal) => {
    expect(await post(open, body)).toBe(refusal);
    expect(await post(strict, body)).toBe(refusal);
  });

  it('alone are answered where that is required, to administrators too, also what others have asked elsewhere', async () => {
    const query = '{ viewer { name } virtualMachines { totalCount } }';
    for (let i = 0; i < 2; i += 1) {
      expect(await post(open, { query })).toMatchObject(NAME); // kept from now on
      expect(await post(strict, { query })).toBe('PERSISTED_QUERY_REQUIRED');
      expect(await post(strict, { query: `${ON_LIST} ` })).toBe('PERSISTED_QUERY_REQUIRED');
    }
    expect(await post(strict, {})).toBe('BAD_REQUEST');
  });

  it('are no concern of agents, who bring their own', async () => {
    const node = await closed.seed.node(await closed.seed.cluster());
    const token = await closed.seed.agentToken(node);
    expect(await code(strict.withToken(token), '{ viewer { __typename } }')).toBeUndefined();
  });

  it('count over WebSocket as well', async () => {
    const socket = openSocket((await strict.app.start()).url, { token: ada.token });
    expect(await socket.run(ON_LIST)).toMatchObject({ data: NAME });
    await expect(socket.run('{ server { version } }')).rejects.toMatchObject([
      { extensions: { code: 'PERSISTED_QUERY_REQUIRED' } },
    ]);
    await socket.client.dispose();
  });

  it('are read again when the list changes, and stay what they were when it is no good', async () => {
    writeFileSync(list, '{ "half a list');
    writeFileSync(list, JSON.stringify({ [hash(ON_LIST)]: ON_LIST, [hash(LATER)]: LATER }));
    await until('the new list counts', async () => {
      const found = await post(strict, { documentId: hash(LATER) });
      return typeof found === 'object';
    });
    writeFileSync(list, JSON.stringify({ [hash('{ a }')]: ON_LIST }));
    expect(await post(strict, { documentId: hash(LATER) })).toMatchObject({ server: {} });
  });

  it.each([
    ['no JSON', '{'],
    ['a list', '[]'],
    ['a wrong hash', JSON.stringify({ [hash('{ a }')]: '{ b }' })],
    ['a document that is no text', JSON.stringify({ [hash('{ a }')]: 5 })],
  ])('keep the server from starting when the list is %s', async (_what, text) => {
    const broken = join(folder, 'broken.json');
    writeFileSync(broken, text);
    const server = { persistedOperations: 'require', persistedOperationsFile: broken } as const;
    await expect(createTestApp({ data, config: { server } })).rejects.toThrow(
      /server.persisted_operations_file .*broken.json cannot be used/,
    );
  });
});

describe('every answer', () => {
  const secure = {
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'content-security-policy': expect.stringContaining("frame-ancestors 'none'"),
    'cache-control': expect.stringContaining('no-store'),
  };
  const headersOf = async (path: string, init: RequestInit = {}) =>
    Object.fromEntries((await fetch(`${url}${path}`, init)).headers);

  it.each([
    ['an answer', '/graphql?query={__typename}', {}],
    ['a refusal', '/graphql', { method: 'POST', body: 'x' }],
    ['a path that is not there', '/nothing', {}],
    ['the health', '/healthz', {}],
    ['a preflight', '/graphql', { method: 'OPTIONS' }],
  ] as [string, string, RequestInit][])(
    'tells browsers to be careful: %s',
    async (_w, path, init) => {
      const headers = await headersOf(path, init);
      expect(headers).toMatchObject(secure);
      expect(headers['strict-transport-security']).toBeUndefined();
    },
  );

  it('asks for TLS where a proxy that is believed says that it was used', async () => {
    const proto = (value: string) =>
      headersOf('/healthz', { headers: { 'x-forwarded-proto': value } });
    expect((await proto('https'))['strict-transport-security']).toMatch(/^max-age=\d+$/);
    expect((await proto('https, https'))['strict-transport-security']).toBeTruthy();
    for (const other of ['http', 'http, https', 'https, http', 'httpsx', ''])
      expect((await proto(other))['strict-transport-security']).toBeUndefined();
  });
});

describe('a caller', () => {
  it('has so many sockets at once, and gets one back for each that is closed', async () => {
    const sockets = await Promise.all(
      Array.from({ length: MOST_SOCKETS }, async () => {
        const socket = openSocket(url, { token: ada.token });
        await socket.connected;
        return socket;
      }),
    );
    const refused = openSocket(url, { token: ada.token });
    expect(await refused.closed).toMatchObject({
      code: 4429,
      reason: expect.stringContaining('Too many sockets'),
    });
    const other = openSocket(url); // counted by the address
    await other.connected;
    await sockets[0]?.client.dispose();
    await until('one is free', async () => {
      const again = openSocket(url, { token: ada.token });
      const connected = await again.connected.then(
        () => true,
        () => false,
      );
      await again.client.dispose();
      return connected;
    });
    for (const socket of [...sockets, other]) await socket.client.dispose();
  });

  it('has so many subscriptions at once, on all sockets together', async () => {
    const subscription = 'subscription { nodeMetrics(intervalMs: 1000) { hypervisorNodeId } }';
    const [one, two] = [
      openSocket(url, { token: ada.token }),
      openSocket(url, { token: ada.token }),
    ];
    const first = one.subscribe(subscription);
    await one.run('{ __typename }'); // by then the first has begun
    const second = two.subscribe(subscription);
    await two.run('{ __typename }');
    const refused = two.subscribe(subscription);
    expect(await refused.ended).toBe('complete');
    expect(refused.events).toMatchObject([
      { errors: [{ extensions: { code: 'TOO_MANY_SUBSCRIPTIONS', retryable: false } }] },
    ]);
    first.stop();
    await until('one is free', async () => {
      const third = one.subscribe(subscription);
      const ended = await Promise.race([third.ended, one.run('{ __typename }')]);
      const begun = ended !== 'complete';
      third.stop();
      return begun;
    });
    second.stop();
    await one.client.dispose();
    await two.client.dispose();
  });

  it('meets no more sockets than the process takes', async () => {
    const waiting = Array.from({ length: 5 }, () => openSocket(url, { token: 'x' }));
    const anonymous = Array.from({ length: 5 }, () => openSocket(url));
    const ends = await Promise.all(
      [...waiting, ...anonymous].map((socket) =>
        socket.connected.then(
          () => 'open',
          () => 'closed',
        ),
      ),
    );
    expect(ends.filter((end) => end === 'open').length).toBeLessThanOrEqual(MOST_SOCKETS);
    for (const socket of [...waiting, ...anonymous]) await socket.client.dispose();
  });
});
