/** Snapshots of machines: a tree that stays one, states that come to an end, and counts that are what there is. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { encodeGlobalId } from '../../src/ids.js';
import { createMachineSite, type MachineSite, type Place } from '../support/machine-site.js';
import { operate } from '../support/operations.js';
import type { Made } from '../support/seed.js';
import { uuidOf } from '../support/storage-site.js';

let site: MachineSite;
let place: Place;
beforeAll(async () => {
  site = await createMachineSite();
});
beforeEach(async () => {
  place = await site.place();
});
afterEach(async () => {
  site.failures.clear();
  await site.expectSound();
});
afterAll(() => site.world.stop());

let count = 0;

/** The machines are of node `a`, so its agent does what there is to do. */
async function settle() {
  await place.agentA.report();
  site.clock.advance(10_000);
  await place.agentA.report();
}
async function begun(vm: Made): Promise<Made> {
  const name = `state-${++count}`;
  const input = { virtualMachineId: vm.id, name };
  const { virtualMachineSnapshot } = await site.done('createVirtualMachineSnapshot', input);
  const id = String(virtualMachineSnapshot?.id);
  return { id, uuid: uuidOf(id), name };
}
async function taken(vm: Made): Promise<Made> {
  const made = await begun(vm);
  await settle();
  expect(await snapshot(made)).toMatchObject({ state: 'AVAILABLE' });
  return made;
}
const snapshot = ({ uuid }: Made) =>
  site.world.data.db.vmSnapshot.findUnique({ where: { id: uuid } });
const current = async (vm: Made) => (await site.row(vm)).currentSnapshotId;
const about = (vm: Made, of: Made, more: object = {}) => ({
  virtualMachineId: vm.id,
  id: of.id,
  ...more,
});
const remove = (vm: Made, of: Made) => site.ask('deleteVirtualMachineSnapshot', about(vm, of));
const revert = (vm: Made, of: Made, force = false) =>
  site.ask('revertVirtualMachineSnapshot', about(vm, of, { force }));
const disk = async (vm: Made, name = 'data', pool = site.pool) => {
  const volume = await site.world.seed.claimedVolume(site.project, pool);
  const part = { name, volumeId: volume.id };
  await site.done('attachVolume', { virtualMachineId: vm.id, disk: part });
  return volume;
};

