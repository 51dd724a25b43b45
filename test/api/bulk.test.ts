/** Bulk operations: by ids and by filter, each by itself or all or none, cut off in the middle and taken up again. */
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ChangeHint } from '../../src/core/hints.js';
import { encodeGlobalId, newId } from '../../src/ids.js';
import { createTestApp, type TestApp } from '../support/app.js';
import {
  type BulkAnswer,
  type BulkMutation,
  breakOff,
  bulk,
  bulkDocument,
  tally,
  tryBulk,
} from '../support/bulk.js';
import type { Client } from '../support/client.js';
import { changedTables, digest } from '../support/digest.js';
import type { Made } from '../support/seed.js';
import { createTestClock } from '../support/test-clock.js';
import { until } from '../support/until.js';

const START = 'bulkStartVirtualMachines';
const DELETE = 'bulkDeleteVirtualMachines';
const LABEL = 'bulkLabelVirtualMachines';
const ACKNOWLEDGE = 'bulkAcknowledgeAlerts';

const clock = createTestClock();
let world: TestApp;
let admin: Client;
let operator: Client;
let cluster: Made;
let mine: Made;
let theirs: Made;
let count = 0;

beforeAll(async () => {
  world = await createTestApp({ clock });
  const { seed } = world;
  cluster = await seed.cluster();
  await seed.node(cluster);
  [mine, theirs] = [await seed.project(), await seed.project()];
  await seed.user('ADMIN', { username: 'ada' });
  await seed.user('OPERATOR', { username: 'olga', projects: { [mine.uuid]: 'OPERATOR' } });
  [admin, operator] = [await world.signIn('ada'), await world.signIn('olga')];
});
afterAll(() => world.stop());

const idsOf = (machines: readonly Made[]) => machines.map(({ id }) => id);
/** Machines with names of their own beginning, for filters. */
async function group(size: number, project = mine, columns = {}) {
  const prefix = `group${++count}-`;
  const machines = await world.seed.vms(project, size, (index) => ({
    name: `${prefix}${index}`,
    ...columns,
  }));
  return { machines, ids: idsOf(machines), filter: { name: { startsWith: prefix } } };
}

describe('by ids', () => {
  it('what is hidden and what never was is not found, and the others are done', async () => {
    const { ids } = await group(2);
    const foreign = await group(1, theirs);
    const never = encodeGlobalId('VirtualMachine', newId());
    const input = { ids: [...foreign.ids, ids[0], never, ids[1]], set: { tier: 'web' } };
    const answer = await bulk(operator, LABEL, input);
    const kinds = answer.results.map(({ outcome }) => outcome?.__typename);
    const done = 'LabelVirtualMachinePayload';
    expect(kinds).toEqual(['NotFoundError', done, 'NotFoundError', done]);
    expect(answer.results.map(({ id }) => id)).toEqual(input.ids);
    expect(answer).toMatchObject({ succeededCount: 2, failedCount: 2, remainingCount: 0 });
    expect(answer.endCursor).toBeNull();
  });

  it('what is named twice is done once', async () => {
    const { ids } = await group(2);
    const answer = await bulk(admin, DELETE, { ids: [ids[0], ids[1], ids[0]] });
    expect(answer.results.map(({ id }) => id)).toEqual(ids);
    expect(answer.succeededCount).toBe(2);
  });

  it('every deletion, protected or running, gets its own answer', async () => {
    const [off] = (await group(1)).ids;
    const [kept] = (await group(1, mine, { deletionProtected: true })).ids;
    const [on] = (await group(1, mine, { powerState: 'UNKNOWN' })).ids;
    const answer = await bulk(admin, DELETE, { ids: [off, kept, on] });
    expect(answer.results.map(({ outcome }) => outcome)).toMatchObject([
      { __typename: 'DeleteVirtualMachinePayload', deletedVirtualMachineId: off, task: null },
      { code: 'PROTECTED' },
      { code: 'INVALID_STATE' },
    ]);
  });
});

