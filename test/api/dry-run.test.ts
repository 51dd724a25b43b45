/** Dry runs, of every mutation that the schema has: nothing is written, and the answer is what the real run then gives. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMINISTRATORS } from '../../src/core/audience.js';
import { allEntities, delegateOf, isOnSide } from '../../src/core/entity.js';
import type { ChangeHint } from '../../src/core/hints.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { changedTables, digest } from '../support/digest.js';
import {
  createStage,
  MUTATIONS,
  mutate,
  type Stage,
  sampleOf,
  UNSAMPLED,
} from '../support/mutations.js';

let world: TestApp;
let stage: Stage;
beforeAll(async () => {
  world = await createTestApp();
  stage = await createStage(world);
});
afterAll(() => world.stop());

/** Ids and moments of what does not exist yet are made anew by the real run; secrets are shown by it alone. */
const OF_THE_MOMENT =
  /^(dryRun|planToken|token|id|resourceId|volumeId|volumeIds|snapshotId|deadlineAt|createdAt|updatedAt|expiresAt|revokedAt|prefix|hypervisorNodeId|lastHeartbeat|lastSeenAt|acknowledgedAt|passwordChangedAt|resolvedAt|appliedAt|changedAt|startedAt|finishedAt)$/;

function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !OF_THE_MOMENT.test(key))
      .map(([key, item]) => [key, comparable(item)]),
  );
}

it('every mutation of the schema has a sample in test/support/mutations.ts', () => {
  expect(UNSAMPLED).toEqual([]);
});

describe.each(MUTATIONS)('a dry run of %s', (mutation) => {
  it('writes nothing, tells nobody, and shows what the real run then does', async () => {
    const { client, input } = await sampleOf(mutation, stage);
    const hints: ChangeHint[] = [];
    const stop = world.app.services.hints.listen((hint) => hints.push(hint));
    const before = await digest(world.data);

    const tried = await mutate(client, mutation, { ...input, dryRun: true });
    expect(tried).toMatchObject({ dryRun: true, __typename: expect.stringMatching(/Payload$/) });
    expect(changedTables(before, await digest(world.data))).toEqual([]);
    expect(hints).toEqual([]);

    const done = await mutate(client, mutation, input);
    stop();
    expect(done).toMatchObject({ dryRun: false });
    expect(comparable(done)).toEqual(comparable(tried));
    expect(changedTables(before, await digest(world.data))).not.toEqual([]);
  });

  it('does not use its idempotency key up', async () => {
    const { client, input } = await sampleOf(mutation, stage);
    const idempotencyKey = `dry-${mutation}`;
    await mutate(client, mutation, { ...input, idempotencyKey, dryRun: true });
    const done = await mutate(client, mutation, { ...input, idempotencyKey });
    expect(done).toMatchObject({ dryRun: false });
  });
});

// Here, because by now every mutation has really run.
describe('the audit of all the real runs', () => {
  it('says of every object that is there who sees it, as the object itself does', async () => {
    const { db } = world.data;
    for (const entity of allEntities()) {
      const select = { id: true, ...entity.visibility.needs };
      const rows = await delegateOf(db, entity.model).findMany({ select });
      const entries = await db.auditEntry.findMany({
        where: {
          resourceType: entity.type,
          status: 'SUCCEEDED',
          details: { not: { unchanged: true } },
        },
        orderBy: { seq: 'asc' },
      });
      const last = new Map(entries.map((entry) => [entry.resourceId, entry]));
      for (const row of rows) {
        const entry = last.get(String(row.id));
        if (!entry) continue;
        const seen = isOnSide(entity, row)
          ? [ADMINISTRATORS, ...entity.visibility.audience(row)]
          : [];
        expect([entity.type, entry.action, entry.seenAfter.toSorted()]).toEqual([
          entity.type,
          entry.action,
          seen.toSorted(),
        ]);
      }
    }
  });
});

describe('a dry run that is refused', () => {
  it('gives the same error as the real run, and leaves no trace', async () => {
    const input = { name: stage.cluster.name };
    const before = await digest(world.data);
    const tried = await mutate(stage.admin, 'createCluster', { ...input, dryRun: true });
    expect(tried).toMatchObject({ __typename: 'AlreadyExistsError' });
    expect(changedTables(before, await digest(world.data))).toEqual([]);
    expect(await mutate(stage.admin, 'createCluster', input)).toEqual(tried);
    expect(changedTables(before, await digest(world.data))).toEqual(['audit_log']);
  });

  it('is written down all the same when it was a password that somebody tried', async () => {
    const username = 'stage-admin';
    const tried = { username, password: 'guess', dryRun: true };
    await mutate(world.anonymous, 'login', tried);
    const [entry] = await world.data.db.auditEntry.findMany({
      where: { action: 'user.login', resourceName: username },
      orderBy: { seq: 'desc' },
      take: 1,
    });
    expect(entry).toMatchObject({ status: 'FAILED', username: 'anonymous' });
  });
});

describe('a dry run', () => {
  it('signs nobody in and nobody out', async () => {
    const { client } = await sampleOf('logout', stage);
    await mutate(client, 'logout', { dryRun: true });
    expect((await client.answer('{ viewer { name } }')).errors).toEqual([]);
    const input = { username: 'stage-admin', password: world.seed.password, dryRun: true };
    const answer = await world.anonymous.answer(
      'mutation($input: LoginInput!) { login(input: $input) { __typename } }',
      { input },
    );
    expect(answer.headers.get('set-cookie')).toBeNull();
  });
});
