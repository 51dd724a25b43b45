/** Bulk operations at their full size, on both databases: five hundred machines in one call, some of them in the wrong state. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Data } from '../../src/data/client.js';
import type { TestApp } from '../support/app.js';
import { bulk, tally } from '../support/bulk.js';
import type { Client } from '../support/client.js';
import { changedTables, digest } from '../support/digest.js';
import type { Made } from '../support/seed.js';
import { createCrowdApp, openPatientData, recount } from './crowd.js';

/** How many machines, and how many of them in the wrong state; the embedded database is ten times slower. */
const SIZES = [
  ['postgres', 500, 37],
  ['memory', 40, 3],
] as const;
const REFUSAL = 'InvalidStateError';
const DONE = 'StartVirtualMachinePayload';
const START = 'bulkStartVirtualMachines';

describe.each(SIZES)('on %s, of %i machines of which %i are paused', (on, COUNT, WRONG) => {
  const RIGHT = COUNT - WRONG;
  let data: Data;
  let world: TestApp;
  let admin: Client;
  let project: Made;
  let machines: Made[];
  let cluster: Made;
  const isWrong = (index: number) => index % 13 === 0 && index / 13 < WRONG;

  beforeAll(async () => {
    data = await openPatientData(on);
    world = await createCrowdApp(data);
    await world.seed.user('ADMIN', { username: 'ada' });
    admin = await world.signIn('ada');
    project = await world.seed.project();
    cluster = await world.seed.cluster();
    const allocatable = { vcpus: 400, memoryMib: 400 * 1024, storageGib: 0 };
    const node = await world.seed.node(cluster, { allocatable });
    await world.seed.node(cluster, { allocatable });
    machines = await world.seed.vms(project, COUNT, (index) => ({
      clusterId: cluster.uuid,
      ...(isWrong(index)
        ? { powerState: 'PAUSED', desiredState: 'PAUSED', nodeId: node.uuid, capacityClaimed: true }
        : {}),
    }));
  });
  afterAll(async () => {
    await world.stop();
    await data.close();
  });

  const ids = () => machines.map(({ id }) => id);
  const wrongIds = () => ids().filter((_, index) => isWrong(index));

  it('an atomic start is refused for those, and nothing is changed', async () => {
    const before = await digest(data);
    const entries = await data.db.auditEntry.count();
    const answer = await bulk(admin, START, { ids: ids(), mode: 'ATOMIC' });
    expect(tally(answer)).toEqual({ [REFUSAL]: WRONG, none: RIGHT });
    expect(answer).toMatchObject({
      succeededCount: 0,
      failedCount: WRONG,
      remainingCount: RIGHT,
    });
    expect(answer.results.filter(({ outcome }) => outcome).map(({ id }) => id)).toEqual(wrongIds());
    expect(changedTables(before, await digest(data))).toEqual(['audit_log']);
    expect((await data.db.auditEntry.count()) - entries).toBe(WRONG);
  });

  it('the others are started and those refused, each with its own typed answer, in the order that was asked', async () => {
    const statements = await world.statementsOf(async () => {
      const input = { ids: ids(), idempotencyKey: 'start-all' };
      const answer = await bulk(admin, START, input);
      expect(tally(answer)).toEqual({ [DONE]: RIGHT, [REFUSAL]: WRONG });
      expect(answer).toMatchObject({ succeededCount: RIGHT, failedCount: WRONG });
      expect(answer.remainingCount).toBe(0);
      expect(answer.results.map(({ id }) => id)).toEqual(ids());
      for (const [index, { id, outcome }] of answer.results.entries()) {
        const { name } = machines[index] as Made;
        expect(outcome).toMatchObject(
          isWrong(index)
            ? { code: 'INVALID_STATE' }
            : {
                virtualMachine: { id, name, desiredState: 'RUNNING' },
                task: { operation: 'START' },
              },
        );
      }
    });
    // What the answers show is read at the end, all of it at once: two statements that name them all.
    expect(statements.length).toBeLessThan(COUNT * 15);
    const naming = statements.filter((sql) => /^SELECT/.test(sql) && sql.includes(`$${RIGHT}`));
    expect(naming).toHaveLength(2);
    expect(await data.db.task.count({ where: { projectId: project.uuid } })).toBe(RIGHT);
    const { counted, kept } = await recount(data);
    expect(kept).toEqual(counted);
  });

  it('the same call again, with its key, answers the same and starts nothing twice', async () => {
    const before = await digest(data);
    const input = { ids: ids(), idempotencyKey: 'start-all' };
    const answer = await bulk(admin, START, input);
    expect(tally(answer)).toEqual({ [DONE]: RIGHT, [REFUSAL]: WRONG });
    expect(changedTables(before, await digest(data))).toEqual(['audit_log']); // those were tried again
  });

  it('two callers with one key at the same moment start each machine once', async () => {
    const twins = await world.seed.vms(project, 40, () => ({ clusterId: cluster.uuid }));
    const input = { ids: twins.map(({ id }) => id), idempotencyKey: 'twins' };
    const answers = await Promise.all([bulk(admin, START, input), bulk(admin, START, input)]);
    for (const answer of answers) expect(tally(answer)).toEqual({ [DONE]: 40 });
    expect(answers[0]).toEqual(answers[1]);
    const started = { virtualMachineId: { in: twins.map(({ uuid }) => uuid) } };
    expect(await data.db.task.count({ where: started })).toBe(40);
  });

  it('atomic calls about the same machines, in opposite order, wait for each other: one does it all', async () => {
    const some = await world.seed.vms(project, 40, () => ({ clusterId: cluster.uuid }));
    const forth = some.map(({ id }) => id);
    const [one, other] = await Promise.all(
      [forth, forth.toReversed()].map((each) => bulk(admin, START, { ids: each, mode: 'ATOMIC' })),
    );
    const tallies = [one, other].map((answer) => answer && tally(answer));
    expect(tallies).toContainEqual({ [DONE]: 40 });
    expect(tallies).toContainEqual({ BusyError: 40 });
    const { counted, kept } = await recount(data);
    expect(kept).toEqual(counted);
  });
});
