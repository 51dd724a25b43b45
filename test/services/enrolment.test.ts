/** New nodes let themselves in: so many as the token says, whoever comes at once, and each once however often it asks. */
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keepCredentials, ownCredentials, readCredentials } from '../../src/agent/credentials.js';
import { enrolledToken } from '../../src/agent/enrol.js';
import { openTransport } from '../../src/agent/transport.js';
import { hashToken } from '../../src/core/tokens.js';
import { newId } from '../../src/ids.js';
import { createLogger } from '../../src/log.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { tablesContaining } from '../support/digest.js';
import { mutate } from '../support/mutations.js';
import type { Made } from '../support/seed.js';

let world: TestApp;
let admin: Client;
let cluster: Made;
let folder: string;
beforeAll(async () => {
  world = await createTestApp({ on: 'postgres' });
  const { name } = await world.seed.user('ADMIN');
  admin = await world.signIn(name);
  cluster = await world.seed.cluster();
  folder = await mkdtemp(join(tmpdir(), 'qx-enrol-'));
});
afterAll(async () => {
  await world.stop();
  await rm(folder, { recursive: true, force: true });
});

let count = 0;
const keyOf = () => `${newId()}-${newId()}`;
const enrol = (token: string, data: object = {}) => {
  count += 1;
  const input = {
    token,
    instanceKey: keyOf(),
    hostname: `new-${count}`,
    managementIp: '192.0.2.5',
  };
  return mutate(world.anonymous, 'enrolHypervisorNode', { ...input, ...data });
};
const rowOf = (token: string) =>
  world.data.db.enrolmentToken.findUniqueOrThrow({ where: { tokenHash: hashToken(token) } });
const whoIs = async (token: string) => {
  const { data } = await world
    .withToken(token)
    .answer<{ viewer: { role: string; hypervisorNodeId: string } | null }, unknown>(
      '{ viewer { role hypervisorNodeId } }',
    );
  return data?.viewer ?? null;
};

it('a token is made, shown once and counted; with it a node gets a token of its own, and all is audited', async () => {
  const made = await mutate(admin, 'createEnrolmentToken', { clusterId: cluster.id, uses: 2 });
  const token = String(made.token);
  expect(token).toMatch(/^qxe_[\w-]{43}$/);
  expect(await tablesContaining(world.data, token)).toEqual([]);
  expect(await whoIs(token)).toBeNull();
  const answer = await enrol(token, { hostname: 'rack-1', labels: { rack: '1' } });
  expect(answer).toMatchObject({ __typename: 'EnrolHypervisorNodePayload' });
  expect(await whoIs(String(answer.token))).toEqual({
    role: 'AGENT',
    hypervisorNodeId: answer.hypervisorNodeId,
  });
  expect(await tablesContaining(world.data, String(answer.token))).toEqual([]);
  const node = await world.data.db.node.findUniqueOrThrow({ where: { hostname: 'rack-1' } });
  expect(node).toMatchObject({ clusterId: cluster.uuid, phase: 'PENDING', labels: { rack: '1' } });
  const entries = await world.data.db.auditEntry.findMany({ where: { action: 'node.enrol' } });
  expect(entries.map((e) => [e.resourceType, e.username]).sort()).toEqual([
    ['ApiToken', 'enrolment:enrolment'],
    ['EnrolmentToken', 'enrolment:enrolment'],
    ['HypervisorNode', 'enrolment:enrolment'],
  ]);
  const { data } = await admin.answer(
    '{ enrolmentTokens { nodes { uses maxUses state cluster { id } } } }',
  );
  const shown = { uses: 1, maxUses: 2, state: 'ACTIVE', cluster: { id: cluster.id } };
  expect(data).toEqual({ enrolmentTokens: { nodes: [shown] } });
});

