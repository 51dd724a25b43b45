/** Whatever becomes of a mutation or a token, one entry tells of it: refused before a command hears of it, given up, failed by a bug or a database that is away. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Viewer } from '../../src/core/authz.js';
import { defineCommand } from '../../src/core/command.js';
import type { Call } from '../../src/core/context.js';
import { execute } from '../../src/core/execute.js';
import { UnavailableError } from '../../src/errors.js';
import { newId } from '../../src/ids.js';
import { createCluster } from '../../src/modules/cluster/commands.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { createStage, documentOf, type Stage, sampleOf } from '../support/mutations.js';
import { until } from '../support/until.js';

let world: TestApp;
let stage: Stage;
beforeAll(async () => {
  world = await createTestApp();
  stage = await createStage(world);
});
afterAll(() => world.stop());

interface Entry {
  readonly status: string;
  readonly action: string;
  readonly username: string;
  readonly resourceName: string;
  readonly details: { readonly error: Record<string, unknown>; readonly repeated?: number };
}

async function send(query: string, variables: object, token: string | null = stage.admin.token) {
  const requestId = newId();
  const response = await world.anonymous.raw({
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-request-id': requestId,
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    },
    body: JSON.stringify({ query, variables }),
  });
  const body = (await response.json()) as { errors?: { extensions: { code: string } }[] };
  return { requestId, code: body.errors?.[0]?.extensions.code };
}

async function post(...request: Parameters<typeof send>) {
  const { requestId, code } = await send(...request);
  return { code, entries: await entriesOf(requestId) };
}

/** Not all are waited for by their request. */
function entriesOf(requestId: string): Promise<Entry[]> {
  return until('an entry of the request', async () => {
    const found = await find({ requestId });
    return found.length > 0 && found;
  });
}

async function find(where: object): Promise<Entry[]> {
  const rows = await world.data.db.auditEntry.findMany({ where, orderBy: { seq: 'asc' } });
  return rows as unknown as Entry[];
}

/** As when a minute is over. */
const nextMinute = () => world.app.services.audit.flush();
const repeatedIn = (entries: readonly Entry[]) => entries.map(({ details }) => details.repeated);

const callAs = (viewer: Viewer | null, signal = new AbortController().signal): Call => ({
  services: world.app.services,
  requestId: newId(),
  viewer,
  ipAddress: '192.0.2.9',
  userAgent: '',
  signal,
});
const somebody: Viewer = {
  ...{ id: newId(), userId: null, name: 'somebody', role: 'ADMIN', projects: new Map() },
  credentialId: 'a-session',
};
/** A command whose transaction does this. */
const doing = (run: () => Promise<never>) =>
  defineCommand({
    ...{ name: 'test.do', resourceType: 'Cluster', permission: 'cluster:create' as const },
    ...{ input: z.object({}), errors: [], unlocked: 'it is a test', run },
  });

describe('a mutation that no command hears of', () => {
  it('because nobody is signed in is told of once a minute, with its number', async () => {
    const document = documentOf('createCluster');
    const input = { name: 'nobody-s' };
    const { code, entries } = await post(document, { input }, null);
    expect(code).toBe('UNAUTHENTICATED');
    expect(entries).toMatchObject([
      { status: 'DENIED', action: 'cluster.create', username: 'anonymous', credentialKind: null },
    ]);
    await send(document, { input }, null);
    await send(document, { input }, null);
    const told = () => find({ action: 'cluster.create', username: 'anonymous' });
    expect(repeatedIn(await told())).toEqual([undefined]);
    await nextMinute();
    expect(repeatedIn(await told())).toEqual([undefined, 2]);
    await send(document, { input }, null);
    await nextMinute();
    await nextMinute();
    expect(repeatedIn(await told())).toEqual([undefined, 2, 1]);
  });

  it('because its variables do not fit is told of without them, for each of its fields', async () => {
    const document = `mutation M($a: CreateUserInput!) { one: createUser(input: $a) { __typename } ...F }
      fragment F on Mutation { two: createUser(input: $a) { __typename } }`;
    const a = { username: 'x', password: 'hunter2-hunter2', role: 'EMPEROR' };
    const { code, entries } = await post(document, { a });
    expect(code).toBe('GRAPHQL_VALIDATION_FAILED');
    expect(entries).toHaveLength(2);
    for (const entry of entries) {
      expect(entry).toMatchObject({
        ...{ status: 'FAILED', action: 'user.create', username: 'stage-admin' },
        details: { error: { code: 'GRAPHQL_VALIDATION_FAILED' } },
      });
    }
    expect(JSON.stringify(entries.map(({ details }) => details))).not.toMatch(/hunter2|EMPEROR/);
  });

  it.each([
    ['an idempotency key that is none', { idempotencyKey: 'two words' }, 'VALIDATION', undefined],
    ['a plan token that is none', { planToken: '' }, 'VALIDATION', undefined],
    ['a text that is too long', { description: 'x'.repeat(5_000) }, 'VALIDATION', undefined],
  ])('or is refused for %s is told of', async (_what, extra, code, top) => {
    const answer = await post(documentOf('createCluster'), { input: { name: 'c', ...extra } });
    expect(answer.code).toBe(top);
    expect(answer.entries).toMatchObject([{ status: 'FAILED', details: { error: { code } } }]);
  });

  it('or names an id that is none is told of', async () => {
    const { entries } = await post(documentOf('deleteCluster'), { input: { id: '???' } });
    expect(entries).toMatchObject([{ status: 'FAILED', action: 'cluster.delete' }]);
    expect(entries).toHaveLength(1);
  });
});

