/** Stopping: what is under way is finished, nothing new is taken, and nobody is waited for too long. */
import { connect as dial } from 'node:net';
import { createClient } from 'graphql-ws';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import WebSocket from 'ws';
import type { Client } from '../support/client.js';
import { type Installation, install } from '../support/installation.js';
import { Program, type Served } from '../support/program.js';
import { sharedPostgres } from '../support/services/postgres.js';
import { until } from '../support/until.js';
import { type Hold, holdTable, query } from './database.js';
import { openEventStream } from './event-stream.js';
import { subscribers } from './expectations.js';

vi.setConfig({ testTimeout: 120_000 });

/** Of 20 s that it could take; a second is the aim, and more than enough on a machine that does nothing else. */
const AT_ONCE_MS = 4_000;
const CREATE = 'mutation ($name: String!) { createCluster(input: { name: $name }) { __typename } }';
const CREATED = { createCluster: { __typename: 'CreateClusterPayload' } };
const WATCH = 'subscription { nodeMetrics { hypervisorNodeId } }';

let installation: Installation;
let served: Served;
let ada: Client;
const leftovers: (() => unknown)[] = [];

beforeAll(async () => {
  installation = await install({
    server: { shutdown_timeout: '20s', introspection: 'on' },
    limits: { cost_per_minute_principal: 0 },
  });
  await installation.createUser('ada', 'ADMIN');
});
/** A program of its own for each test, as it ends with it. */
async function serve(env: Record<string, string> = {}): Promise<void> {
  served = await installation.serve([], { env });
  leftovers.push(() => served.program.dispose());
}
async function serveAda(env?: Record<string, string>): Promise<void> {
  await serve(env);
  ada = await served.signIn('ada', installation.password);
}
afterEach(async () => {
  for (const remove of leftovers.splice(0).reverse()) await remove();
});

async function hold(): Promise<Hold> {
  const held = await holdTable(sharedPostgres(), installation.database, 'clusters');
  leftovers.push(() => held.release());
  return held;
}

const clusters = async () => {
  const rows = await query<{ name: string }>(
    sharedPostgres(),
    installation.database,
    'SELECT name FROM clusters',
  );
  return rows.map(({ name }) => name);
};

/** Whether somebody listens. */
function listens(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = dial({ host: hostname, port: Number(port) });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** A GraphQL socket; `complete` says how a subscription on it ended. */
async function subscribeBySocket() {
  const closes: { code: number }[] = [];
  const client = createClient({
    url: `${served.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${ada.token}` },
    lazy: false,
    retryAttempts: 0,
    onNonLazyError: () => {},
    on: { closed: (event) => closes.push(event as { code: number }) },
  });
  await new Promise<void>((resolve) => client.on('connected', () => resolve()));
  const ended = new Promise<string>((resolve) => {
    client.subscribe(
      { query: WATCH },
      { next: () => {}, complete: () => resolve('complete'), error: () => resolve('error') },
    );
  });
  return { client, closes, ended };
}

const msOf = async (work: Promise<unknown>) => {
  const started = performance.now();
  await work;
  return performance.now() - started;
};

describe.each(['SIGTERM', 'SIGINT'] as const)('after %s', (signal) => {
  beforeEach(() => serveAda());

  it('an idle program ends at once with code 0, with connections and streams open', async () => {
    const stream = await openEventStream(served.url, ada.token, WATCH);
    const socket = await subscribeBySocket();
    // Asking leaves a keep-alive connection.
    await until('both are subscribed', async () => (await subscribers(served.url)) === 2);
    expect(await msOf(served.program.stop(signal))).toBeLessThan(AT_ONCE_MS);
    expect(await served.program.ended).toEqual({ code: 0, signal: null });
    expect(await stream.ended).toBe('complete');
    expect(await socket.ended).toBe('complete');
    expect(socket.closes).toEqual([expect.objectContaining({ code: 1001 })]);
    expect(served.program.log.map(({ msg }) => msg)).toContain('stopped');
    expect(served.program.stderr).toBe('');
  });
});

