/** Idempotency keys, on every mutation that the schema has. What happens in parallel is in test/services/idempotency.test.ts. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stableStringify } from '../../src/core/json.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { changedTables, digest, tablesContaining } from '../support/digest.js';
import { createStage, MUTATIONS, mutate, type Stage, sampleOf } from '../support/mutations.js';
import { createTestClock } from '../support/test-clock.js';

const clock = createTestClock();
let world: TestApp;
let stage: Stage;
beforeAll(async () => {
  world = await createTestApp({ clock });
  stage = await createStage(world);
});
afterAll(() => world.stop());

/** Signing in and enrolling are for nobody in particular, so they have no keys of their own; signing out ends what the repeat would need. */
const KEYED = MUTATIONS.filter(
  (mutation) => !['enrolHypervisorNode', 'login', 'logout'].includes(mutation),
);

describe.each(KEYED)('%s, repeated with its key', (mutation) => {
  it('answers as the first time and does nothing again; with another body it is refused', async () => {
    const { client, input } = await sampleOf(mutation, stage);
    const keyed = { ...input, idempotencyKey: `twice-${mutation}` };
    const first = await mutate(client, mutation, keyed);
    expect(first.__typename).toMatch(/Payload$/);
    const before = await digest(world.data);
    const second = await mutate(client, mutation, keyed);
    expect(changedTables(before, await digest(world.data))).toEqual([]);
    const secretless = 'token' in first ? { ...first, token: null } : first;
    expect(second).toEqual(secretless);

    if (Object.keys(input).length === 0) return; // there is no other body
    const { input: other } = await sampleOf(mutation, stage);
    const refused = await mutate(client, mutation, { ...keyed, ...other });
    expect(refused).toMatchObject({ __typename: 'IdempotencyMismatchError' });
  });
});

it.each(['enrolHypervisorNode', 'login', 'logout', 'revokeOtherSessions'])(
  '%s is refused with the key of another request',
  async (mutation) => {
    const idempotencyKey = `taken-${mutation.toLowerCase()}`;
    await mutate(stage.admin, 'createCluster', { name: idempotencyKey, idempotencyKey });
    const { input } = await sampleOf(mutation, stage);
    expect(await mutate(stage.admin, mutation, { ...input, idempotencyKey })).toMatchObject({
      __typename: 'IdempotencyMismatchError',
    });
  },
);

const create = (client: Client, name: string, idempotencyKey: string | null) =>
  mutate(client, 'createCluster', { name, idempotencyKey });

describe('a key', () => {
  it('that comes back with another request is refused, and the request is not done', async () => {
    await create(stage.admin, 'key-one', 'mismatch');
    const answer = await create(stage.admin, 'key-two', 'mismatch');
    expect(answer).toMatchObject({
      __typename: 'IdempotencyMismatchError',
      code: 'IDEMPOTENCY_MISMATCH',
      path: ['idempotencyKey'],
      retryable: false,
    });
    expect(await world.data.db.cluster.count({ where: { name: 'key-two' } })).toBe(0);
  });

  it('is bound to the operation: the same input of another mutation is another request', async () => {
    const { input } = await sampleOf('pauseVirtualMachine', stage);
    const keyed = { ...input, idempotencyKey: 'same-input' };
    await mutate(stage.admin, 'pauseVirtualMachine', keyed);
    const other = await mutate(stage.admin, 'stopVirtualMachine', keyed);
    expect(other).toMatchObject({ __typename: 'IdempotencyMismatchError' });
  });

  it('may come back with the same fields in another order', async () => {
    const idempotencyKey = 'order';
    const one = { name: 'key-order', description: 'd', idempotencyKey };
    const other = { idempotencyKey, description: 'd', name: 'key-order' };
    const first = await mutate(stage.admin, 'createCluster', one);
    expect(await mutate(stage.admin, 'createCluster', other)).toEqual(first);
  });

  it('of one user is not the key of another', async () => {
    await world.seed.user('ADMIN', { username: 'second-admin' });
    const second = await world.signIn('second-admin');
    expect(await create(stage.admin, 'mine', 'shared-word')).toMatchObject({ dryRun: false });
    expect(await create(second, 'theirs', 'shared-word')).toMatchObject({ dryRun: false });
  });

  it('of a request that was refused may be used again', async () => {
    const taken = await create(stage.admin, stage.cluster.name, 'refused');
    expect(taken).toMatchObject({ __typename: 'AlreadyExistsError' });
    const answer = await create(stage.admin, 'not-refused', 'refused');
    expect(answer).toMatchObject({ dryRun: false });
  });

  it('counts for 24 hours and not longer', async () => {
    await create(stage.admin, 'day-one', 'a-day');
    clock.advance(24 * 3_600_000 - 1);
    // Sessions end with the day, too.
    const admin = await world.signIn('stage-admin');
    expect(await create(admin, 'day-two', 'a-day')).toMatchObject({
      __typename: 'IdempotencyMismatchError',
    });
    clock.advance(1);
    expect(await create(admin, 'day-two', 'a-day')).toMatchObject({ dryRun: false });
    stage = { ...stage, admin };
  });

  it.each(['', ' ', 'with space', 'ä', 'x'.repeat(129), 'line\nbreak'])(
    '%j is not one',
    async (idempotencyKey) => {
      const answer = await create(stage.admin, 'never', idempotencyKey);
      expect(answer).toMatchObject({ code: 'VALIDATION', path: ['idempotencyKey'] });
    },
  );

  it('of null is none', async () => {
    expect(await create(stage.admin, 'keyless', null)).toMatchObject({ dryRun: false });
    expect(await create(stage.admin, 'keyless', null)).toMatchObject({ code: 'ALREADY_EXISTS' });
  });
});