describe('by filter', () => {
  it('finds what matches and is visible, the oldest first, and leaves the others alone', async () => {
    const { machines, filter, ids } = await group(3);
    await group(1);
    await world.seed.vm(theirs, { name: `${machines[0]?.name}9` });
    const answer = await bulk(operator, LABEL, { filter, set: { tier: 'db' } });
    expect(answer.results.map(({ id }) => id)).toEqual([...ids].sort(byUuid(machines)));
    expect(answer).toMatchObject({ succeededCount: 3, remainingCount: 0 });
    const labelled = { labels: { path: ['tier'], equals: 'db' } };
    expect(await world.data.db.virtualMachine.count({ where: labelled })).toBe(3);
  });

  it('that finds nothing does nothing', async () => {
    const answer = await bulk(admin, DELETE, { filter: { name: { eq: 'nobody' } } });
    expect(answer).toMatchObject({ results: [], succeededCount: 0, endCursor: null });
  });

  it('that finds more than one call takes on is gone through call by call', async () => {
    const title = 'a flood';
    await world.data.db.alert.createMany({
      data: Array.from({ length: 1003 }, (_, i) => ({
        id: newId(),
        severity: 'INFO' as const,
        sourceType: 'SYSTEM' as const,
        kind: `flood-${i}`,
        title,
        acknowledged: true,
        acknowledgedAt: new Date(),
      })),
    });
    const filter = { title: { eq: title } };
    const refused = await bulk(admin, ACKNOWLEDGE, { filter, mode: 'ATOMIC' });
    expect(refused).toMatchObject({ code: 'VALIDATION', path: ['filter'] });
    expect(refused.message).toContain('1003');
    const first = await bulk(admin, ACKNOWLEDGE, { filter });
    expect(first).toMatchObject({ succeededCount: 1000, failedCount: 0, remainingCount: 3 });
    const second = await bulk(admin, ACKNOWLEDGE, { filter, after: first.endCursor });
    expect(second).toMatchObject({ succeededCount: 3, remainingCount: 0 });
    const seen = [...first.results, ...second.results].map(({ id }) => id);
    expect(new Set(seen).size).toBe(1003);
  }, 60_000);

  const byUuid = (machines: readonly Made[]) => (a: string, b: string) => {
    const uuid = (id: string) => machines.find((vm) => vm.id === id)?.uuid ?? '';
    return uuid(a) < uuid(b) ? -1 : 1;
  };
});

