/** Moving machines between nodes: two agents, each step by hand, and the figures of both nodes after every one. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { encodeGlobalId } from '../../src/ids.js';
import {
  COPY_MS,
  createMachineSite,
  type MachineSite,
  type Place,
} from '../support/machine-site.js';
import { operate } from '../support/operations.js';
import type { Made } from '../support/seed.js';

let site: MachineSite;
beforeAll(async () => {
  site = await createMachineSite();
});
afterEach(async () => {
  site.failures.clear();
  await site.expectSound();
});
afterAll(() => site.world.stop());

const migrate = (vm: Made, input: object = {}) =>
  site.ask('migrateVirtualMachine', { id: vm.id, ...input });

/** A running machine that is being copied from `a` to `b`; the agent of `a` knows of it. */
async function copying(columns: Parameters<MachineSite['running']>[1] = {}) {
  const place = await site.place();
  const vm = await site.running(place, columns);
  expect(await migrate(vm)).toMatchObject({ task: { operation: 'MIGRATE', status: 'PENDING' } });
  await place.agentA.report();
  return { ...place, vm };
}

const held = async ({ a, b }: Place) => [await site.vcpusOn(a), await site.vcpusOn(b)];
const ids = (of: { observe(): { virtualMachineId: string }[] }) =>
  of.observe().map(({ virtualMachineId }) => virtualMachineId);

describe('a running machine', () => {
  it('is copied by the node that it leaves, switches in one step, and arrives', async () => {
    const place = await site.place();
    const { a, b, agentA, agentB } = place;
    const vm = await site.running(place);
    const usage = await site.usage();
    await migrate(vm);
    expect(await held(place)).toEqual([1, 1]);
    await site.expectSound();

    const told = await agentA.report();
    expect(told.assignments).toEqual([]);
    expect(told.jobs).toMatchObject([
      { operation: 'MIGRATE', virtualMachineId: vm.id, targetNodeId: b.id, cancel: false },
    ]);
    expect(await agentB.report()).toMatchObject({ assignments: [], jobs: [] });
    site.clock.advance(COPY_MS / 2);
    await agentA.report();
    expect(await site.lastTask(vm)).toMatchObject({ status: 'RUNNING', progressPercent: 50 });
    expect(await site.row(vm)).toMatchObject({ nodeId: a.uuid, powerState: 'RUNNING' });
    await site.expectSound();

    site.clock.advance(COPY_MS / 2);
    expect(await agentA.report()).toMatchObject({ assignments: [], jobs: [] });
    expect(await site.row(vm)).toMatchObject({ nodeId: b.uuid, powerState: 'RUNNING' });
    expect(await site.lastTask(vm)).toMatchObject({ status: 'RUNNING', nodeId: b.uuid });
    expect(await held(place)).toEqual([0, 1]);
    await site.expectSound();

    const left = await agentA.report();
    expect(left.unknownVirtualMachineIds).toEqual([vm.id]);
    expect(ids(agentA.hypervisor)).toEqual([]);
    expect(await site.row(vm)).toMatchObject({ nodeId: b.uuid, powerState: 'RUNNING' });

    const took = await agentB.report();
    expect(took.assignments).toMatchObject([{ operation: 'MIGRATE', desiredState: 'RUNNING' }]);
    expect(await site.row(vm)).toMatchObject({ powerState: 'RUNNING', capacityClaimed: true });
    await agentB.report();
    expect(await site.lastTask(vm)).toMatchObject({ status: 'SUCCEEDED', progressPercent: 100 });
    expect(await site.row(vm)).toMatchObject({ powerState: 'RUNNING', statusMessage: '' });
    expect(await held(place)).toEqual([0, 1]);
    expect(await site.usage()).toEqual(usage);
  });

  it('needs no quota: a project at its limit moves its machines', async () => {
    const place = await site.place();
    const quota = { virtualMachines: 1, vcpus: 1, memoryMib: 1024 };
    const full = await site.world.seed.project({ quota });
    const vm = await site.running(place, {}, full);
    expect(await migrate(vm)).toMatchObject({ task: { operation: 'MIGRATE' } });
  });

  it('that is paused stays paused', async () => {
    const place = await site.place();
    const vm = await site.running(place);
    await operate(site.admin, 'PAUSE', vm.id);
    await site.settle(place.agentA);
    await migrate(vm);
    await place.agentA.report();
    site.clock.advance(COPY_MS);
    await place.agentA.report();
    expect(await site.row(vm)).toMatchObject({ powerState: 'PAUSED', nodeId: place.b.uuid });
    await site.settle(place.agentB);
    expect(await site.row(vm)).toMatchObject({ powerState: 'PAUSED', desiredState: 'PAUSED' });
    expect(await site.lastTask(vm)).toMatchObject({ status: 'SUCCEEDED' });
  });

  it('is not migrated twice at once, nor anything else done to it', async () => {
    const { vm, ...place } = await copying();
    const { id: taskId } = await site.lastTask(vm);
    const busy = { code: 'BUSY', taskId: encodeGlobalId('Task', taskId), operation: 'MIGRATE' };
    expect(await migrate(vm)).toMatchObject(busy);
    expect(await operate(site.admin, 'STOP', vm.id)).toMatchObject({ code: 'BUSY' });
    expect(await held(place as unknown as Place)).toEqual([1, 1]);
  });

  it('whose node has lost it is not copied: there is nothing to copy', async () => {
    const place = await site.place();
    const vm = await site.running(place);
    await place.agentA.report({ virtualMachines: [] });
    expect(await site.row(vm)).toMatchObject({ powerState: 'STOPPED', capacityClaimed: true });
    expect(await migrate(vm)).toMatchObject({ code: 'INVALID_STATE' });
    expect(await held(place)).toEqual([1, 0]);
  });
});