describe('while it stops', () => {
  beforeEach(() => serveAda());

  it('running requests are finished and nothing new is taken, also when one Ctrl-C comes twice', async () => {
    const held = await hold();
    const answer = ada.answer(CREATE, { name: 'finished' });
    const socket = await subscribeBySocket();
    const bySocket = new Promise((resolve) => {
      socket.client.subscribe(
        { query: CREATE, variables: { name: 'by-socket' } },
        { next: ({ data }) => resolve(data), error: resolve, complete: () => {} },
      );
    });
    await held.waiters(2);
    served.program.signal('SIGINT');
    // npm passes on what the terminal has sent already. Another signal here, because two equal ones can arrive as one.
    served.program.signal('SIGTERM');
    await served.program.logged('stopping');
    await until('nobody listens', async () => !(await listens(served.url)));
    await held.release();
    expect((await answer).data).toEqual(CREATED);
    expect(await bySocket).toEqual(CREATED);
    expect(await served.program.ended).toEqual({ code: 0, signal: null });
    expect(await clusters()).toEqual(expect.arrayContaining(['finished', 'by-socket']));
  });

  it('/readyz says so on a connection that is still open, and subscriptions are refused there', async () => {
    const held = await hold();
    const { hostname, port } = new URL(served.url);
    const socket = dial({ host: hostname, port: Number(port) });
    leftovers.push(() => void socket.destroy());
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    const post = (body: string, accept = 'application/json') =>
      socket.write(
        `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAccept: ${accept}\r\n` +
          `Authorization: Bearer ${ada.token}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
    post(JSON.stringify({ query: CREATE, variables: { name: 'pipelined' } }));
    await held.waiters(1);
    served.program.signal('SIGTERM');
    await served.program.logged('stopping');
    socket.write('GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n');
    post(JSON.stringify({ query: WATCH }), 'text/event-stream');
    await served.program.logged('request', ({ path }) => path === '/readyz');
    await held.release();
    await served.program.ended;
    const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status);
    expect(statuses.slice(0, 2)).toEqual(['200', '503']);
    expect(text).toContain('"obstacles":["shutting down"]');
    expect(text).toContain('"code":"UNAVAILABLE"');
  });

  it('an answer that a slow client still reads is sent whole', async () => {
    const requests = 60; // more than the buffers between the two processes take
    const query =
      '{ __schema { types { name description fields { name description type { name } } } } }';
    const body = JSON.stringify({ query });
    const { hostname, port } = new URL(served.url);
    const socket = dial({ host: hostname, port: Number(port) });
    leftovers.push(() => socket.destroy());
    for (let n = 1; n <= requests; n += 1)
      socket.write(
        `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Request-Id: slow-reader-${n}\r\nAuthorization: Bearer ${ada.token}\r\n` +
          `Content-Length: ${body.length}\r\n\r\n${body}`,
      );
    for (let n = 1; n <= requests; n += 1)
      await served.program.logged('request', ({ requestId }) => requestId === `slow-reader-${n}`);
    served.program.signal('SIGTERM');
    await served.program.logged('stopping');
    let text = '';
    for await (const chunk of socket.setEncoding('latin1')) text += chunk;
    expect(await served.program.ended).toEqual({ code: 0, signal: null });
    const lengths = [...text.matchAll(/content-length: (\d+)/gi)].map(([, length]) =>
      Number(length),
    );
    expect(lengths).toHaveLength(requests);
    const heads = text.match(/HTTP\/1\.1 200 [\s\S]*?\r\n\r\n/g)?.join('').length ?? 0;
    expect(text.length).toBe(heads + lengths.reduce((sum, length) => sum + length, 0));
    expect(text.length).toBeGreaterThan(6_000_000);
  });

  it('a second signal ends it at once', async () => {
    const held = await hold();
    const answer = ada.answer(CREATE, { name: 'impatient' }).catch(() => 'cut off');
    await held.waiters(1);
    served.program.signal('SIGINT');
    await served.program.logged('stopping');
    const started = performance.now();
    await until('the end', () => {
      if (served.program.running) served.program.signal('SIGINT');
      return !served.program.running;
    });
    expect(performance.now() - started).toBeLessThan(AT_ONCE_MS);
    expect(await served.program.ended).toEqual({ code: 1, signal: null });
    expect(await answer).toBe('cut off');
    await held.release();
    expect(await clusters()).not.toContain('impatient');
  });
});

describe('nobody is waited for too long', () => {
  const impatient = { QUANTIX_SERVER_SHUTDOWN_TIMEOUT: '500ms' };

  it('a client that does not answer the goodbye of its socket', async () => {
    await serve(impatient);
    const socket = new WebSocket(
      `${served.url.replace('http', 'ws')}/graphql`,
      'graphql-transport-ws',
    );
    leftovers.push(() => socket.terminate());
    await new Promise((resolve) => socket.once('open', resolve));
    socket.pause(); // what comes is not read any more, neither is it answered
    expect(await msOf(served.program.stop())).toBeLessThan(AT_ONCE_MS);
    expect((await served.program.ended).code).toBe(0);
  });

  it('a client that was refused a socket and stays connected', async () => {
    await serve(impatient);
    const { hostname, port } = new URL(served.url);
    const socket = dial({ host: hostname, port: Number(port), allowHalfOpen: true });
    leftovers.push(() => void socket.destroy());
    socket.write(
      'GET /graphql HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );
    await new Promise((resolve) => socket.once('data', resolve));
    expect(await msOf(served.program.stop())).toBeLessThan(AT_ONCE_MS);
    expect((await served.program.ended).code).toBe(0);
  });

  it('a request that does not end within server.shutdown_timeout', async () => {
    await serveAda(impatient);
    const held = await hold();
    const answer = ada.answer(CREATE, { name: 'too-late' }).catch(() => 'cut off');
    await held.waiters(1);
    expect(await msOf(served.program.stop())).toBeLessThan(AT_ONCE_MS);
    expect((await served.program.ended).code).toBe(0);
    expect(await answer).toBe('cut off');
    await served.program.logged('running requests were cut off');
    await held.release();
    expect(await clusters()).not.toContain('too-late');
  });
});

it('a signal before it serves ends it at once', async () => {
  const program = await Program.start(['--dev', '--port', '0']);
  leftovers.push(() => program.dispose());
  await program.logged('the database is in memory and ends with this process');
  expect(await program.stop('SIGINT')).toEqual({ code: 0, signal: null });
  expect(program.log.map(({ msg }) => msg)).toContain('stopped before it served');
  expect(program.log.map(({ msg }) => msg)).not.toContain('serving');
});