describe('all or none', () => {
  it('all are done in one transaction, with an entry and a hint for each', async () => {
    const { machines, ids } = await group(5);
    const hints: ChangeHint[] = [];
    const stop = world.app.services.hints.listen((hint) => hints.push(hint));
    const input = { ids, mode: 'ATOMIC', set: { tier: 'web' }, idempotencyKey: 'all-label' };
    const answer = await bulk(admin, LABEL, input);
    stop();
    expect(tally(answer)).toEqual({ LabelVirtualMachinePayload: 5 });
    expect(answer.results[4]?.outcome).toMatchObject({
      virtualMachine: { id: ids[4], labels: { tier: 'web' } },
    });
    expect(hints.map(({ id }) => id)).toEqual(machines.map(({ uuid }) => uuid));
    const entries = await world.data.db.auditEntry.findMany({
      where: { action: 'virtualMachine.label', resourceId: { in: hints.map(({ id }) => id) } },
    });
    expect(entries.map(({ status }) => status)).toEqual(Array(5).fill('SUCCEEDED'));
    const before = await digest(world.data);
    expect(await bulk(admin, LABEL, input)).toEqual(answer);
    expect(changedTables(before, await digest(world.data))).toEqual([]);
  });

  it('one that is hidden refuses all, and the others hear that nothing was done to them', async () => {
    const { ids } = await group(2);
    const foreign = await group(1, theirs);
    const before = await digest(world.data);
    const input = { ids: [ids[0], ...foreign.ids, ids[1]], mode: 'ATOMIC', idempotencyKey: 'one' };
    const answer = await bulk(operator, DELETE, input);
    const outcomes = answer.results.map(({ outcome }) => outcome?.__typename ?? null);
    expect(outcomes).toEqual([null, 'NotFoundError', null]);
    expect(answer).toMatchObject({ succeededCount: 0, failedCount: 1, remainingCount: 2 });
    expect(changedTables(before, await digest(world.data))).toEqual(['audit_log']);
    // A refused request has not used its key up.
    const better = await bulk(operator, DELETE, { ...input, ids });
    expect(better.succeededCount).toBe(2);
  });

  it('a refusal leaves the cursor where it was', async () => {
    const { machines, filter } = await group(3, mine, { deletionProtected: true });
    const [first] = [...machines].sort((a, b) => (a.uuid < b.uuid ? -1 : 1));
    const input = { filter, after: first?.id, mode: 'ATOMIC' };
    const answer = await bulk(admin, DELETE, input);
    expect(answer).toMatchObject({ failedCount: 2, remainingCount: 0, endCursor: first?.id });
    const done = await bulk(admin, LABEL, { ...input, set: { tier: 'web' } });
    expect(done.endCursor).not.toBe(first?.id);
  });

  it('one that somebody else keeps is busy, and the others are left alone', async () => {
    const { ids, machines } = await group(3);
    const { limits } = world.app.services.config;
    const config = { limits: { ...limits, lockWaitMs: 50 } };
    const hasty = await createTestApp({ data: world.data, clock, config });
    const held = await hasty.app.services.coordination.lock(`virtualMachine/${machines[1]?.uuid}`, {
      holder: 'somebody',
      waitMs: 0,
    });
    const client = hasty.withToken(await hasty.anonymous.login('ada', world.seed.password));
    const before = await digest(world.data);
    const answer = await bulk(client, DELETE, { ids, mode: 'ATOMIC' });
    const outcomes = answer.results.map(({ outcome }) => outcome?.__typename ?? null);
    expect(outcomes).toEqual([null, 'BusyError', null]);
    expect(changedTables(before, await digest(world.data))).toEqual(['audit_log']);
    await held.release();
    expect((await bulk(client, DELETE, { ids, mode: 'ATOMIC' })).succeededCount).toBe(3);
    await hasty.stop();
  });

  it('a repeat that meets the work of its first request answers as that one', async () => {
    const { ids, machines } = await group(3);
    const input = { ids, mode: 'ATOMIC', idempotencyKey: 'met-its-first' };
    const { limits } = world.app.services.config;
    const config = { limits: { ...limits, lockWaitMs: 1 } };
    const hasty = await createTestApp({ data: world.data, clock, config });
    const client = hasty.withToken(await hasty.anonymous.login('ada', world.seed.password));
    const { coordination } = hasty.app.services;
    const lock = coordination.lock.bind(coordination);
    const held = await lock(`vm/${machines[0]?.uuid}`, { holder: 'somebody', waitMs: 0 });
    let first: BulkAnswer | undefined;
    // The first request comes to its end while this one waits for its lock in vain.
    const waiting: typeof lock = async (resource, request) => {
      first ??= await bulk(admin, DELETE, input);
      return lock(resource, request);
    };
    Object.assign(coordination, { lock: waiting });
    expect(await bulk(client, DELETE, input)).toEqual(first);
    expect(first?.succeededCount).toBe(3);
    await held.release();
    await hasty.stop();
  });

  it('counts what the ones before take: room for two does not start three', async () => {
    const small = await world.seed.cluster();
    const allocatable = { vcpus: 1, memoryMib: 65_536, storageGib: 0 };
    const node = await world.seed.node(small, { allocatable }); // two with the usual overcommit
    const { ids } = await group(3, mine, { clusterId: small.uuid });
    const answer = await bulk(admin, START, { ids, mode: 'ATOMIC' });
    expect(tally(answer)).toEqual({ NoSuitableNodeError: 1, none: 2 });
    const row = await world.data.db.node.findUniqueOrThrow({ where: { id: node.uuid } });
    expect(row.allocated).not.toMatchObject({ vcpus: 2 });
    expect(tally(await bulk(admin, START, { ids }))).toEqual({
      NoSuitableNodeError: 1,
      StartVirtualMachinePayload: 2,
    });
  });
});

