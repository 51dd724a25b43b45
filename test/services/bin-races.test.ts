/** Races about machines in the bin, on PostgreSQL, between two instances: whoever wins, the other hears of it and the figures hold. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Data } from '../../src/data/client.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { mutate } from '../support/mutations.js';
import type { Made } from '../support/seed.js';
import { openPatientData, recount } from './crowd.js';

let data: Data;
let apps: TestApp[];
let clients: Client[];
let project: Made;

beforeAll(async () => {
  data = await openPatientData('postgres');
  const config = { deletion: { retentionMs: 3_600_000 } };
  apps = [await createTestApp({ data, config }), await createTestApp({ data, config })];
  const { seed } = apps[0] ?? expect.fail();
  await seed.user('ADMIN', { username: 'ada' });
  clients = await Promise.all(apps.map((app) => app.signIn('ada')));
  const cluster = await seed.cluster();
  await seed.node(cluster);
  project = await seed.project();
});
afterAll(async () => {
  await Promise.all(apps.map((app) => app.stop()));
  await data.close();
});

const ROUNDS = 8;
const client = (i: number): Client => clients[i % clients.length] ?? expect.fail();
const seed = () => apps[0]?.seed ?? expect.fail();
const rowOf = (vm: Made) => data.db.virtualMachine.findUnique({ where: { id: vm.uuid } });
const restore = (vm: Made, i: number) => mutate(client(i), 'restoreVirtualMachine', { id: vm.id });
const purge = (vm: Made, i: number) => mutate(client(i), 'purgeVirtualMachine', { id: vm.id });
const remove = (vm: Made, i: number) => mutate(client(i), 'deleteVirtualMachine', { id: vm.id });
const create = (name: string, i: number) =>
  mutate(client(i), 'createVirtualMachine', {
    projectId: project.id,
    name,
    spec: { cpu: { cores: 1 }, memory: { sizeMib: 1024 } },
  });
const binned = async (): Promise<Made> => {
  const vm = await seed().vm(project);
  expect(await remove(vm, 0)).toMatchObject({ deletedVirtualMachineId: vm.id });
  return vm;
};
async function expectCounted() {
  const { counted, kept } = await recount(data);
  expect(kept).toEqual(counted);
}
const wins = (answers: readonly { __typename: string }[]) =>
  answers.map(({ __typename }) => __typename).filter((name) => name.endsWith('Payload'));

describe('a machine in the bin', () => {
  it('is restored or purged, and the other one does not find it', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const vm = await binned();
      const answers = await Promise.all([restore(vm, round), purge(vm, round + 1)]);
      const [winner, ...more] = wins(answers);
      expect(more).toEqual([]);
      const loser = answers.find(({ __typename }) => __typename !== winner);
      expect(loser).toMatchObject({ __typename: 'NotFoundError' });
      const row = await rowOf(vm);
      expect(winner).toBe(row ? 'RestoreVirtualMachinePayload' : 'PurgeVirtualMachinePayload');
    }
    await expectCounted();
  });

  it('that many restore at once is counted once', async () => {
    const vm = await binned();
    const answers = await Promise.all([0, 1, 2, 3, 4, 5].map((i) => restore(vm, i)));
    expect(wins(answers)).toHaveLength(1);
    expect(await rowOf(vm)).toMatchObject({ deletedAt: null });
    await expectCounted();
  });

  it('that many delete at once gives its quota back once', async () => {
    const vm = await seed().vm(project);
    const answers = await Promise.all([0, 1, 2, 3].map((i) => remove(vm, i)));
    expect(wins(answers)).toHaveLength(1);
    await expectCounted();
  });
});

describe('a name', () => {
  it('that is created while its old owner is restored or purged has one owner in the end', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const vm = await binned();
      const answers = await Promise.all([
        create(vm.name, round),
        restore(vm, round + 1),
        purge(vm, round),
      ]);
      for (const { __typename } of answers)
        expect(__typename).toMatch(/Payload$|^(AlreadyExists|NotFound|Conflict)Error$/);
      const owners = await data.db.virtualMachine.count({
        where: { projectId: project.uuid, name: vm.name, deletedAt: null },
      });
      const [created, restored] = answers.map(({ __typename }) => wins([{ __typename }]).length);
      expect(owners).toBe((created ?? 0) + (restored ?? 0));
      expect(owners).toBeLessThanOrEqual(1);
    }
    await expectCounted();
  });

  it('that is created while its owner is deleted is free or taken, without anybody waiting for ever', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const vm = await seed().vm(project);
      const [removed, created] = await Promise.all([remove(vm, round), create(vm.name, round + 1)]);
      expect(removed).toMatchObject({ deletedVirtualMachineId: vm.id });
      expect(created?.__typename).toMatch(/Payload$|^AlreadyExistsError$/);
    }
    await expectCounted();
  });
});
