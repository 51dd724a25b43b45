/** Linked volumes that get blocks of their own: what that takes, what it lets go, and how it ends. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { encodeGlobalId } from '../../src/ids.js';
import { createMachineSite, type MachineSite, type Place } from '../support/machine-site.js';
import { operate } from '../support/operations.js';
import type { Made } from '../support/seed.js';
import { GIB, uuidOf } from '../support/storage-site.js';

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

/** The pools are on node `a` alone, so its agent does what there is to do. */
async function settle(): Promise<void> {
  await place.agentA.report();
  site.clock.advance(10_000);
  await place.agentA.report();
}

interface Twins {
  readonly original: Made;
  readonly clone: Made;
  readonly snapshotId: string;
  readonly volume: Made;
}

/** A machine with a disk, and a linked clone of it as a snapshot holds it. */
async function twins(columns: object = {}): Promise<Twins> {
  const assignedNodeIds = [place.a.uuid];
  const within = await site.world.seed.pool({ assignedNodeIds, ...columns });
  const original = await site.machine(place);
  const disk = await site.world.seed.claimedVolume(site.project, within);
  const part = { name: 'root', volumeId: disk.id };
  await site.done('attachVolume', { virtualMachineId: original.id, disk: part });
  const name = `twin-${++count}`;
  const taken = await site.done('createVirtualMachineSnapshot', { virtualMachineId: original.id, name }); // biome-ignore format: one call
  await settle();
  const snapshotId = taken.virtualMachineSnapshot?.id ?? '';
  const made = await site.done('cloneVirtualMachine', { id: original.id, name, mode: 'LINKED', snapshotId }); // biome-ignore format: one call
  await settle();
  const id = made.virtualMachine?.id ?? '';
  const clone = { id, uuid: uuidOf(id), name };
  const row = await site.world.data.db.volume.findFirstOrThrow({ where: { attachedVmId: clone.uuid } }); // biome-ignore format: one call
  expect(row).toMatchObject({ parentId: disk.uuid, phase: 'IN_USE', provisioning: 'THIN' });
  const volume = { id: encodeGlobalId('Volume', row.id), uuid: row.id, name: row.name };
  return { original, clone, snapshotId, volume };
}

const promote = (vm: Made, more: object = {}) =>
  site.ask('promoteVirtualMachine', { id: vm.id, ...more });
const removeSnapshot = ({ original, snapshotId }: Twins) =>
  site.ask('deleteVirtualMachineSnapshot', { virtualMachineId: original.id, id: snapshotId });
const claimedOf = async (volume: Made) => (await site.volume(volume)).claimedBytes;

describe('a linked clone', () => {
  it.each(['STOPPED', 'RUNNING'])('that is %s stands alone then, and its original can go', async (state) => {
    const made = await twins();
    if (state === 'RUNNING') {
      await operate(site.admin, 'START', made.clone.id);
      await settle();
    }
    expect(await removeSnapshot(made)).toMatchObject({ code: 'IN_USE' });
    const [usage, claimed] = [await site.usage(), await claimedOf(made.volume)];
    const answer = await promote(made.clone);
    expect(answer).toMatchObject({
      task: { operation: 'PROMOTE', status: 'PENDING' },
      promotedVolumeIds: [made.volume.id],
      claimedBytes: '0',
      quotaChanges: [],
    });
    expect(await removeSnapshot(made)).toMatchObject({ code: 'IN_USE' }); // not before it is done
    expect(await operate(site.admin, 'REBOOT', made.clone.id)).toMatchObject({ code: 'BUSY' });
    await settle();
    expect(await site.lastTask(made.clone)).toMatchObject({ status: 'SUCCEEDED', progressPercent: 100 });
    const volume = await site.volume(made.volume);
    expect(volume).toMatchObject({ parentId: null, phase: 'IN_USE', actualSizeBytes: 10n * GIB });
    expect(volume.spec).toMatchObject({ source: { type: 'SNAPSHOT', id: uuidOf(made.snapshotId) } });
    expect(volume.spec).not.toHaveProperty('source.linked');
    expect([await site.usage(), await claimedOf(made.volume)]).toEqual([usage, claimed]);
    expect((await site.row(made.clone)).powerState).toBe(state);
    await removeSnapshot(made);
    await settle();
    await site.done('deleteVirtualMachine', { id: made.original.id, permanently: true });
  }); // biome-ignore format: one table

  it('takes of its pool what a thick copy takes, once, and a dry run says so', async () => {
    const made = await twins();
    const before = await claimedOf(made.volume);
    const thick = { provisioning: 'THICK_LAZY' };
    const more = String(10n * GIB - before);
    const plan = await promote(made.clone, { ...thick, dryRun: true });
    expect(plan).toMatchObject({ claimedBytes: more, promotedVolumeIds: [made.volume.id] });
    expect(await claimedOf(made.volume)).toBe(before);
    await promote(made.clone, { ...thick, planToken: plan.planToken });
    expect(await claimedOf(made.volume)).toBe(10n * GIB);
    await site.expectSound();
    await settle();
    const volume = await site.volume(made.volume);
    expect(volume).toMatchObject({ provisioning: 'THICK_LAZY', claimedBytes: 10n * GIB });
  });

  it('there is nothing to do without linked volumes, whatever the state', async () => {
    const vm = await site.machine(place, { powerState: 'UNKNOWN' });
    expect(await promote(vm)).toMatchObject({ task: null, promotedVolumeIds: [] });
    expect(await site.row(vm)).toMatchObject({ version: 1 });
  });
});