describe('a plan of many', () => {
  const SNAPSHOT = 'bulkCreateVirtualMachineSnapshots';
  const STALE = { __typename: 'PlanStaleError', code: 'PLAN_STALE', path: ['planToken'] };
  const planOf = async (mutation: BulkMutation, input: object) => {
    const { planToken } = await bulk(admin, mutation, { ...input, dryRun: true });
    expect(planToken).toMatch(/^[\w-]{43}$/);
    return String(planToken);
  };

  it.each(['ATOMIC', 'BEST_EFFORT'])('%s is done exactly, or not at all', async (mode) => {
    const { ids, machines } = await group(3);
    const input = { ids, mode, set: { tier: 'planned' } };
    const planToken = await planOf(LABEL, input);
    expect(await planOf(LABEL, input)).toBe(planToken);
    const other = { ...input, set: { tier: 'other' }, planToken };
    expect(await bulk(admin, LABEL, other)).toMatchObject(STALE);
    await bulk(admin, LABEL, { ids: [ids[1]], set: { rack: 'r1' } });
    const before = await digest(world.data);
    expect(await bulk(admin, LABEL, { ...input, planToken })).toMatchObject(STALE);
    expect(changedTables(before, await digest(world.data))).toEqual(['audit_log']);
    const done = await bulk(admin, LABEL, { ...input, planToken: await planOf(LABEL, input) });
    expect(done).toMatchObject({ succeededCount: 3, dryRun: false, planToken: null });
    const where = { id: { in: machines.map(({ uuid }) => uuid) }, version: { gte: 2 } };
    expect(await world.data.db.virtualMachine.count({ where })).toBe(3);
  });

  it('shows what fits together, not what fits alone; what is refused is part of it', async () => {
    const small = await world.seed.cluster();
    const allocatable = { vcpus: 1, memoryMib: 65_536, storageGib: 0 };
    await world.seed.node(small, { allocatable }); // two with the usual overcommit
    const { ids, machines } = await group(3, mine, { clusterId: small.uuid });
    const before = await digest(world.data);
    const shown = await bulk(admin, START, { ids, dryRun: true });
    const both = { NoSuitableNodeError: 1, StartVirtualMachinePayload: 2 };
    expect(tally(shown)).toEqual(both);
    expect(changedTables(before, await digest(world.data))).toEqual([]);
    const input = { ids, planToken: shown.planToken, idempotencyKey: 'planned-start' };
    expect(tally(await bulk(admin, START, input))).toEqual(both);
    const tasks = { virtualMachineId: { in: machines.map(({ uuid }) => uuid) } };
    expect(await world.data.db.task.count({ where: tasks })).toBe(2);
    const again = await bulk(admin, START, input);
    expect(tally(again)).toEqual({ none: 1, StartVirtualMachinePayload: 2 });
    expect(await world.data.db.task.count({ where: tasks })).toBe(2);
  });

  it('goes on behind what the database itself refuses', async () => {
    const { ids, machines } = await group(3);
    await world.seed.snapshot(machines[1] as Made, { name: 'nightly' });
    const input = { ids, name: 'nightly' };
    const shown = await bulk(admin, SNAPSHOT, { ...input, dryRun: true });
    const kinds = { CreateVirtualMachineSnapshotPayload: 2, AlreadyExistsError: 1 };
    expect(tally(shown)).toEqual(kinds);
    const done = await bulk(admin, SNAPSHOT, { ...input, planToken: shown.planToken });
    expect(tally(done)).toEqual(kinds);
    const of = { virtualMachineId: { in: machines.map(({ uuid }) => uuid) } };
    expect(await world.data.db.vmSnapshot.count({ where: of })).toBe(3);
  });

  it('does not hold once the filter finds another', async () => {
    const { filter, machines } = await group(2);
    const planToken = await planOf(DELETE, { filter });
    await world.seed.vm(mine, { name: `${machines[0]?.name}9` });
    expect(await bulk(admin, DELETE, { filter, planToken })).toMatchObject(STALE);
  });
});

