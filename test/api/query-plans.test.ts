/** What is done again is not planned again: Prisma's planner keeps everybody waiting, and the plans of some kinds of queries are not kept. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../support/app.js';
import { createStage, MUTATIONS, mutate, type Stage, sampleOf } from '../support/mutations.js';
import { plannedBy } from '../support/plans.js';

/** Rows of any number that few commands write, a list that is a value, conditions within JSON: planned each time, as Prisma does with these. */
const EACH_TIME = [
  'Alert.createManyAndReturn',
  'InterfaceSecurityGroup.createMany',
  'SecurityRule.createManyAndReturn',
  'StoragePool.updateManyAndReturn',
  'VmSecurityGroup.createMany',
  'Volume.aggregate',
];

let world: TestApp;
let stage: Stage;
beforeAll(async () => {
  world = await createTestApp();
  stage = await createStage(world);
});
afterAll(() => world.stop());

it.each(MUTATIONS)('%s', async (mutation) => {
  let planned: string[] = [];
  // Twice for what differs between the first time and all others: an object's first change, a caller who is known by now.
  for (const time of ['first', 'second', 'third']) {
    const { client, input } = await sampleOf(mutation, stage);
    const idempotencyKey = `${mutation}-${time}`;
    planned = await plannedBy(() => mutate(client, mutation, { ...input, idempotencyKey }));
  }
  expect(planned.filter((query) => !EACH_TIME.includes(query))).toEqual([]);
});

it('so many objects as there may be, in one transaction', async () => {
  const label = async (count: number): Promise<string[]> => {
    const machines = await world.seed.vms(stage.project, count);
    const input = { ids: machines.map(({ id }) => id), set: { tier: 'gold' }, mode: 'ATOMIC' };
    return plannedBy(() => mutate(stage.admin, 'bulkLabelVirtualMachines', input));
  };
  await label(3);
  expect(await label(4)).toEqual([]);
});

it('what was never asked is', async () => {
  const ask = () => world.data.db.cluster.findFirst({ where: { name: 'x', description: 'y' } });
  expect(await plannedBy(ask)).toEqual(['Cluster.findFirst']);
  expect(await plannedBy(ask)).toEqual([]);
});
