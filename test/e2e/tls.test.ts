/** The server ends TLS itself: HTTP, server-sent events and WebSocket; another certificate without a restart; and no leftovers at the stop. */
import { execFile } from 'node:child_process';
import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type SecureVersion, type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type App, createApp } from '../../src/app.js';
import { defaultConfig } from '../../src/config/load.js';
import type { Data } from '../../src/data/client.js';
import { createLogger } from '../../src/log.js';
import { openTestData } from '../support/app.js';
import { createSeed } from '../support/seed.js';
import { until } from '../support/until.js';

const run = promisify(execFile);
let folder: string;
let data: Data;
let app: App;
let port: number;
const lines: { level?: string; msg?: string }[] = [];
const path = (name: string) => join(folder, name);

const certificate = (name: string) =>
  run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-days', '2', '-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'],
    ...['-keyout', path(`${name}.key`), '-out', path(`${name}.pem`)],
  ]);
/** As a program that renews certificates does it: whole files, one after the other. */
const put = (name: string, as: string) => {
  copyFileSync(path(name), path(`${as}.new`));
  renameSync(path(`${as}.new`), path(as));
};
const trusted = () => ['one', 'two'].map((name) => readFileSync(path(`${name}.pem`)));

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'quantix-tls-'));
  [data] = await Promise.all([openTestData('memory'), certificate('one'), certificate('two')]);
  put('one.pem', 'server.pem');
  put('one.key', 'server.key');
  const files = { tlsCertFile: path('server.pem'), tlsKeyFile: path('server.key') };
  const config = defaultConfig({ server: { host: '127.0.0.1', port: 0, ...files } });
  const write = (line: string) => lines.push(JSON.parse(line));
  app = await createApp(config, { data, log: createLogger({ level: 'info' }, { write }) });
  const { url } = await app.start();
  expect(url).toMatch(/^https:/);
  port = Number(new URL(url).port);
});
afterAll(async () => {
  await app.stop();
  await data.close();
  rmSync(folder, { recursive: true });
});

interface Reply {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
}

function ask(body: object, headers: Record<string, string> = {}, firstPart = false) {
  return new Promise<Reply>((resolve, reject) => {
    const asked = request(
      {
        ...{ host: '127.0.0.1', port, path: '/graphql', method: 'POST', ca: trusted() },
        headers: { 'content-type': 'application/json', ...headers },
        agent: false,
      },
      (response) => {
        let text = '';
        const done = () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
        response.on('data', (chunk) => {
          text += String(chunk);
          if (firstPart && text.includes('\n\n') && text.includes('data:')) {
            done();
            asked.destroy();
          }
        });
        response.on('end', done);
      },
    );
    asked.on('error', reject);
    asked.end(JSON.stringify(body));
  });
}

const shake = (maxVersion: SecureVersion) =>
  new Promise<string>((resolve) => {
    const socket: TLSSocket = connect(
      { host: '127.0.0.1', port, ca: trusted(), maxVersion, minVersion: 'TLSv1' },
      () => {
        resolve(`${socket.getProtocol()} ${socket.getPeerCertificate().subject.CN}`);
        socket.destroy();
      },
    );
    socket.on('error', (error) => resolve(error.message));
  });