describe('a bulk call that is cut off', () => {
  const afterHints = (enough: number) => (go: () => void) => {
    let heard = 0;
    return world.app.services.hints.listen(({ type }) => {
      heard += type === 'VirtualMachine' ? 1 : 0;
      if (heard >= enough) go();
    });
  };
  const afterUpdates = (enough: number) => (go: () => void) => {
    let sent = 0;
    return world.data.onStatement((sql) => {
      sent += /^UPDATE .*virtual_machines/s.test(sql) ? 1 : 0;
      if (sent >= enough) go();
    });
  };

  it('by a client that goes is taken up by its repeat on another instance, and nothing is done twice', async () => {
    const { filter, machines } = await group(40, mine, { clusterId: cluster.uuid });
    const asked = { powerState: { eq: 'STOPPED' }, ...filter };
    const input = { filter: asked, idempotencyKey: 'cut-off-start' };
    await breakOff(admin, START, input, afterHints(12));
    const tasks = { virtualMachineId: { in: machines.map(({ uuid }) => uuid) } };
    const begun = await world.data.db.task.count({ where: tasks });
    expect(begun).toBeGreaterThanOrEqual(12);
    expect(begun).toBeLessThan(40);
    // Those that were done do not match any more; a newcomer does, and was not meant.
    const started = await world.data.db.task.findMany({ where: tasks });
    const done = { id: { in: started.map((task) => task.resourceId) } };
    await world.data.db.virtualMachine.updateMany({ where: done, data: { powerState: 'RUNNING' } });
    await world.seed.vm(mine, { name: `${machines[0]?.name}9`, clusterId: cluster.uuid });

    const other = await createTestApp({ data: world.data, clock });
    const again = other.withToken(await other.anonymous.login('ada', world.seed.password));
    const answer = await bulk(again, START, input);
    await other.stop();
    expect(tally(answer)).toEqual({ StartVirtualMachinePayload: 40 });
    for (const { outcome } of answer.results)
      expect(outcome).toMatchObject({ task: { operation: 'START' } });
    expect(await world.data.db.task.count({ where: tasks })).toBe(40);
  });

  it('reports what is gone by now as done', async () => {
    const { filter, ids } = await group(40);
    const input = { filter, idempotencyKey: 'cut-off-delete' };
    await breakOff(admin, DELETE, input, afterHints(12));
    const answer = await bulk(admin, DELETE, input);
    expect(tally(answer)).toEqual({ DeleteVirtualMachinePayload: 40 });
    expect(answer.results.map(({ outcome }) => outcome?.deletedVirtualMachineId).sort()).toEqual(
      [...ids].sort(),
    );
    const entries = { action: 'virtualMachine.delete', status: 'SUCCEEDED' as const };
    const rows = await world.data.db.auditEntry.findMany({ where: entries });
    expect(rows.filter((row) => row.resourceName.startsWith(filter.name.startsWith))).toHaveLength(
      40,
    );
  });

  it('has done nothing when it was all or none', async () => {
    const { ids } = await group(40);
    const input = { ids, mode: 'ATOMIC', set: { tier: 'web' }, idempotencyKey: 'cut-off-all' };
    const before = await digest(world.data);
    await breakOff(admin, LABEL, input, afterUpdates(12));
    await until('what is left of it is its entry', async () =>
      isDeepStrictEqual(changedTables(before, await digest(world.data)), ['audit_log']),
    );
    expect((await bulk(admin, LABEL, input)).succeededCount).toBe(40);
  });
});