describe('a machine that is off', () => {
  it('belongs to the other node at once, without a task and without capacity', async () => {
    const place = await site.place();
    const vm = await site.machine(place);
    expect(await migrate(vm, { targetNodeId: place.b.id })).toMatchObject({ task: null });
    expect(await site.row(vm)).toMatchObject({ nodeId: place.b.uuid, capacityClaimed: false });
    expect(await held(place)).toEqual([0, 0]);
    await operate(site.admin, 'START', vm.id);
    await site.settle(place.agentB);
    expect(await site.row(vm)).toMatchObject({ nodeId: place.b.uuid, powerState: 'RUNNING' });
  });
});

describe('a machine that is there already', () => {
  it('stays, whatever its state, and nothing is written', async () => {
    const place = await site.place();
    for (const vm of [await site.machine(place), await site.running(place)]) {
      const before = await site.row(vm);
      expect(await migrate(vm, { targetNodeId: place.a.id })).toMatchObject({ task: null });
      expect(await site.row(vm)).toEqual(before);
    }
  });
});

describe('where it cannot go', () => {
  /** Both ways of migrating; each must say why, and change nothing. */
  async function refused(place: Place, target: Made | null, reason: RegExp, columns: object = {}) {
    for (const make of [site.machine, site.running]) {
      const vm = await make(place, columns);
      const before = await site.row(vm);
      const tasks = await site.world.data.db.task.count();
      const answer = await migrate(vm, target ? { targetNodeId: target.id } : {});
      expect(answer).toMatchObject({ code: 'NO_SUITABLE_NODE' });
      expect(JSON.stringify(answer.verdicts)).toMatch(reason);
      expect(await site.row(vm)).toEqual(before);
      expect(await site.world.data.db.task.count()).toBe(tasks);
      await site.expectSound();
    }
  }
  const change = (node: Made, data: object) =>
    site.world.data.db.node.update({ where: { id: node.uuid }, data });

  it('for want of room, the verdict has the figures', async () => {
    const place = await site.place();
    await change(place.b, { allocatable: { vcpus: 0, memoryMib: 0, storageGib: 0 } });
    await refused(place, place.b, /has 0 of 1 vCPUs free/);
  });

  it('because a node is not in service, or silent, says so', async () => {
    const place = await site.place();
    await change(place.b, { intent: 'CORDONED' });
    await refused(place, null, /is cordoned/);
    await change(place.b, { intent: 'IN_SERVICE', phase: 'NOT_READY' });
    await refused(place, null, /is NOT_READY/);
  });

  it('because its spec forbids the node', async () => {
    const place = await site.place();
    const spec = { cpu: { cores: 1 }, memory: { sizeMib: 1024 } };
    const required = { placement: { requiredNodeIds: [place.a.uuid] } };
    await refused(place, place.b, /not among the required/, { spec: { ...spec, ...required } });
  });

  it('because it is in another cluster', async () => {
    const place = await site.place();
    const { b: elsewhere } = await site.place();
    await refused(place, elsewhere, new RegExp(`${elsewhere.name}.*is in another cluster`));
  });

  it('because a pool of its disks is not there', async () => {
    const place = await site.place();
    const local = await site.world.seed.pool({ assignedNodeIds: [place.a.uuid] });
    const vm = await site.running(place);
    const volume = await site.world.seed.claimedVolume(site.project, local);
    const disk = { name: 'data', volumeId: volume.id };
    await site.done('attachVolume', { virtualMachineId: vm.id, disk });
    await site.settle(place.agentA);
    expect(await migrate(vm)).toMatchObject({
      code: 'NO_SUITABLE_NODE',
      verdicts: expect.arrayContaining([
        expect.objectContaining({
          hostname: place.b.name,
          reasons: [`cannot reach the storage pool ${local.name}`],
        }),
      ]),
    });
    expect(await held(place)).toEqual([1, 0]);
  });

  it('because there is no such node is NotFound', async () => {
    const vm = await site.machine(await site.place());
    const targetNodeId = encodeGlobalId('HypervisorNode', vm.uuid);
    const missing = { code: 'NOT_FOUND', path: ['targetNodeId'] };
    expect(await migrate(vm, { targetNodeId })).toMatchObject(missing);
  });
});