describe('a command that does not come to its end', () => {
  it('for a bug has an entry that says so, and nothing of what was thrown', async () => {
    const call = callAs(somebody);
    const buggy = doing(() => Promise.reject(new Error('the password is sesame')));
    await expect(execute(buggy, {}, call)).rejects.toThrow('sesame');
    const entries = await entriesOf(call.requestId);
    expect(entries).toMatchObject([
      {
        ...{ status: 'FAILED', action: 'test.do', username: 'somebody', actorId: somebody.id },
        ...{ credentialKind: 'SESSION', credentialId: 'a-session', ipAddress: '192.0.2.9' },
        details: { error: { code: 'INTERNAL_SERVER_ERROR' } },
      },
    ]);
    expect(JSON.stringify(entries.map(({ details }) => details))).not.toContain('sesame');
  });

  it.each([
    ['CLIENT_GONE', new DOMException('gone', 'AbortError')],
    ['DEADLINE', new UnavailableError('too late')],
  ])('because of %s, in its transaction, has an entry that says which', async (gaveUp, reason) => {
    const ending = new AbortController();
    const call = callAs(somebody, ending.signal);
    const slow = doing(async () => {
      ending.abort(reason);
      return { result: {}, changed: [] } as never;
    });
    await expect(execute(slow, {}, call)).rejects.toThrow();
    expect(await entriesOf(call.requestId)).toMatchObject([
      { status: 'FAILED', details: { error: { code: 'UNAVAILABLE', gaveUp } } },
    ]);
  });

  it('while the database takes no entries has one as soon as it does', async () => {
    const { db } = world.data;
    await db.$executeRawUnsafe(`CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'starting up' USING ERRCODE = '57P03'; END $$`);
    await db.$executeRawUnsafe(
      'CREATE TRIGGER away BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION away()',
    );
    const call = callAs(somebody);
    const { input } = await sampleOf('createCluster', stage);
    const refused = await send(documentOf('deleteUser'), { input: { id: stage.cluster.id } });
    await expect(execute(createCluster, input, call)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
    await nextMinute();
    expect(await find({ requestId: { in: [refused.requestId, call.requestId] } })).toEqual([]);
    await db.$executeRawUnsafe('DROP FUNCTION away() CASCADE');
    await nextMinute();
    expect(await entriesOf(refused.requestId)).toMatchObject([{ action: 'user.delete' }]);
    expect(await entriesOf(call.requestId)).toMatchObject([
      { status: 'FAILED', action: 'cluster.create', details: { error: { code: 'UNAVAILABLE' } } },
    ]);
  });
});

describe('a token that does not count', () => {
  it('is told of once a minute, with whom it claims to be of, and nothing of itself', async () => {
    const { name } = await world.seed.user('VIEWER');
    const { token } = await world.signIn(name);
    const forged = `${token?.slice(0, -5)}AAAAA`;
    const { code, entries } = await post('{ clusters { totalCount } }', {}, forged);
    expect(code).toBe('UNAUTHENTICATED');
    const user = await world.data.db.user.findUniqueOrThrow({ where: { username: name } });
    expect(entries).toMatchObject([
      {
        ...{ status: 'DENIED', action: 'credential.use', username: 'anonymous', userId: null },
        details: { claimed: { kind: 'SESSION', userId: user.id } },
      },
    ]);
    expect(JSON.stringify(entries.map(({ details }) => details))).not.toContain(forged.slice(-40));
    for (let i = 0; i < 3; i += 1) await send('{ __typename }', {}, forged);
    await nextMinute();
    const told = await find({ resourceName: entries[0]?.resourceName });
    expect(repeatedIn(told)).toEqual([undefined, 3]);
  });

  it('in as many forms as there may be fills no disk', async () => {
    const before = await world.data.db.auditEntry.count();
    const { audit } = world.app.services;
    for (let i = 0; i < 5_000; i += 1)
      audit.tally(`token ${i}`, {
        ...{ id: newId(), username: 'anonymous', action: 'credential.use', resourceType: 'X' },
        ...{ resourceName: '', status: 'DENIED', createdAt: new Date() },
        details: { error: { code: 'UNAUTHENTICATED' } },
      });
    await nextMinute();
    expect((await world.data.db.auditEntry.count()) - before).toBeLessThan(300);
    const [others] = await find({ action: 'request.refuse' });
    expect(others?.details.repeated).toBeGreaterThan(4_700);
  });
});

describe('an entry', () => {
  it('names the credential: the session of a user, the token of an agent', async () => {
    const { client, input } = await sampleOf('reportNode', stage);
    for (const [mutation, given, token, kind] of [
      ['createCluster', { name: 'by-session' }, stage.admin.token, 'SESSION'],
      ['reportNode', input, client.token, 'AGENT_TOKEN'],
    ] as const) {
      const { entries } = await post(documentOf(mutation), { input: given }, token);
      expect(entries[0]).toMatchObject({ status: 'SUCCEEDED', credentialKind: kind });
      expect(entries[0]).toMatchObject({
        actorId: expect.any(String),
        credentialId: expect.any(String),
      });
    }
  });
});