describe('when the time is over', () => {
  /** Each change takes seven seconds of the thirty that a request has; the later ones are not begun any more. */
  async function slowly<T>(work: () => Promise<T>): Promise<T> {
    const stop = world.app.services.hints.listen(() => clock.advance(7_000));
    try {
      return await work();
    } finally {
      stop();
    }
  }

  it('says what was done and what is left, and goes on behind its cursor', async () => {
    const { filter, machines } = await group(40);
    const answers: BulkAnswer[] = [];
    for (let after: string | null = null; ; after = answers.at(-1)?.endCursor ?? null) {
      answers.push(
        await slowly(() =>
          bulk(admin, LABEL, { filter, after, set: { round: `${answers.length}` } }),
        ),
      );
      if (answers.at(-1)?.remainingCount === 0) break;
    }
    expect(answers.length).toBeGreaterThan(1);
    const [first] = answers as [BulkAnswer];
    expect(first.succeededCount).toBeGreaterThan(0);
    expect(first.remainingCount).toBe(40 - first.succeededCount);
    expect(first.results.slice(first.succeededCount).every((r) => r.outcome === null)).toBe(true);
    expect(answers.reduce((sum, answer) => sum + answer.succeededCount, 0)).toBe(40);
    const versions = await world.data.db.virtualMachine.findMany({
      where: { id: { in: machines.map(({ uuid }) => uuid) } },
      select: { version: true },
    });
    expect(versions).toEqual(Array(40).fill({ version: 2 }));
  });

  it('the same call with its key goes on, too, and tells of all', async () => {
    const { ids } = await group(40);
    const input = { ids, set: { tier: 'web' }, idempotencyKey: 'slow' };
    const first = await slowly(() => bulk(admin, LABEL, input));
    expect(first.remainingCount).toBeGreaterThan(0);
    let last = first;
    while (last.remainingCount > 0) {
      const next = await slowly(() => bulk(admin, LABEL, input));
      expect(next.succeededCount).toBeGreaterThan(last.succeededCount);
      last = next;
    }
    expect(tally(last)).toEqual({ LabelVirtualMachinePayload: 40 });
  });
});

describe('a dry run', () => {
  it.each(['ATOMIC', 'BEST_EFFORT'])('%s writes nothing and shows what would be', async (mode) => {
    const { ids } = await group(3, mine, { clusterId: cluster.uuid });
    const before = await digest(world.data);
    const answer = await bulk(admin, START, { ids, mode, dryRun: true, idempotencyKey: mode });
    expect(answer.dryRun).toBe(true);
    for (const { id, outcome } of answer.results) {
      const virtualMachine = { id, desiredState: 'RUNNING' };
      expect(outcome).toMatchObject({ dryRun: true, virtualMachine, task: { operation: 'START' } });
    }
    expect(changedTables(before, await digest(world.data))).toEqual([]);
  });

  it.each(['ATOMIC', 'BEST_EFFORT'])('%s leaves no trace of what it refuses', async (mode) => {
    const { ids } = await group(1, mine, { deletionProtected: true });
    const before = await digest(world.data);
    const answer = await bulk(admin, DELETE, { ids, mode, dryRun: true });
    expect(tally(answer)).toEqual({ ProtectedError: 1 });
    expect(changedTables(before, await digest(world.data))).toEqual([]);
  });
});

describe('a call that is wrong as a whole', () => {
  const id = encodeGlobalId('VirtualMachine', newId());
  const some = { name: { eq: 'x' } };
  const deep = { not: { not: { not: { not: { not: { name: { eq: 'x' } } } } } } };
  const set = { tier: 'web' };
  it.each([
    ['neither ids nor filter', {}, ['ids']],
    ['both', { ids: [id], filter: some }, ['filter']],
    ['no ids', { ids: [] }, ['ids']],
    ['too many ids', { ids: Array(1001).fill(id) }, ['ids']],
    ['the id of something else', { ids: [id, encodeGlobalId('Task', newId())] }, ['ids', '1']],
    ['what is no id', { ids: ['ä'] }, ['ids', '0']],
    ['a filter that means everything', { filter: {} }, ['filter']],
    ['one that does so in more words', { filter: { and: [{ name: {} }] } }, ['filter']],
    ['one that is nested too deep', { filter: deep }, expect.arrayContaining(['filter', 'not'])],
    ['a cursor with ids', { ids: [id], after: id }, ['after']],
    ['a cursor that is none', { filter: some, after: 'there' }, ['after']],
    ['a label that is none', { ids: [id], set: { 'not a key': 'x' } }, ['set', 'not a key']],
    ['a label that is set and removed', { ids: [id], remove: ['tier'] }, ['remove', '0']],
    ['a key that is none', { ids: [id], idempotencyKey: 'a b' }, ['idempotencyKey']],
  ])('with %s is refused', async (_what, input, path) => {
    for (const mode of ['ATOMIC', 'BEST_EFFORT']) {
      const answer = await bulk(admin, LABEL, { set, mode, ...input });
      expect(answer).toMatchObject({ __typename: 'ValidationError', path });
    }
  });

  it('with the key of another call is refused', async () => {
    const { ids } = await group(2);
    const labels = (which: readonly string[], mode: string) =>
      bulk(admin, LABEL, { ids: which, set, mode, idempotencyKey: 'taken' });
    expect((await labels(ids, 'BEST_EFFORT')).succeededCount).toBe(2);
    for (const mode of ['BEST_EFFORT', 'ATOMIC'])
      expect(await labels(ids.slice(1), mode)).toMatchObject({ code: 'IDEMPOTENCY_MISMATCH' });
  });

  it('by nobody is refused', async () => {
    const { errors } = await tryBulk(world.anonymous, DELETE, { ids: [id] });
    expect(errors.map((e) => e.extensions.code)).toEqual(['UNAUTHENTICATED']);
  });
});

