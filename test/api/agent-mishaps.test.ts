/**
 * Everything that agents do, all at once, while their messages are lost, doubled or late, or they are killed: each operation ends,
 * what is and what should be agree in the end, and every sum fits.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TaskOperation } from '../../src/gen/client/enums.js';
import { changedTables, digest } from '../support/digest.js';
import { violations } from '../support/invariants.js';
import { createMachineSite, type MachineSite, type Place } from '../support/machine-site.js';
import type { Made } from '../support/seed.js';
import { uuidOf } from '../support/storage-site.js';
import type { TestAgent } from '../support/test-agent.js';

let site: MachineSite;
let place: Place;
let pool: Made;
let image: Made;
beforeAll(async () => {
  site = await createMachineSite();
});
beforeEach(async () => {
  place = await site.place();
  const assignedNodeIds = [place.a.uuid, place.b.uuid];
  pool = await site.world.seed.pool({ assignedNodeIds });
  image = await site.world.seed.image({ poolId: pool.uuid, projectId: site.project.uuid });
});
afterAll(() => site.world.stop());

let count = 0;
const fresh = () => `thing-${++count}`;
const HOT = { cpu: { cores: 1 }, memory: { sizeMib: 1024 }, hotAdd: true };
const off = () => site.machine(place, { spec: HOT });
/** Machines that run already: starting each by itself would take most of the time. */
let running: Made[] = [];
const on = async () => running.pop() ?? off();
const volume = () => site.world.seed.claimedVolume(site.project, pool);
const within = () => ({ projectId: site.project.id, poolId: pool.id, name: fresh() });

async function withDisk(): Promise<Made> {
  const vm = await off();
  const disk = { name: 'root', volumeId: (await volume()).id };
  await site.done('attachVolume', { virtualMachineId: vm.id, disk });
  return vm;
}
async function snapshot(): Promise<{ virtualMachineId: string; id: string }> {
  const vm = await off();
  const { db } = site.world.data;
  const { id } = await site.world.seed.snapshot(vm);
  await db.project.update({ where: { id: site.project.uuid }, data: { usedSnapshots: { increment: 1 } } }); // biome-ignore format: one call
  return { virtualMachineId: vm.id, id };
}
const powered = (from: () => Promise<Made>, mutation: string, more: object = {}) => ({
  prepare: async () => ({ id: (await from()).id, ...more }),
  mutation,
});
const about = (mutation: string, prepare: () => Promise<object>) => ({ prepare, mutation });

/** What is there before, and the call that begins the operation. An operation of agents that is missing here does not compile. */
const BEGIN: Record<TaskOperation, { prepare: () => Promise<object>; mutation: string }> = {
  START: powered(off, 'startVirtualMachine'),
  STOP: powered(on, 'stopVirtualMachine'),
  REBOOT: powered(on, 'rebootVirtualMachine'),
  RESET: powered(on, 'resetVirtualMachine'),
  PAUSE: powered(on, 'pauseVirtualMachine'),
  SUSPEND: powered(on, 'suspendVirtualMachine'),
  RESUME: powered(async () => {
    const vm = await on();
    await site.done('pauseVirtualMachine', { id: vm.id });
    return vm;
  }, 'resumeVirtualMachine'),
  DELETE: powered(on, 'deleteVirtualMachine', { force: true, permanently: true }),
  MIGRATE: powered(on, 'migrateVirtualMachine'),
  RESIZE: powered(on, 'resizeVirtualMachine', { cpu: { cores: 2 } }),
  RECONFIGURE: about('attachVolume', async () => ({
    virtualMachineId: (await on()).id,
    disk: { name: 'data', volumeId: (await volume()).id },
  })),
  PROVISION: about('createVirtualMachine', async () => ({
    projectId: site.project.id,
    name: fresh(),
    spec: { ...HOT, placement: { clusterId: place.cluster.id } },
    newDisks: [{ name: 'root', storagePoolId: pool.id, source: { imageId: image.id } }],
    startOnCreate: true,
  })),
  CLONE: about('cloneVirtualMachine', async () => ({ id: (await withDisk()).id, name: fresh() })),
  PROMOTE: about('promoteVirtualMachine', async () => {
    const vm = await site.world.seed.linkedVm(site.project, pool);
    await site.world.data.db.project.update({ where: { id: site.project.uuid }, data: { usedSnapshots: { increment: 1 } } }); // biome-ignore format: one call
    return { id: vm.id };
  }),
  CREATE_SNAPSHOT: about('createVirtualMachineSnapshot', async () => ({
    virtualMachineId: (await withDisk()).id,
    name: fresh(),
  })),
  REVERT_SNAPSHOT: about('revertVirtualMachineSnapshot', snapshot),
  DELETE_SNAPSHOT: about('deleteVirtualMachineSnapshot', snapshot),
  CREATE_VOLUME: about('createVolume', async () => ({ ...within(), sizeGib: 10 })),
  GROW_VOLUME: about('growVolume', async () => ({ id: (await volume()).id, sizeGib: 20 })),
  DELETE_VOLUME: about('deleteVolume', async () => ({ id: (await volume()).id })),
  IMPORT_IMAGE: about('registerImage', async () => ({
    ...within(),
    sourceUrl: 'https://images.example.test/sample.qcow2',
    format: 'QCOW2',
    osType: 'linux',
  })),
  DELETE_IMAGE: about('deleteImage', async () => ({
    id: (await site.world.seed.image({ poolId: pool.uuid, projectId: site.project.uuid })).id,
  })),
  PREPARE_POOL: about('createStoragePool', async () => ({
    name: fresh(),
    poolType: 'LOCAL_DIR',
    directory: { path: '/srv/volumes' },
    nodeIds: [place.a.id],
  })),
};
const OPERATIONS = Object.values(TaskOperation);