describe('a token with k uses', () => {
  it('lets exactly k of n in that come at once', async () => {
    const { token } = await world.seed.enrolmentToken(cluster, { maxUses: 3 });
    const answers = await Promise.all(Array.from({ length: 9 }, () => enrol(token)));
    const codes = answers.map(({ __typename, code }) => code ?? __typename).sort();
    expect(codes).toEqual(
      [
        ...Array(6).fill('ENROLMENT_REFUSED'),
        ...Array(3).fill('EnrolHypervisorNodePayload'),
      ].sort(),
    );
    const { id, uses } = await rowOf(token);
    expect(uses).toBe(3);
    expect(await world.data.db.enrolment.count({ where: { tokenId: id } })).toBe(3);
    expect(answers.find(({ code }) => code)?.message).toContain('as many nodes as it may');
  });

  it('counts an agent once that asks again and again, also at once: one node, and one token that counts', async () => {
    const { token } = await world.seed.enrolmentToken(cluster, { maxUses: 2 });
    const same = { instanceKey: keyOf(), hostname: 'stubborn' };
    const answers = await Promise.all(Array.from({ length: 4 }, () => enrol(token, same)));
    expect(new Set(answers.map((a) => a.hypervisorNodeId)).size).toBe(1);
    expect((await rowOf(token)).uses).toBe(1);
    await enrol(token);
    const last = await enrol(token, same); // used up by now, but this one is known
    expect(last).toMatchObject({ hypervisorNodeId: answers[0]?.hypervisorNodeId });
    const viewers = await Promise.all([...answers, last].map((a) => whoIs(String(a.token))));
    expect(viewers.map((viewer) => viewer?.role ?? null)).toEqual([
      null,
      null,
      null,
      null,
      'AGENT',
    ]);
  });

  it('loses no use to a node that cannot be made', async () => {
    const { token } = await world.seed.enrolmentToken(cluster);
    await world.seed.node(cluster, { hostname: 'taken' });
    expect(await enrol(token, { hostname: 'taken' })).toMatchObject({
      code: 'ALREADY_EXISTS',
      field: 'hostname',
    });
    expect((await rowOf(token)).uses).toBe(0);
  });
});

describe('nobody gets in', () => {
  it.each([
    ['with what is no token', async () => `qxe_${'x'.repeat(43)}`, 'no such enrolment token'],
    [
      'with an expired one',
      async () => (await world.seed.enrolmentToken(cluster, { expiresAt: new Date(0) })).token,
      'is over',
    ],
    [
      'with a revoked one',
      async () => {
        const { token, id } = await world.seed.enrolmentToken(cluster);
        await mutate(admin, 'revokeEnrolmentToken', { id });
        return token;
      },
      'was revoked',
    ],
  ])('%s', async (_what, tokenOf, says) => {
    expect(await enrol(await tokenOf())).toMatchObject({
      __typename: 'EnrolmentRefusedError',
      path: ['token'],
      message: expect.stringContaining(says),
    });
  });

  it('again whose node was taken out of service for ever', async () => {
    const { token } = await world.seed.enrolmentToken(cluster);
    const same = { instanceKey: keyOf(), hostname: 'retired' };
    const { hypervisorNodeId: id } = await enrol(token, same);
    await mutate(admin, 'decommissionHypervisorNode', { id });
    expect(await enrol(token, same)).toMatchObject({ code: 'INVALID_STATE' });
  });
});

describe('an agent', () => {
  const log = createLogger({ level: 'silent' });
  const signal = new AbortController().signal;
  /** Loses the first answers on the way. */
  const losing = (answers: number) => {
    let left = answers;
    return openTransport('http://test', null, async (request) => {
      const response = await world.app.fetch(request);
      left -= 1;
      if (left >= 0) throw new TypeError('the line went dead');
      return response;
    });
  };
  const start = (file: string, enrolmentToken: string | null, transport = losing(0)) =>
    enrolledToken({
      ...{ transport, enrolmentToken, file, hostname: `agent-${count++}` },
      ...{ managementIp: '192.0.2.6', log, signal },
    });

  it('whose answer is lost asks again, keeps its token for itself, and needs the enrolment token no more', async () => {
    const file = join(folder, 'state', 'agent.json');
    const { token } = await world.seed.enrolmentToken(cluster);
    const own = await start(file, token, losing(1));
    expect((await whoIs(String(own)))?.role).toBe('AGENT');
    expect((await rowOf(token)).uses).toBe(1);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(file, 'utf8')).not.toContain(token);
    expect(await start(file, null)).toBe(own);
  });

  it('that is not let in says why, and is the same one when it tries again', async () => {
    const file = join(folder, 'refused.json');
    await expect(start(file, 'qxe_nothing')).rejects.toThrow('no such enrolment token');
    const first = await readCredentials(file);
    await expect(start(file, null)).rejects.toThrow('has no token yet');
    expect(await readCredentials(file)).toEqual(first);
  });

  it('makes one key, however many of it start at once', async () => {
    const file = join(folder, 'twins.json');
    const all = await Promise.all(Array.from({ length: 8 }, () => ownCredentials(file)));
    expect(new Set(all.map(({ instanceKey }) => instanceKey)).size).toBe(1);
    await keepCredentials(file, { instanceKey: 'k', token: 't' });
    expect(await ownCredentials(file)).toEqual({ instanceKey: 'k', token: 't' });
  });

  it('does not take another file for its own', async () => {
    await expect(
      readCredentials(new URL('../../package.json', import.meta.url).pathname),
    ).rejects.toThrow('not the credentials file');
  });
});