describe('a copy that does not come to its end', () => {
  const stays = async ({ vm, ...place }: Awaited<ReturnType<typeof copying>>, task: object) => {
    expect(await site.lastTask(vm)).toMatchObject(task);
    expect(await site.row(vm)).toMatchObject({ nodeId: place.a.uuid });
    expect(await site.vcpusOn(place.b)).toBe(0);
    await site.expectSound();
    expect((await place.agentA.report()).jobs).toEqual([]);
    expect(place.agentA.jobs.observe()).toEqual([]);
  };
  const cancel = async (vm: Made) =>
    site.ask('cancelTask', { id: encodeGlobalId('Task', (await site.lastTask(vm)).id) });

  it('because it was cancelled leaves the machine, once the agent has stopped', async () => {
    const way = await copying();
    expect(await cancel(way.vm)).toMatchObject({ task: { status: 'PENDING' } });
    expect(await held(way)).toEqual([1, 1]);
    expect(await cancel(way.vm)).toMatchObject({ task: { status: 'PENDING' } });
    expect((await way.agentA.report()).jobs).toMatchObject([{ cancel: true }]);
    await way.agentA.report();
    await stays(way, { status: 'CANCELLED' });
    expect(await site.row(way.vm)).toMatchObject({
      powerState: 'RUNNING',
      desiredState: 'RUNNING',
    });
  });

  it('is not cancelled when the agent was quicker: it is over there', async () => {
    const way = await copying();
    site.clock.advance(COPY_MS);
    way.agentA.jobs.observe(); // it is done, and nobody knows yet
    await cancel(way.vm);
    await way.agentA.report();
    expect(await site.row(way.vm)).toMatchObject({ nodeId: way.b.uuid });
    expect(await cancel(way.vm)).toMatchObject({ code: 'INVALID_STATE' });
    await site.settle(way.agentB);
    expect(await site.lastTask(way.vm)).toMatchObject({ status: 'SUCCEEDED' });
    expect(await cancel(way.vm)).toMatchObject({ code: 'INVALID_STATE' });
  });

  it('in time leaves the machine, and a late end of the job does not move it', async () => {
    const way = await copying();
    await site.expire();
    const late = way.agentA.draft({
      jobs: [{ taskId: encodeGlobalId('Task', (await site.lastTask(way.vm)).id), status: 'DONE' }],
    });
    expect(await way.agentA.send(late)).toMatchObject({ jobs: [] });
    await stays(way, { status: 'TIMED_OUT' });
  });

  it('because the agent failed leaves the machine, with its reason', async () => {
    site.failures.set('MIGRATE', 'the link is down');
    const way = await copying();
    site.clock.advance(COPY_MS);
    await way.agentA.report();
    await stays(way, { status: 'FAILED', errorMessage: 'the link is down' });
  });

  it('because the guest shut down or crashed on the way leaves what there is', async () => {
    const off = await copying();
    const [seen] = off.agentA.hypervisor.observe();
    const { operation: _, ...guest } = { ...seen, powerState: 'STOPPED' as const };
    const virtualMachines = [guest as never];
    await off.agentA.report({ virtualMachines });
    expect(await held(off)).toEqual([0, 1]);
    await site.expectSound();
    site.clock.advance(COPY_MS);
    await off.agentA.report({ virtualMachines });
    await stays(off, { status: 'FAILED', errorCode: 'NOT_RUNNING' });

    const crashed = await copying();
    crashed.agentA.hypervisor.crash(crashed.vm.id);
    site.clock.advance(COPY_MS);
    await crashed.agentA.report();
    expect(await site.row(crashed.vm)).toMatchObject({ powerState: 'CRASHED' });
    expect(await held(crashed)).toEqual([1, 0]);
    await stays(crashed, { status: 'FAILED', errorMessage: expect.stringContaining('CRASHED') });
  });

  it('because the agent started again begins anew', async () => {
    const way = await copying();
    way.agentA.restart();
    expect(await way.agentA.report()).toMatchObject({
      assignments: [{ desiredState: 'RUNNING' }],
      jobs: [{ operation: 'MIGRATE' }],
    });
    await way.agentA.report();
    expect(await site.row(way.vm)).toMatchObject({ powerState: 'RUNNING', nodeId: way.a.uuid });
    site.clock.advance(COPY_MS);
    await way.agentA.report();
    expect(await site.row(way.vm)).toMatchObject({ powerState: 'RUNNING', nodeId: way.b.uuid });
  });

  it('and an overtaken report does not end it', async () => {
    const way = await copying();
    const old = way.agentA.draft();
    await way.agentA.report();
    expect(await way.agentA.report(old)).toMatchObject({ accepted: false, jobs: [] });
    expect(way.agentA.jobs.observe()).toMatchObject([{ status: 'RUNNING' }]);
  });
});