/** Begins all of them; the task of each. First all that must be there: the agents do what that takes. */
async function beginAll(): Promise<Map<TaskOperation, string>> {
  running = await Promise.all(Array.from({ length: 10 }, off));
  for (const { id } of running) await site.done('startVirtualMachine', { id });
  await site.settle(place.agentA);
  const inputs = new Map<TaskOperation, object>();
  for (const operation of OPERATIONS) inputs.set(operation, await BEGIN[operation].prepare());
  await site.settle(place.agentA);
  const tasks = new Map<TaskOperation, string>();
  for (const [operation, input] of inputs) {
    const { task } = await site.done(BEGIN[operation].mutation, input);
    expect(task, operation).toMatchObject({ operation, status: 'PENDING' });
    tasks.set(operation, uuidOf(task?.id));
  }
  return tasks;
}

async function endsOf(tasks: Map<TaskOperation, string>): Promise<Record<string, string>> {
  const rows = await site.world.data.db.task.findMany({ where: { id: { in: [...tasks.values()] } } }); // biome-ignore format: one call
  return Object.fromEntries(rows.map(({ operation, status }) => [operation, status]));
}

const everyOne = (status: unknown) => Object.fromEntries(OPERATIONS.map((name) => [name, status]));

async function rounds(
  times: number,
  work: (agent: TestAgent) => Promise<unknown> = (agent) => agent.report(),
) {
  for (let i = 0; i < times; i += 1) {
    for (const agent of [place.agentA, place.agentB]) await work(agent);
    site.clock.advance(5_000);
  }
}

/** Nobody is told to do anything any more, nothing waits for anybody, and all that is counted is right. */
async function expectConverged(): Promise<void> {
  const { db } = site.world.data;
  const unfinishedTasks = () =>
    db.task.count({ where: { status: { in: ['PENDING', 'RUNNING'] } } });
  for (let i = 0; i < 8 && (i < 2 || (await unfinishedTasks()) > 0); i += 1) await rounds(1);
  expect(await unfinishedTasks()).toBe(0);
  for (const agent of [place.agentA, place.agentB])
    expect(await agent.report()).toMatchObject({ assignments: [], jobs: [] });
  const where = { clusterId: place.cluster.uuid, deletedAt: null };
  for (const { name, powerState, desiredState } of await db.virtualMachine.findMany({ where }))
    expect([name, powerState]).toEqual([name, desiredState]);
  const phases = { volume: ['CREATING', 'RESIZING', 'DELETING'] as const };
  expect(await db.volume.findMany({ where: { phase: { in: [...phases.volume] } } })).toEqual([]);
  const unfinished = ['PENDING', 'DOWNLOADING', 'CONVERTING', 'DELETING'] as const;
  expect(await db.image.findMany({ where: { phase: { in: [...unfinished] } } })).toEqual([]);
  expect(await violations(db)).toEqual([]);
}

describe('all operations end as they should', { timeout: 60_000 }, () => {
  it('although most answers of the control plane are lost', async () => {
    const tasks = await beginAll();
    await rounds(2, (agent) => agent.send(agent.draft()));
    await rounds(5, async (agent) => {
      await agent.report();
      await agent.send(agent.draft());
    });
    expect(await endsOf(tasks)).toEqual(everyOne('SUCCEEDED'));
    await expectConverged();
  });

  it('although every report comes twice, both at once', async () => {
    const tasks = await beginAll();
    await rounds(5, async (agent) => {
      const twice = agent.draft();
      await Promise.all([agent.send(twice), agent.send(twice)]);
      await agent.report();
    });
    expect(await endsOf(tasks)).toEqual(everyOne('SUCCEEDED'));
    await expectConverged();
  });

  it('although reports overtake each other, and the oldest come when all is over', async () => {
    const tasks = await beginAll();
    const late: (() => Promise<unknown>)[] = [];
    await rounds(5, async (agent) => {
      const overtaken = agent.draft();
      late.push(() => agent.send(overtaken));
      await agent.report();
      await agent.send(overtaken);
    });
    expect(await endsOf(tasks)).toEqual(everyOne('SUCCEEDED'));
    const before = await digest(site.world.data);
    for (const send of late) await send();
    expect(changedTables(before, await digest(site.world.data))).toEqual([]);
    await expectConverged();
  });

  it('although the agents are killed in the middle, again and again', async () => {
    const tasks = await beginAll();
    for (const agent of [place.agentA, place.agentB, place.agentA]) {
      await rounds(1);
      agent.restart();
    }
    await rounds(5);
    // What a restart does by itself may have done to a machine what was asked for, or made it impossible.
    expect(await endsOf(tasks)).toEqual(everyOne(expect.stringMatching(/^(SUCCEEDED|FAILED)$/)));
    await expectConverged();
  });
});

describe('operations of agents that fall silent', () => {
  it('end at their deadline, and what those say who come back then is no news', async () => {
    const tasks = await beginAll();
    await rounds(1);
    const [atA, atB] = [place.agentA.draft(), place.agentB.draft()];
    site.clock.advance(10_000);
    const done = [place.agentA.draft(), place.agentB.draft()] as const;
    await site.expire();
    const ends = await endsOf(tasks);
    expect(ends).toEqual(everyOne('TIMED_OUT'));
    await place.agentA.send(atA);
    await place.agentB.send(atB);
    await place.agentA.report(done[0]);
    await place.agentB.report(done[1]);
    expect(await endsOf(tasks)).toEqual(ends);
    await expectConverged();
  });
});
