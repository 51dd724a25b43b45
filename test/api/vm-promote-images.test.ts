/** Volumes that share the blocks of an image: once they are promoted, alone or behind others, the image can go, and every sum still fits. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createMachineSite, type MachineSite, type Place } from '../support/machine-site.js';
import { operate } from '../support/operations.js';
import type { Made } from '../support/seed.js';
import { GIB, uuidOf } from '../support/storage-site.js';

let site: MachineSite;
let place: Place;
let pool: Made;
let image: Made;
let count = 0;
beforeAll(async () => {
  site = await createMachineSite();
});
beforeEach(async () => {
  place = await site.place();
  pool = await site.world.seed.pool({ assignedNodeIds: [place.a.uuid] });
  image = await site.world.seed.image({ poolId: pool.uuid, minDiskGib: 10 });
});
afterEach(() => site.expectSound());
afterAll(() => site.world.stop());

/** The pool is on node `a` alone, so its agent does what there is to do. */
async function settle(): Promise<void> {
  await place.agentA.report();
  site.clock.advance(10_000);
  await place.agentA.report();
}

const made = (object: { id: string } & Record<string, unknown>): Made => ({
  id: object.id,
  uuid: uuidOf(object.id),
  name: String(object.name),
});
const fresh = (word: string) => `${word}-${++count}`;
const ofImage = () => ({ source: { imageId: image.id, linked: true } });
const removeImage = () => site.ask('deleteImage', { id: image.id });
const promote = (vm: Made, more: object = {}) => site.ask('promoteVirtualMachine', { id: vm.id, ...more }); // biome-ignore format: one call
const diskOf = (vm: Made) =>
  site.world.data.db.volume.findFirstOrThrow({ where: { attachedVmId: vm.uuid } });

/** A machine that was made with a disk which shares the blocks of the image. */
async function machineOfImage(): Promise<Made> {
  const { virtualMachine } = await site.done('createVirtualMachine', {
    projectId: site.project.id,
    name: fresh('of-image'),
    spec: {
      cpu: { cores: 1 },
      memory: { sizeMib: 1024 },
      placement: { clusterId: place.cluster.id },
    },
    newDisks: [{ name: 'root', storagePoolId: pool.id, ...ofImage() }],
  });
  await settle();
  return made(virtualMachine as never);
}

/** A READY volume that shares the blocks of the image. */
async function volumeOfImage(more: object = {}): Promise<Made> {
  const { volume } = await site.done('createVolume', {
    projectId: site.project.id,
    poolId: pool.id,
    name: fresh('of-image'),
    ...ofImage(),
    ...more,
  });
  await settle();
  return made(volume as never);
}

/** A machine of no disks that gets this one. */
async function machineWith(volume: Made): Promise<Made> {
  const vm = await site.machine(place);
  const disk = { name: 'root', volumeId: volume.id };
  await site.done('attachVolume', { virtualMachineId: vm.id, disk });
  return vm;
}

async function expectHeldBy(...names: string[]): Promise<void> {
  expect(await removeImage()).toMatchObject({
    code: 'IN_USE',
    usedBy: [{ type: 'Volume', count: names.length, names: names.toSorted() }],
  });
}

async function expectImageGoes(): Promise<void> {
  expect(await removeImage()).toMatchObject({ task: { operation: 'DELETE_IMAGE' } });
  await settle();
  expect(await site.world.data.db.image.count({ where: { id: image.uuid } })).toBe(0);
}