describe('a repeat', () => {
  it('of a deletion by somebody who never saw the object is not found, whatever the key', async () => {
    const { input } = await sampleOf('deleteVirtualMachine', stage);
    const keyed = { ...input, idempotencyKey: 'deletion' };
    await mutate(stage.admin, 'deleteVirtualMachine', keyed);
    await world.seed.user('OPERATOR', { username: 'stranger' });
    const answer = await mutate(await world.signIn('stranger'), 'deleteVirtualMachine', keyed);
    expect(answer).toMatchObject({ __typename: 'NotFoundError' });
  });

  it('shows the objects in the answer as they are now, and only to whom may see them', async () => {
    await world.seed.user('OPERATOR', {
      username: 'leaver',
      projects: { [stage.project.uuid]: 'OPERATOR' },
    });
    const leaver = await world.signIn('leaver');
    const { input } = await sampleOf('pauseVirtualMachine', stage);
    const keyed = { ...input, idempotencyKey: 'leaving' };
    const first = await mutate(leaver, 'pauseVirtualMachine', keyed);
    expect(first.virtualMachine).toMatchObject({ id: input.id, desiredState: 'PAUSED' });
    await world.data.db.projectMember.deleteMany({ where: { user: { username: 'leaver' } } });
    await world.app.services.hints.announce([
      { type: 'ProjectMember', id: stage.project.uuid, projectId: null, kind: 'DELETED' },
    ]);
    const second = await mutate(leaver, 'pauseVirtualMachine', keyed);
    expect(second).toMatchObject({ virtualMachine: null, task: null });
  });
});

describe('a secret', () => {
  it('is shown once: not on a replay, and in no row of any table', async () => {
    const { input } = await sampleOf('issueAgentToken', stage);
    const keyed = { ...input, idempotencyKey: 'secret' };
    const first = await mutate(stage.admin, 'issueAgentToken', keyed);
    const token = String(first.token);
    expect(token).toMatch(/^qxa_[\w-]{43}$/);
    expect(await mutate(stage.admin, 'issueAgentToken', keyed)).toMatchObject({ token: null });
    expect(await tablesContaining(world.data, token)).toEqual([]);
    expect(await tablesContaining(world.data, token.slice(4))).toEqual([]);
    // The search finds what is there: the name of the token.
    expect(await tablesContaining(world.data, String(input.name))).toContain('api_tokens');
  });

  it('in a request is part of it, and cannot be searched for by a hash of the request', async () => {
    const { input } = await sampleOf('createUser', stage);
    const keyed = { ...input, idempotencyKey: 'new-user' };
    const first = await mutate(stage.admin, 'createUser', keyed);
    expect(await mutate(stage.admin, 'createUser', keyed)).toEqual(first);
    const other = { ...keyed, password: 'another long password' };
    expect(await mutate(stage.admin, 'createUser', other)).toMatchObject({
      __typename: 'IdempotencyMismatchError',
    });
    const row = await world.data.db.idempotencyKey.findFirstOrThrow({ where: { key: 'new-user' } });
    const plain = createHash('sha256').update('user.create').update('\0');
    plain.update(stableStringify({ ...input, email: input.email, password: input.password }));
    expect(row.requestHash).toMatch(/^[0-9a-f]{64}$/);
    expect(row.requestHash).not.toBe(plain.digest('hex'));
    expect(await tablesContaining(world.data, String(input.password))).toEqual([]);
  });

  it('that a user types to sign in is in no row either', async () => {
    const password = 'an unusual pass phrase';
    const input = { username: 'stage-admin', password, idempotencyKey: 'login' };
    await mutate(world.anonymous, 'login', input);
    expect(await tablesContaining(world.data, password)).toEqual([]);
    expect(await world.data.db.idempotencyKey.count({ where: { key: 'login' } })).toBe(0);
  });
});