describe('is refused, and nothing is claimed', () => {
  it('where the pool has not the room', async () => {
    const made = await twins({ capacityBytes: 6n * GIB });
    expect(await promote(made.clone, { provisioning: 'THICK_LAZY' })).toMatchObject({
      code: 'POOL_EXHAUSTED',
      requestedBytes: String(10n * GIB - (await claimedOf(made.volume))),
    });
  });

  it('while snapshots of its own stand on the shared blocks', async () => {
    const { clone } = await twins();
    await site.done('createVirtualMachineSnapshot', { virtualMachineId: clone.id, name: 'mine' });
    await settle();
    expect(await promote(clone)).toMatchObject({
      code: 'IN_USE',
      usedBy: [{ type: 'VirtualMachineSnapshot', count: 1 }],
    });
  });

  it('in a state that nobody can tell, and of a volume that is broken', async () => {
    const [lost, broken] = [await twins(), await twins()];
    const { db } = site.world.data;
    await db.virtualMachine.update({ where: { id: lost.clone.uuid }, data: { powerState: 'UNKNOWN' } }); // biome-ignore format: one call
    expect(await promote(lost.clone)).toMatchObject({ code: 'INVALID_STATE', current: 'UNKNOWN' });
    await db.volume.update({ where: { id: broken.volume.uuid }, data: { phase: 'ERROR' } });
    expect(await promote(broken.clone)).toMatchObject({ code: 'INVALID_STATE', current: 'ERROR' });
  });

  it('at another version, and where no node can do it', async () => {
    const { clone } = await twins();
    expect(await promote(clone, { expectedVersion: 99 })).toMatchObject({ code: 'CONFLICT' });
    const { db } = site.world.data;
    await db.node.updateMany({ data: { phase: 'NOT_READY' } });
    expect(await promote(clone)).toMatchObject({ code: 'NO_SUITABLE_NODE' });
    await db.node.updateMany({ data: { phase: 'READY' } });
  });
});

describe.each(['FAILED', 'CANCELLED', 'TIMED_OUT'])('one that ends as %s', (end) => {
  it('is as linked as it was, gives back what it claimed, and can be promoted again', async () => {
    const made = await twins();
    const before = await site.volume(made.volume);
    if (end === 'FAILED') site.failures.set('PROMOTE', 'the disk is full');
    const answer = await promote(made.clone, { provisioning: 'THICK_LAZY' });
    if (end === 'CANCELLED') {
      await place.agentA.report();
      await site.done('cancelTask', { id: (answer.task as { id: string }).id });
    }
    if (end === 'TIMED_OUT') await site.expire();
    else await settle();
    expect(await site.lastTask(made.clone)).toMatchObject({ operation: 'PROMOTE', status: end });
    const { parentId, spec, claimedBytes, provisioning, phase } = before;
    const after = await site.volume(made.volume);
    expect(after).toMatchObject({ parentId, spec, claimedBytes, provisioning, phase });
    expect(after.errorMessage).toMatch(/not promoted/);
    await site.expectSound();
    site.failures.clear();
    expect(await promote(made.clone)).toMatchObject({ task: { status: 'PENDING' } });
    await settle();
    expect(await site.volume(made.volume)).toMatchObject({ parentId: null, errorMessage: '' });
  });
});

it('an edit of a volume that began before it was promoted does not link it again', async () => {
  const made = await twins();
  const stale = (await site.volume(made.volume)).version;
  await promote(made.clone);
  await settle();
  const edit = { id: made.volume.id, qos: { maxIops: 100 } };
  expect(await site.ask('updateVolume', { ...edit, expectedVersion: stale })).toMatchObject({
    code: 'CONFLICT',
  });
  await site.done('updateVolume', edit);
  expect((await site.volume(made.volume)).spec).not.toHaveProperty('source.linked');
});

it('volumes of many machines are promoted in one call', async () => {
  const [one, two] = [await twins(), await twins()];
  const answer = await site.ask('bulkPromoteVirtualMachines', {
    ids: [one.clone.id, two.clone.id],
  });
  expect(answer).toMatchObject({ succeededCount: 2, failedCount: 0 });
  await settle();
  for (const { volume } of [one, two])
    expect(await site.volume(volume)).toMatchObject({ parentId: null });
});