describe('the tree', () => {
  it('grows from the snapshot that the machine stands on, counted in quota and on its volumes', async () => {
    const vm = await site.machine(place);
    const volume = await disk(vm);
    const before = await site.usage();
    const [one, two, three] = [await taken(vm), await taken(vm), await taken(vm)] as const;
    expect(await snapshot(one)).toMatchObject({ parentId: null, vmState: 'STOPPED' });
    expect(await snapshot(two)).toMatchObject({ parentId: one.uuid });
    expect(await snapshot(three)).toMatchObject({ parentId: two.uuid });
    expect((await snapshot(three))?.sizeBytes).toBeGreaterThan(0n);
    expect(await current(vm)).toBe(three.uuid);
    expect((await site.usage()).usedSnapshots).toBe(before.usedSnapshots + 3);
    expect(await site.volume(volume)).toMatchObject({ snapshotCount: 3 });
    expect(await site.lastTask(vm)).toMatchObject({
      status: 'SUCCEEDED',
      resultType: 'VirtualMachineSnapshot',
      resultId: three.uuid,
    });
  });

  it('closes over one in the middle, and the machine steps back from the one it stands on', async () => {
    const vm = await site.machine(place);
    const volume = await disk(vm);
    const [one, two, three] = [await taken(vm), await taken(vm), await taken(vm)] as const;
    const { usedSnapshots } = await site.usage();
    expect(await remove(vm, two)).toMatchObject({ deletedVirtualMachineSnapshotId: two.id });
    expect(await snapshot(two)).toMatchObject({ state: 'DELETING' });
    await settle();
    expect(await snapshot(two)).toBeNull();
    expect(await snapshot(three)).toMatchObject({ parentId: one.uuid });
    expect(await current(vm)).toBe(three.uuid);
    await remove(vm, three);
    await settle();
    expect(await current(vm)).toBe(one.uuid);
    await remove(vm, one);
    await settle();
    expect(await current(vm)).toBeNull();
    expect((await site.usage()).usedSnapshots).toBe(usedSnapshots - 3);
    expect(await site.volume(volume)).toMatchObject({ snapshotCount: 0 });
  });

  it('branches where the machine was reverted to', async () => {
    const vm = await site.machine(place);
    const [one, two] = [await taken(vm), await taken(vm)] as const;
    expect(await revert(vm, one)).toMatchObject({ task: { operation: 'REVERT_SNAPSHOT' } });
    expect(await snapshot(one)).toMatchObject({ state: 'REVERTING' });
    await settle();
    expect(await snapshot(one)).toMatchObject({ state: 'AVAILABLE' });
    expect(await current(vm)).toBe(one.uuid);
    const branch = await taken(vm);
    expect(await snapshot(branch)).toMatchObject({ parentId: one.uuid });
    await remove(vm, one);
    await settle();
    for (const child of [two, branch])
      expect(await snapshot(child)).toMatchObject({ parentId: null });
    expect(await current(vm)).toBe(branch.uuid);
  });

  it('has each name once, and a machine does one thing at a time', async () => {
    const vm = await site.machine(place);
    const one = await begun(vm);
    expect(await remove(vm, one)).toMatchObject({ code: 'BUSY' });
    await settle();
    const again = { virtualMachineId: vm.id, name: one.name };
    expect(await site.ask('createVirtualMachineSnapshot', again)).toMatchObject({
      code: 'ALREADY_EXISTS',
    });
    const other = await site.machine(place);
    expect(await revert(other, one)).toMatchObject({ code: 'NOT_FOUND' });
    expect(await remove(other, one)).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('of a running machine is taken by its node, while it runs', async () => {
    const vm = await site.running(place);
    const one = await begun(vm);
    expect((await place.agentB.report()).jobs).toEqual([]);
    expect((await place.agentA.report()).jobs).toMatchObject([
      { operation: 'CREATE_SNAPSHOT', snapshotId: one.id, virtualMachineId: vm.id },
    ]);
    await settle();
    expect(await snapshot(one)).toMatchObject({ state: 'AVAILABLE', vmState: 'RUNNING' });
    expect(await site.row(vm)).toMatchObject({ powerState: 'RUNNING' });
  });
});

describe('reverting a machine that runs', () => {
  it('is refused without force', async () => {
    const vm = await site.running(place);
    const one = await taken(vm);
    expect(await revert(vm, one)).toMatchObject({ code: 'INVALID_STATE' });
    expect(await snapshot(one)).toMatchObject({ state: 'AVAILABLE' });
  });

  it('by force stops it first: its agent does not hear of the job before it is off', async () => {
    const vm = await site.running(place);
    const [one] = [await taken(vm), await taken(vm)] as const;
    await revert(vm, one, true);
    expect(await place.agentA.report()).toMatchObject({
      assignments: [{ desiredState: 'STOPPED' }],
      jobs: [],
    });
    expect(await place.agentA.report()).toMatchObject({ jobs: [{ snapshotId: one.id }] });
    expect(await site.row(vm)).toMatchObject({ powerState: 'STOPPED', capacityClaimed: false });
    await settle();
    expect(await snapshot(one)).toMatchObject({ state: 'AVAILABLE' });
    expect(await current(vm)).toBe(one.uuid);
    expect(await site.row(vm)).toMatchObject({ powerState: 'STOPPED', desiredState: 'STOPPED' });
    await operate(site.admin, 'START', vm.id);
    await settle();
    expect(await site.row(vm)).toMatchObject({ powerState: 'RUNNING' });
  });

  it('by force that takes too long leaves it running, and does not stop it later', async () => {
    const vm = await site.running(place);
    const one = await taken(vm);
    await revert(vm, one, true);
    await site.expire();
    expect(await site.lastTask(vm)).toMatchObject({ status: 'TIMED_OUT' });
    expect(await snapshot(one)).toMatchObject({ state: 'AVAILABLE' });
    await settle();
    expect(await site.row(vm)).toMatchObject({ powerState: 'RUNNING', desiredState: 'RUNNING' });
  });

  it('by force that cannot stop it fails and says why', async () => {
    const vm = await site.running(place);
    const [one, two] = [await taken(vm), await taken(vm)] as const;
    site.failures.set('', 'the guest clings to life');
    await revert(vm, one, true);
    await settle();
    expect(await site.lastTask(vm)).toMatchObject({
      status: 'FAILED',
      errorMessage: expect.stringContaining('the guest clings to life'),
    });
    expect(await snapshot(one)).toMatchObject({ state: 'AVAILABLE' });
    expect(await current(vm)).toBe(two.uuid);
    expect(await site.row(vm)).toMatchObject({ powerState: 'RUNNING', desiredState: 'RUNNING' });
  });
});

describe('what comes to nothing', () => {
  it('a creation that fails is an ERROR that counts, until it is deleted, and takes nothing else along', async () => {
    const vm = await site.machine(place);
    const volume = await disk(vm);
    const good = await taken(vm);
    const { usedSnapshots } = await site.usage();
    site.failures.set('CREATE_SNAPSHOT', 'the pool is full');
    const bad = await begun(vm);
    await settle();
    expect(await snapshot(bad)).toMatchObject({ state: 'ERROR' });
    expect(await site.lastTask(vm)).toMatchObject({ errorMessage: 'the pool is full' });
    expect(await current(vm)).toBe(good.uuid);
    expect(await revert(vm, bad)).toMatchObject({ code: 'INVALID_STATE' });
    expect((await site.usage()).usedSnapshots).toBe(usedSnapshots + 1);
    await remove(vm, bad);
    await settle();
    expect(await snapshot(bad)).toBeNull();
    expect((await site.usage()).usedSnapshots).toBe(usedSnapshots);
    expect(await site.volume(volume)).toMatchObject({ snapshotCount: 1 });
  });

  it('a creation that is cancelled leaves nothing', async () => {
    const vm = await site.machine(place);
    const before = await site.usage();
    const made = await begun(vm);
    await place.agentA.report();
    const { id } = await site.lastTask(vm);
    await site.done('cancelTask', { id: encodeGlobalId('Task', id) });
    expect(await snapshot(made)).toMatchObject({ state: 'CREATING' });
    await place.agentA.report();
    await place.agentA.report();
    expect(await site.lastTask(vm)).toMatchObject({ status: 'CANCELLED' });
    expect(await snapshot(made)).toBeNull();
    expect(await site.usage()).toEqual(before);
  });

  it.each([
    ['reverting', 'REVERT_SNAPSHOT', 'AVAILABLE'],
    ['deleting', 'DELETE_SNAPSHOT', 'ERROR'],
  ] as const)('%s that fails, or is not done in time, ends', async (verb, operation, state) => {
    for (const end of ['FAILED', 'TIMED_OUT'] as const) {
      const vm = await site.machine(place);
      const [one, two] = [await taken(vm), await taken(vm)] as const;
      if (end === 'FAILED') site.failures.set(operation, 'no');
      await (verb === 'reverting' ? revert : remove)(vm, one);
      if (end === 'FAILED') await settle();
      else await site.expire();
      expect(await site.lastTask(vm)).toMatchObject({ operation, status: end });
      expect(await snapshot(one)).toMatchObject({ state });
      expect(await current(vm)).toBe(two.uuid);
      site.failures.clear();
      await remove(vm, one);
      await settle();
      expect(await snapshot(one)).toBeNull();
    }
  });

  it('for want of quota is refused, and for want of a node that is there, too', async () => {
    const full = await site.world.seed.project({ quota: { snapshots: 0 } });
    const vm = await site.machine(place, {}, full);
    const input = { virtualMachineId: vm.id, name: 'one' };
    expect(await site.ask('createVirtualMachineSnapshot', input)).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      resource: 'snapshots',
    });
    const nowhere = await site.machine(place);
    const far = await site.world.seed.node(place.cluster, { phase: 'DISCONNECTED' });
    const local = await site.world.seed.pool({ assignedNodeIds: [far.uuid] });
    const volume = await site.world.seed.claimedVolume(site.project, local);
    const part = { name: 'data', volumeId: volume.id };
    await site.done('attachVolume', { virtualMachineId: nowhere.id, disk: part });
    expect(
      await site.ask('createVirtualMachineSnapshot', { virtualMachineId: nowhere.id, name: 'one' }),
    ).toMatchObject({ code: 'NO_SUITABLE_NODE' });
    expect(await site.world.data.db.vmSnapshot.count({ where: { name: 'one' } })).toBe(0);
  });
});