describe('words about jobs that do not count', () => {
  it('come from another node, or a second time', async () => {
    const way = await copying();
    const taskId = encodeGlobalId('Task', (await site.lastTask(way.vm)).id);
    const done = { jobs: [{ taskId, status: 'DONE' as const }] };
    await way.agentB.report(done);
    expect(await site.row(way.vm)).toMatchObject({ nodeId: way.a.uuid });
    await way.agentA.report(done);
    const switched = await site.row(way.vm);
    expect(switched).toMatchObject({ nodeId: way.b.uuid });
    await way.agentA.report(done);
    await way.agentA.report({ jobs: [{ taskId, status: 'FAILED', reason: 'late' }] });
    await way.agentB.report(done);
    expect(await site.row(way.vm)).toEqual(switched);
    expect(await held(way)).toEqual([0, 1]);
    await way.agentB.report();
    expect(await site.lastTask(way.vm)).toMatchObject({ status: 'SUCCEEDED' });
  });
});

describe('after the switch', () => {
  async function switched() {
    const way = await copying();
    site.clock.advance(COPY_MS);
    await way.agentA.report();
    return way;
  }

  it('the target has time of its own to take it over: what limits the copy does not make it boot anew', async () => {
    const place = await site.place();
    const vm = await site.running(place);
    await migrate(vm, { timeoutSeconds: 10 });
    await place.agentA.report();
    site.clock.advance(COPY_MS);
    await place.agentA.report();
    await site.expire(10_000);
    expect(await site.lastTask(vm)).toMatchObject({ status: 'RUNNING' });
    expect(await place.agentB.report()).toMatchObject({ assignments: [{ operation: 'MIGRATE' }] });
    await place.agentB.report();
    expect(await site.lastTask(vm)).toMatchObject({ status: 'SUCCEEDED' });
  });

  it('a target that says nothing until the deadline keeps the machine, which should go on running', async () => {
    const way = await switched();
    await site.expire();
    expect(await site.lastTask(way.vm)).toMatchObject({ status: 'TIMED_OUT' });
    expect(await site.row(way.vm)).toMatchObject({ nodeId: way.b.uuid, desiredState: 'RUNNING' });
    expect(await held(way)).toEqual([0, 1]);
    await site.settle(way.agentB);
    expect(await site.row(way.vm)).toMatchObject({ powerState: 'RUNNING', statusMessage: '' });
  });

  it('a target that cannot take it over says so, and the machine is off and holds nothing', async () => {
    site.failures.set('MIGRATE', 'no such bridge');
    const way = await copying();
    const taskId = encodeGlobalId('Task', (await site.lastTask(way.vm)).id);
    await way.agentA.report({ jobs: [{ taskId, status: 'DONE' }] });
    await site.settle(way.agentB);
    expect(await site.lastTask(way.vm)).toMatchObject({
      status: 'FAILED',
      errorMessage: 'no such bridge',
    });
    expect(await site.row(way.vm)).toMatchObject({ powerState: 'STOPPED', capacityClaimed: false });
    expect(await held(way)).toEqual([0, 0]);
  });
});

describe('the node where it goes', () => {
  it('is not deleted while it is on its way', async () => {
    const way = await copying();
    expect(await site.ask('deleteHypervisorNode', { id: way.b.id })).toMatchObject({
      code: 'IN_USE',
      usedBy: [{ type: 'Task', count: 1 }],
    });
  });

  it('that has gone all the same ends the migration, and the machine stays', async () => {
    const way = await copying();
    await site.world.data.db.node.delete({ where: { id: way.b.uuid } });
    site.clock.advance(COPY_MS);
    await way.agentA.report();
    expect(await site.lastTask(way.vm)).toMatchObject({ errorCode: 'TARGET_GONE' });
    expect(await site.row(way.vm)).toMatchObject({ nodeId: way.a.uuid, powerState: 'RUNNING' });
  });
});
