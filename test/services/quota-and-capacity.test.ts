/** Many callers, little room: quotas and node capacity are never passed, and nobody is refused while there is some left. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Data } from '../../src/data/client.js';
import { claimCapacity } from '../../src/modules/node/capacity.js';
import { freeCapacity } from '../../src/modules/node/rules.js';
import { claimQuota } from '../../src/modules/project/quota.js';
import type { TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { type MutationAnswer, mutate } from '../support/mutations.js';
import { operate } from '../support/operations.js';
import type { Made } from '../support/seed.js';
import { ADAPTERS, createCrowdApp, openPatientData, recount } from './crowd.js';

const times = <T>(count: number, work: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, i) => work(i)));
const named = (answers: readonly { __typename: string }[], type: string) =>
  answers.filter((answer) => answer.__typename === type);

describe.each(ADAPTERS)('on %s', (on) => {
  let data: Data;
  let world: TestApp;
  let admin: Client;
  let cluster: Made;
  beforeAll(async () => {
    data = await openPatientData(on);
    world = await createCrowdApp(data);
    await world.seed.user('ADMIN', { username: 'ada' });
    admin = await world.signIn('ada');
    cluster = await world.seed.cluster();
    await world.seed.node(cluster);
  });
  afterAll(async () => {
    await world.stop();
    await data.close();
  });

  const create = (project: Made, name: string, cores = 1, sizeMib = 256): Promise<MutationAnswer> =>
    mutate(admin, 'createVirtualMachine', {
      projectId: project.id,
      name,
      spec: { cpu: { cores }, memory: { sizeMib } },
    });
  const counted = async () => {
    const { counted, kept } = await recount(data);
    expect(kept).toEqual(counted);
  };

  it('200 creations at once fill a quota of 10 machines exactly, and the other 190 hear its figures', async () => {
    const project = await world.seed.project({ quota: { virtualMachines: 10 } });
    const answers = await times(200, (i) => create(project, `vm-${i}`));
    expect(named(answers, 'CreateVirtualMachinePayload')).toHaveLength(10);
    const refused = named(answers, 'QuotaExceededError');
    expect(refused).toHaveLength(190);
    // Nobody was refused while there was room: each of them saw all ten taken.
    for (const answer of refused) {
      expect(answer).toMatchObject({
        code: 'QUOTA_EXCEEDED',
        resource: 'virtualMachines',
        limit: 10,
        used: 10,
        requested: 1,
      });
    }
    expect(await data.db.virtualMachine.count({ where: { projectId: project.uuid } })).toBe(10);
    await counted();
  });

  it('each resource has its own limit, and the first that is short is named', async () => {
    const quota = { virtualMachines: 100, vcpus: 7, memoryMib: 4096 };
    const project = await world.seed.project({ quota });
    const wide = await times(12, (i) => create(project, `wide-${i}`, 2));
    expect(named(wide, 'CreateVirtualMachinePayload')).toHaveLength(3);
    for (const answer of named(wide, 'QuotaExceededError')) {
      expect(answer).toMatchObject({ resource: 'vcpus', limit: 7, used: 6, requested: 2 });
    }
    // What is too large for the rest does not keep a smaller one out.
    expect(await create(project, 'narrow', 1, 3_328)).toMatchObject({ dryRun: false });
    await data.db.project.update({
      where: { id: project.uuid },
      data: { quota: { memoryMib: 4096 } },
    });
    expect(await create(project, 'deep', 1, 512)).toMatchObject({
      resource: 'memoryMib',
      limit: 4096,
      used: 4096,
      requested: 512,
    });
    await counted();
  });

  it('a project without a quota is refused what its counters cannot count, and told so', async () => {
    const nearlyFull = { usedMemoryMib: 2 ** 31 - 1 - 300 };
    const project = await world.seed.project(nearlyFull);
    expect(await create(project, 'too-much', 1, 512)).toMatchObject({
      __typename: 'QuotaExceededError',
      resource: 'memoryMib',
      limit: 2 ** 31 - 1,
      used: nearlyFull.usedMemoryMib,
      requested: 512,
    });
    expect(await create(project, 'fits')).toMatchObject({ dryRun: false });
    const wanted = data.transaction((tx) =>
      claimQuota(tx, project.uuid, { storageGib: 2 ** 33, volumes: 1 }),
    );
    await expect(wanted).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED', resource: 'storageGib' });
    await data.db.project.update({ where: { id: project.uuid }, data: { usedMemoryMib: 256 } });
    await counted();
  });

  it('what is deleted can be used again at once, also while others create', async () => {
    const project = await world.seed.project({ quota: { virtualMachines: 10 } });
    const first = await times(10, (i) => create(project, `old-${i}`));
    const ids = first.map((answer) => (answer.virtualMachine as { id: string }).id);
    const [deleted, created] = await Promise.all([
      times(10, (i) => operate(admin, 'DELETE', ids[i] ?? '')),
      times(30, (i) => create(project, `new-${i}`)),
    ]);
    expect(named(deleted, 'DeleteVirtualMachinePayload')).toHaveLength(10);
    const room = 10 - named(created, 'CreateVirtualMachinePayload').length;
    expect(room).toBeGreaterThanOrEqual(0);
    const rest = await times(room + 5, (i) => create(project, `rest-${i}`));
    expect(named(rest, 'CreateVirtualMachinePayload')).toHaveLength(room);
    expect(await data.db.virtualMachine.count({ where: { projectId: project.uuid } })).toBe(10);
    await counted();
  });

  it('50 machines start at once where one fits: one does, and 49 hear why not', async () => {
    const narrow = await world.seed.cluster();
    const node = await world.seed.node(narrow, {
      allocatable: { vcpus: 1, memoryMib: 4096, storageGib: 10 },
    });
    const project = await world.seed.project();
    const vms = await times(50, () => world.seed.vm(project, { cluster: narrow }));
    const answers = await Promise.all(vms.map((vm) => operate(admin, 'START', vm.id)));
    expect(named(answers, 'StartVirtualMachinePayload')).toHaveLength(1);
    const refused = answers.filter((a) => a.__typename === 'NoSuitableNodeError');
    expect(refused).toHaveLength(49);
    for (const { verdicts } of refused) {
      expect(verdicts).toMatchObject([{ nodeId: node.id, hostname: node.name, fits: false }]);
      expect(verdicts?.[0]?.reasons.join()).toMatch(/0 of 1 vCPUs free|was taken meanwhile/);
    }
    const row = await data.db.node.findUniqueOrThrow({ where: { id: node.uuid } });
    expect(row.allocated).toEqual({ vcpus: 1, memoryMib: 1024, storageGib: 0 });
    const where = { projectId: project.uuid };
    expect(await data.db.task.count({ where })).toBe(1);
    expect(await data.db.virtualMachine.count({ where: { ...where, generation: 1 } })).toBe(49);
    await counted();
  });

  it('machines that start at once are spread over the nodes that have room, none too many', async () => {
    const wide = await world.seed.cluster();
    for (const vcpus of [3, 4, 5]) {
      await world.seed.node(wide, { allocatable: { vcpus, memoryMib: 65_536, storageGib: 0 } });
    }
    const project = await world.seed.project();
    const vms = await times(20, () => world.seed.vm(project, { cluster: wide }));
    const answers = await Promise.all(vms.map((vm) => operate(admin, 'START', vm.id)));
    expect(named(answers, 'StartVirtualMachinePayload')).toHaveLength(12);
    const rows = await data.db.node.findMany({ where: { clusterId: wide.uuid } });
    for (const row of rows) {
      expect((row.allocated as { vcpus: number }).vcpus).toBe(
        (row.allocatable as { vcpus: number }).vcpus,
      );
    }
    await counted();
  });

  it('a machine is started once, however many ask', async () => {
    const project = await world.seed.project();
    const vm = await world.seed.vm(project, { cluster });
    const answers = await times(20, () => operate(admin, 'START', vm.id));
    expect(named(answers, 'StartVirtualMachinePayload')).toHaveLength(1);
    const [task] = await data.db.task.findMany({ where: { resourceId: vm.uuid } });
    const busy = answers.filter((a) => a.__typename === 'BusyError');
    expect(busy).toHaveLength(19);
    expect(new Set(busy.map((a) => a.operation))).toEqual(new Set([task?.operation]));
    await counted();
  });

  it('the claim in SQL and the rule that ranks nodes agree on what fits, to the last unit', async () => {
    const node = await world.seed.node(cluster);
    for (const [vcpus, cpu] of [
      [100, 1.15],
      [7, 0.3],
      [64, 2],
      [3, 1.5],
      [10, 1.1],
      [33, 0.1],
    ] as const) {
      const allocatable = { vcpus, memoryMib: 1_000_000, storageGib: 0 };
      const none = { vcpus: 0, memoryMib: 0, storageGib: 0 };
      const overcommit = { cpu, memory: 1 };
      const free = freeCapacity(allocatable, none, overcommit);
      const fits = async (wanted: number): Promise<boolean> => {
        await data.db.node.update({
          where: { id: node.uuid },
          data: { allocatable, allocated: none },
        });
        const claim = { vcpus: wanted, memoryMib: 1, storageGib: 0 };
        return data.transaction((tx) => claimCapacity(tx, node.uuid, claim, overcommit));
      };
      expect([vcpus, cpu, await fits(free.vcpus)]).toEqual([vcpus, cpu, true]);
      expect([vcpus, cpu, await fits(free.vcpus + 1)]).toEqual([vcpus, cpu, false]);
    }
    await data.db.node.delete({ where: { id: node.uuid } });
  });
});
