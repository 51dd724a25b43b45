/** The four TLS modes towards Redis, against a server whose certificate is for "localhost" and nothing else. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect, type RedisOptions } from '../../src/ephemeral/redis-connection.js';
import { redisOptions } from '../support/redis-config.js';
import { freePorts } from '../support/services/ports.js';
import { type RedisHandle, startRedis } from '../support/services/redis.js';

const run = promisify(execFile);

let folder: string;
let server: RedisHandle;
let tlsPort: number;
const inFolder = (name: string) => join(folder, name);
const openssl = (...args: string[]) => run('openssl', args, { cwd: folder });
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];

/** A certificate for `name`; its own authority, or signed by one that is there. */
const certificate = (name: string, subject: string, ...more: string[]) =>
  openssl(
    ...['req', '-x509', ...KEY, '-subj', `/CN=${subject}`],
    ...['-keyout', `${name}.key`, '-out', `${name}.pem`, ...more],
  );

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'redis-tls-'));
  await Promise.all([certificate('ours', 'ours'), certificate('other', 'other')]);
  await certificate(
    ...(['server', 'localhost', '-CA', 'ours.pem', '-CAkey', 'ours.key'] as const),
    ...['-addext', 'subjectAltName=DNS:localhost', '-addext', 'basicConstraints=CA:FALSE'],
  );
  [tlsPort = 0] = await freePorts(1);
  server = await startRedis({
    settings: {
      'tls-port': String(tlsPort),
      'tls-cert-file': inFolder('server.pem'),
      'tls-key-file': inFolder('server.key'),
      'tls-ca-cert-file': inFolder('ours.pem'),
      'tls-auth-clients': 'no',
    },
  });
}, 120_000);
afterAll(async () => {
  await server?.dispose();
  await rm(folder, { recursive: true, force: true });
});

/** What Redis says to a PING, or why it was not asked. */
async function ping(options: Partial<RedisOptions>): Promise<string> {
  const connection = connect(redisOptions(server, { port: tlsPort, ...options }));
  try {
    return await new Promise<string>((resolve) => {
      connection.on('error', (error: Error & { code?: string }) =>
        resolve(error.code ?? error.message),
      );
      connection.on('close', () => resolve('closed'));
      connection.on('ready', () => resolve(connection.ping()));
    });
  } finally {
    connection.disconnect();
  }
}

type Mode = RedisOptions['sslMode'];

it.each<[Mode, 'no' | 'ours' | 'other', string, RegExp]>([
  ['disable', 'no', 'localhost', /^closed$|ECONNRESET|EPIPE|Protocol error/],
  ['require', 'no', '127.0.0.1', /^PONG$/],
  ['require', 'ours', '127.0.0.1', /^PONG$/],
  ['require', 'other', 'localhost', /UNABLE_TO|SELF_SIGNED|CERT_/],
  ['verify-ca', 'no', 'localhost', /UNABLE_TO|SELF_SIGNED|CERT_/],
  ['verify-ca', 'ours', '127.0.0.1', /^PONG$/],
  ['verify-ca', 'other', 'localhost', /UNABLE_TO|SELF_SIGNED|CERT_/],
  ['verify-full', 'no', 'localhost', /UNABLE_TO|SELF_SIGNED|CERT_/],
  ['verify-full', 'ours', 'localhost', /^PONG$/],
  ['verify-full', 'ours', '127.0.0.1', /^ERR_TLS_CERT_ALTNAME_INVALID$/],
  ['verify-full', 'other', 'localhost', /UNABLE_TO|SELF_SIGNED|CERT_/],
])('%s with %s authority, asking for %s', async (sslMode, authority, host, expected) => {
  const sslCaFile = authority === 'no' ? null : inFolder(`${authority}.pem`);
  expect(await ping({ sslMode, sslCaFile, host })).toMatch(expected);
});

it.each<Mode>(['require', 'verify-full'])('%s does not go on in the clear', async (sslMode) => {
  const sslCaFile = inFolder('ours.pem');
  // Redis waits for the rest of a command that it takes the greeting for.
  const inTheClear = { port: server.port, connectTimeoutMs: 300 };
  const answer = await ping({ sslMode, sslCaFile, host: 'localhost', ...inTheClear });
  expect(answer).not.toBe('PONG');
});