describe('volumes and the snapshots that hold them', () => {
  it('are those that were attached when it was taken, and they stay attached', async () => {
    const vm = await site.machine(place);
    const first = await disk(vm);
    const one = await taken(vm);
    const second = await disk(vm, 'more');
    const two = await taken(vm);
    expect(await site.volume(first)).toMatchObject({ snapshotCount: 2 });
    expect(await site.volume(second)).toMatchObject({ snapshotCount: 1 });
    const detach = { virtualMachineId: vm.id, volumeId: second.id };
    expect(await site.ask('detachVolume', detach)).toMatchObject({
      code: 'IN_USE',
      usedBy: [{ type: 'VirtualMachineSnapshot', count: 1 }],
    });
    await remove(vm, one);
    await settle();
    expect(await site.volume(second)).toMatchObject({ snapshotCount: 1 });
    await remove(vm, two);
    await settle();
    expect(await site.volume(first)).toMatchObject({ snapshotCount: 0 });
    expect(await site.ask('detachVolume', detach)).toMatchObject({ task: null });
  });

  it('are free of them when the machine is deleted', async () => {
    const vm = await site.machine(place);
    const volume = await disk(vm);
    await taken(vm);
    await site.done('deleteVirtualMachine', { id: vm.id });
    expect(await site.volume(volume)).toMatchObject({
      snapshotCount: 0,
      attachedVmId: null,
      spec: {},
    });
  });

  it('keep a snapshot that a volume is being made from, and for good one that shares its blocks', async () => {
    const vm = await site.machine(place);
    const pool = await site.world.seed.pool({ assignedNodeIds: [place.a.uuid] });
    const volume = await disk(vm, 'data', pool);
    const [one, two] = [await taken(vm), await taken(vm)] as const;
    const copy = async (of: Made, linked: boolean) => {
      const source = { volumeId: volume.id, snapshotId: of.id, linked };
      const base = { projectId: site.project.id, poolId: pool.id, name: `copy-${++count}` };
      return site.done('createVolume', { ...base, source });
    };
    await copy(one, false);
    const linked = await copy(two, true);
    const inUse = { code: 'IN_USE', usedBy: [{ type: 'Volume', count: 1 }] };
    expect(await remove(vm, one)).toMatchObject(inUse);
    expect(await snapshot(one)).toMatchObject({ state: 'AVAILABLE' });
    await settle();
    expect(await remove(vm, two)).toMatchObject(inUse);
    expect(await remove(vm, one)).toMatchObject({ deletedVirtualMachineSnapshotId: one.id });
    await settle();
    expect(await snapshot(one)).toBeNull();
    // The machine would take its snapshots along.
    const usedBy = [{ type: 'Volume', count: 1, names: [linked.volume?.name] }];
    expect(await site.ask('deleteVirtualMachine', { id: vm.id })).toMatchObject({ usedBy });
    expect(await snapshot(two)).toMatchObject({ state: 'AVAILABLE' });
    await site.done('deleteVolume', { id: linked.volume?.id });
    await settle();
    await site.done('deleteVirtualMachine', { id: vm.id });
  });

  it('are not copied any more once their machine is being deleted', async () => {
    const vm = await site.running(place);
    const volume = await disk(vm);
    await settle();
    const one = await taken(vm);
    await site.done('deleteVirtualMachine', { id: vm.id, force: true });
    const source = { volumeId: volume.id, snapshotId: one.id, linked: true };
    const base = { projectId: site.project.id, poolId: site.pool.id, name: `copy-${++count}` };
    const answer = await site.ask('createVolume', { ...base, source });
    expect(answer).toMatchObject({ code: 'INVALID_STATE', current: 'DELETING' });
    await settle();
  });
});