describe('over TLS', () => {
  it('requests are answered, and browsers told to stay with it', async () => {
    const reply = await ask({ query: '{ __typename }' });
    expect([reply.status, reply.text]).toEqual([200, '{"data":{"__typename":"Query"}}']);
    expect(reply.headers['strict-transport-security']).toMatch(/^max-age=/);
  });

  it('events are pushed, and WebSockets opened', async () => {
    const seed = createSeed(data);
    await seed.user('ADMIN', { username: 'ada' });
    const login = `mutation { login(input: { username: "ada", password: "${seed.password}" }) { ... on LoginPayload { token } } }`;
    const { token } = JSON.parse((await ask({ query: login })).text).data.login as {
      token: string;
    };
    const vm = await seed.vm(await seed.project());
    const query = `subscription { virtualMachineChanged(id: "${vm.id}") { kind } }`;
    const headers = { accept: 'text/event-stream', authorization: `Bearer ${token}` };
    expect((await ask({ query }, headers, true)).text).toContain('SNAPSHOT');

    const socket = new WebSocket(`wss://127.0.0.1:${port}/graphql`, 'graphql-transport-ws', {
      ca: trusted(),
    });
    const heard: { type: string; payload?: unknown }[] = [];
    socket.on('message', (message) => heard.push(JSON.parse(String(message))));
    await new Promise((resolve) => socket.once('open', resolve));
    socket.send(
      JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }),
    );
    await until('the greeting', () => heard.length === 1);
    socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }));
    await until('the first event', () => heard.length === 2);
    expect(heard[1]?.payload).toEqual({ data: { virtualMachineChanged: { kind: 'SNAPSHOT' } } });
    socket.terminate();
  });

  it.each([
    ['TLSv1.3', 'TLSv1.3 one'],
    ['TLSv1.2', 'TLSv1.2 one'],
  ] as const)('%s is spoken', async (version, expected) => {
    expect(await shake(version)).toBe(expected);
  });

  it('nothing older is, nor plain HTTP', async () => {
    expect(await shake('TLSv1.1')).toMatch(/version|unsupported|no protocols/i);
    const plain = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connectPlain(port, '127.0.0.1', () =>
        socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'),
      );
      socket.on('data', (chunk) => {
        text += String(chunk);
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(text));
    });
    expect(plain).not.toContain('HTTP/1.1 200');
    expect((await ask({ query: '{ __typename }' })).status).toBe(200);
  });
});

describe('another certificate', () => {
  it('that does not fit its key, or is none, is not taken: the old one goes on, and the log says so', async () => {
    const complaints = () => lines.filter(({ msg }) => msg?.includes('is no good')).length;
    put('two.pem', 'server.pem');
    await until('the half pair was looked at', () => complaints() === 1);
    expect(await shake('TLSv1.3')).toBe('TLSv1.3 one');
    writeFileSync(path('server.pem'), 'no certificate');
    await until('the broken one was looked at', () => complaints() === 2);
    expect(await shake('TLSv1.3')).toBe('TLSv1.3 one');
    expect(JSON.stringify(lines)).not.toMatch(/PRIVATE KEY/);
  });

  it('is shown to whoever connects from then on, as soon as both files are there', async () => {
    put('two.pem', 'server.pem');
    put('two.key', 'server.key');
    await until('the new one is shown', async () => (await shake('TLSv1.3')) === 'TLSv1.3 two');
    expect((await ask({ query: '{ __typename }' })).status).toBe(200);
  });
});

it.each([
  ['a key of another certificate', 'one.pem', 'two.key', /is not that of the certificate/],
  ['no certificate', 'two.key', 'two.key', /holds no certificate/],
  ['no key', 'one.pem', 'one.pem', /holds no private key/],
])('with %s the server does not start, and says why', async (_what, cert, key, why) => {
  const files = { tlsCertFile: path(cert), tlsKeyFile: path(key) };
  const config = defaultConfig({ server: { host: '127.0.0.1', port: 0, ...files } });
  const broken = await createApp(config, { data, log: createLogger({ level: 'silent' }) });
  await expect(broken.start()).rejects.toThrow(why);
  await broken.stop();
});

it('a stop does not wait for connections that are idle, and says goodbye to them', async () => {
  const idle = connect({ host: '127.0.0.1', port, ca: trusted() });
  const closed = new Promise((resolve) => idle.once('close', () => resolve('closed')));
  await new Promise((resolve) => idle.once('secureConnect', resolve));
  idle.resume();
  const started = lines.length;
  await app.stop();
  expect(await closed).toBe('closed');
  expect(lines.slice(started).map(({ msg }) => msg)).not.toContain('running requests were cut off');
});