describe('a machine that was made from an image', () => {
  it.each(['STOPPED', 'RUNNING'])('while it is %s gets its disk for itself, and the image can go', async (state) => {
    const vm = await machineOfImage();
    if (state === 'RUNNING') {
      await operate(site.admin, 'START', vm.id);
      await settle();
    }
    const before = await diskOf(vm);
    expect(before).toMatchObject({ phase: 'IN_USE', provisioning: 'THIN', spec: { source: { linked: true } } });
    await expectHeldBy(before.name);
    const usage = await site.usage();
    expect(await promote(vm)).toMatchObject({ claimedBytes: '0', quotaChanges: [] });
    await expectHeldBy(before.name); // not before it is done
    await settle();
    expect(await site.lastTask(vm)).toMatchObject({ operation: 'PROMOTE', status: 'SUCCEEDED' });
    expect(await diskOf(vm)).toMatchObject({
      phase: 'IN_USE',
      claimedBytes: before.claimedBytes,
      actualSizeBytes: 10n * GIB,
      spec: { source: { type: 'IMAGE', id: image.uuid } },
    });
    expect(await site.usage()).toEqual(usage);
    expect((await site.row(vm)).powerState).toBe(state);
    await expectImageGoes();
    const document = 'query($id: ID!) { virtualMachine(id: $id) { volumes { nodes { name spec { source { type sourceId } } } } } }';
    const { data, errors } = await site.admin.answer(document, { id: vm.id });
    expect(errors).toEqual([]);
    expect(data).toMatchObject({ virtualMachine: { volumes: { nodes: [{ name: before.name, spec: { source: { type: 'IMAGE' } } }] } } });
  }); // biome-ignore format: one table

  it('holds it as before when it could not be promoted', async () => {
    const vm = await machineOfImage();
    const before = await diskOf(vm);
    site.failures.set('PROMOTE', 'the disk is full');
    await promote(vm, { provisioning: 'THICK_EAGER' });
    expect((await diskOf(vm)).claimedBytes).toBe(10n * GIB);
    await site.expectSound();
    await settle();
    site.failures.clear();
    const { claimedBytes, spec, provisioning } = before;
    expect(await diskOf(vm)).toMatchObject({ claimedBytes, spec, provisioning });
    await expectHeldBy(before.name);
  });
});

it('volumes of an image hold it until the last of them is promoted or gone', async () => {
  const [one, other, loose] = [await volumeOfImage(), await volumeOfImage(), await volumeOfImage()];
  const [first, second] = [await machineWith(one), await machineWith(other)];
  await expectHeldBy(one.name, other.name, loose.name);
  await promote(first, { provisioning: 'THICK_LAZY' });
  await settle();
  await expectHeldBy(other.name, loose.name);
  await promote(second);
  await site.done('deleteVolume', { id: loose.id });
  await settle();
  expect(await site.volume(one)).toMatchObject({ claimedBytes: 10n * GIB, parentId: null });
  await expectImageGoes();
});

describe('a linked clone of what shares the blocks of an image', () => {
  it('is promoted first: a snapshot keeps the original on the image until then', async () => {
    const original = await machineOfImage();
    const name = fresh('twin');
    const taken = await site.done('createVirtualMachineSnapshot', { virtualMachineId: original.id, name }); // biome-ignore format: one call
    await settle();
    const snapshotId = taken.virtualMachineSnapshot?.id ?? '';
    const { virtualMachine } = await site.done('cloneVirtualMachine', { id: original.id, name, mode: 'LINKED', snapshotId }); // biome-ignore format: one call
    await settle();
    const clone = made(virtualMachine as never);
    expect(await promote(original)).toMatchObject({ code: 'IN_USE' });
    await promote(clone);
    await settle();
    await expectHeldBy((await diskOf(original)).name);
    await site.done('deleteVirtualMachineSnapshot', { virtualMachineId: original.id, id: snapshotId }); // biome-ignore format: one call
    await settle();
    await promote(original);
    await settle();
    await expectImageGoes();
  });

  it('stands on the image through a volume that nobody writes to, which is not promoted from under it', async () => {
    const master = await volumeOfImage({ accessMode: 'READ_ONLY_MANY' });
    const copied = await site.done('cloneVolume', { id: master.id, name: fresh('copy'), mode: 'LINKED' }); // biome-ignore format: one call
    await settle();
    const copy = made(copied.volume as never);
    const [reader, writer] = [await machineWith(master), await machineWith(copy)];
    expect(await promote(reader)).toMatchObject({
      code: 'IN_USE',
      usedBy: [{ type: 'Volume', count: 1, names: [copy.name] }],
    });
    await promote(writer);
    await settle();
    await expectHeldBy(master.name);
    await promote(reader);
    await settle();
    await expectImageGoes();
  });
});
