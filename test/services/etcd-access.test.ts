/** How etcd lets us in: by TLS with client certificates, by user and password, and not at all. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Coordination } from '../../src/coordination/coordination.js';
import { type CoordinationConfig, openCoordination } from '../../src/coordination/open.js';
import { startEtcd } from '../support/services/etcd.js';
import { freePorts, LOOPBACK } from '../support/services/ports.js';
import type { ServerHandle } from '../support/services/server.js';
import { until } from '../support/until.js';
import { LEASE_MS, surroundings } from './etcd-fixtures.js';

const run = promisify(execFile);
const TOKEN_TTL_S = 1;

let folder: string;
let etcd: ServerHandle;
let secure: string;
const opened: Coordination[] = [];
const file = (name: string) => join(folder, name);
const openssl = (...args: string[]) => run('openssl', args, { cwd: folder });

/** A key with a certificate of our own authority. */
async function certify(name: string, extension: string): Promise<void> {
  await writeFile(file(`${name}.ext`), extension);
  await openssl(
    ...['req', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${name}`],
    ...['-keyout', `${name}.key`, '-out', `${name}.csr`],
  );
  await openssl(
    ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key'],
    ...['-CAcreateserial', '-days', '1', '-extfile', `${name}.ext`, '-out', `${name}.pem`],
  );
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'etcd-tls-'));
  await openssl(
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=ca'],
    ...['-keyout', 'ca.key', '-out', 'ca.pem'],
  );
  await certify('server', `subjectAltName=IP:${LOOPBACK}\n`);
  await certify('client', 'extendedKeyUsage=clientAuth\n');
  const [port = 0] = await freePorts(1);
  secure = `https://${LOOPBACK}:${port}`;
  etcd = await startEtcd({
    alsoListen: secure,
    flags: {
      ...{ 'cert-file': file('server.pem'), 'key-file': file('server.key') },
      ...{ 'client-cert-auth': 'true', 'trusted-ca-file': file('ca.pem') },
      'auth-token-ttl': String(TOKEN_TTL_S),
    },
  });
}, 120_000);
afterAll(async () => {
  await Promise.all(opened.map((member) => member.close()));
  await etcd.dispose();
  await rm(folder, { recursive: true });
});

async function open(settings: Partial<CoordinationConfig['etcd']>): Promise<Coordination> {
  const config = {
    mode: 'production',
    etcd: {
      ...{ endpoints: [`http://${LOOPBACK}:${etcd.port}`], user: '', password: null },
      ...{ caFile: null, certFile: null, keyFile: null },
      ...{ dialTimeoutMs: 1_000, requestTimeoutMs: 1_000, leaseTtlMs: LEASE_MS, ...settings },
    },
  } as const;
  const member = await openCoordination(config, surroundings('one'));
  opened.push(member);
  return member;
}

async function works(member: Coordination): Promise<void> {
  await (await member.lock('vm/1', { holder: 'somebody', waitMs: 2_000 })).release();
}

/** Calls etcd's JSON side; names and passwords travel as they are. */
async function ask(path: string, body: object): Promise<void> {
  const url = `http://${LOOPBACK}:${etcd.port}/v3/auth/${path}`;
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
}

it('with https it shows its certificate, and believes its authority alone', async () => {
  const tls = { caFile: file('ca.pem'), certFile: file('client.pem'), keyFile: file('client.key') };
  const member = await open({ endpoints: [secure], ...tls });
  expect(member.kind).toBe('etcd');
  await works(member);
  for (const wrong of [
    { caFile: file('ca.pem') }, // no certificate to show
    { ...tls, caFile: null }, // an authority that is not known
  ]) {
    const refused = await open({ endpoints: [secure], dialTimeoutMs: 100, ...wrong });
    expect(refused.kind).toBe('in-process');
    await refused.close();
  }
  await member.close();
});

it('with a password it stays signed in when tokens expire, and when etcd has forgotten them', async () => {
  await ask('user/add', { name: 'root', password: 'r' });
  await ask('role/add', { name: 'root' });
  await ask('user/grant', { user: 'root', role: 'root' });
  await ask('enable', {});
  await expect(open({ user: 'root', password: 'wrong' })).rejects.toThrow();

  const member = await open({ user: 'root', password: 'r' });
  expect(member.kind).toBe('etcd');
  const heard: (string | undefined)[] = [];
  member.settings.watch((all) => heard.push(all.get('a')?.value));
  await works(member);
  const term = await until('it leads', () => member.leadership());
  const expired = performance.now() + TOKEN_TTL_S * 2_500;
  await until('every token of the beginning has expired', () => performance.now() > expired);
  await works(member);
  await member.settings.put('a', '1');
  await until('what changed is heard', () => heard.at(-1) === '1');
  expect(member.leadership()).toBe(term);

  await etcd.restart(); // and forgets all tokens
  await until('it works again', () =>
    works(member).then(
      () => true,
      () => false,
    ),
  );
  await member.settings.put('a', '2');
  await until('what changed is heard again', () => heard.at(-1) === '2');
  await until('it leads again', () => member.leadership());
});