it('what the answers hold counts for each object', async () => {
  const ask = (input: object, first: number) => {
    const volumes = `virtualMachine { volumes(first: ${first}) { nodes { id } } }`;
    return admin.answer(bulkDocument(LABEL as BulkMutation, volumes), { input });
  };
  const { filter, ids } = await group(1);
  const set = { tier: 'web' };
  const codes = async (input: object, first: number) =>
    (await ask({ set, ...input }, first)).errors.map((e) => e.extensions.code);
  expect(await codes({ filter }, 100)).toEqual(['QUERY_TOO_LARGE']);
  expect(await codes({ filter }, 10)).toEqual([]);
  expect(await codes({ ids }, 100)).toEqual([]);
});

describe('labels of one machine', () => {
  const label = async (vm: Made, input: object) => {
    const document = `mutation($input: LabelVirtualMachineInput!) { answer: labelVirtualMachine(input: $input) {
      __typename ... on UserError { code path } ... on LabelVirtualMachinePayload { virtualMachine { labels version } }
    } }`;
    const { data } = await admin.answer<{ answer: object }, unknown>(document, {
      input: { id: vm.id, ...input },
    });
    return data?.answer;
  };
  const many = (size: number) =>
    Object.fromEntries(Array.from({ length: size }, (_, i) => [`k${i}`, 'v']));

  it('are set and removed one by one; the others stay', async () => {
    const vm = await world.seed.vm(mine, { labels: { a: '1', b: '2', c: '3' } });
    const answer = await label(vm, { set: { a: '9', d: '4' }, remove: ['b', 'never'] });
    expect(answer).toMatchObject({
      virtualMachine: { labels: { a: '9', c: '3', d: '4' }, version: 2 },
    });
  });

  it('that are so already change nothing', async () => {
    const vm = await world.seed.vm(mine, { labels: { a: '1' } });
    const answer = await label(vm, { set: { a: '1' }, remove: ['b'] });
    expect(answer).toMatchObject({ virtualMachine: { labels: { a: '1' }, version: 1 } });
  });

  it('are fifty at most, whatever is set at once', async () => {
    const vm = await world.seed.vm(mine, { labels: many(50) });
    expect(await label(vm, { set: { more: 'v' } })).toMatchObject({ path: ['set'] });
    const swap = await label(vm, { set: { more: 'v' }, remove: ['k0'] });
    expect(swap).toMatchObject({ __typename: 'LabelVirtualMachinePayload' });
    expect(await label(vm, { set: many(51) })).toMatchObject({ path: ['set'] });
  });

  it.each([
    ['nothing', {}, ['set']],
    ['a text', { set: 'tier=web' }, ['set']],
    ['a value that is no text', { set: { a: 1 } }, ['set', 'a']],
    ['too long a value', { set: { a: 'x'.repeat(256) } }, ['set', 'a']],
    ['too many keys to remove', { remove: Object.keys(many(51)) }, ['remove']],
  ])('are refused with %s', async (_what, input, path) => {
    const vm = await world.seed.vm(mine);
    expect(await label(vm, input)).toMatchObject({ code: 'VALIDATION', path });
  });
});
