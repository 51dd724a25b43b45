/** Disks and CD-ROM drives: attached from the beginning, detached at the end, and never in two machines. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Prisma } from '../../src/gen/client/client.js';
import { createMachineSite, type MachineSite, type Place } from '../support/machine-site.js';
import { mutate } from '../support/mutations.js';
import type { Made } from '../support/seed.js';

let site: MachineSite;
let place: Place;
beforeAll(async () => {
  site = await createMachineSite();
  place = await site.place();
});
afterEach(async () => {
  site.failures.clear();
  await site.expectSound();
});
afterAll(() => site.world.stop());

const volume = (data: Partial<Prisma.VolumeCreateManyInput> = {}, project = site.project) =>
  site.world.seed.claimedVolume(project, site.pool, data);
const attach = (vm: Made, of: Made, name = 'data') =>
  site.ask('attachVolume', { virtualMachineId: vm.id, disk: { name, volumeId: of.id } });
const detach = (vm: Made, of: Made) =>
  site.ask('detachVolume', { virtualMachineId: vm.id, volumeId: of.id });
const insert = (vm: Made, image: Made) =>
  site.ask('attachCdrom', { virtualMachineId: vm.id, imageId: image.id });
const eject = (vm: Made, image: Made) =>
  site.ask('detachCdrom', { virtualMachineId: vm.id, imageId: image.id });
const parts = async (vm: Made) => {
  const { disks = [], cdroms = [] } = (await site.row(vm)).spec as Record<string, object[]>;
  return { disks, cdroms };
};
const FREE = { phase: 'READY', attachedVmId: null };
const usedBy = (vm: Made) => ({ phase: 'IN_USE', attachedVmId: vm.uuid });

describe('a machine that is off', () => {
  it('gets a disk and gives it back at once', async () => {
    const vm = await site.machine(place);
    const data = await volume();
    expect(await attach(vm, data)).toMatchObject({ task: null, virtualMachine: { id: vm.id } });
    expect(await site.volume(data)).toMatchObject(usedBy(vm));
    expect(await parts(vm)).toMatchObject({ disks: [{ name: 'data', volumeId: data.uuid }] });
    await site.expectSound();
    expect(await detach(vm, data)).toMatchObject({ task: null });
    expect(await site.volume(data)).toMatchObject(FREE);
    expect(await parts(vm)).toMatchObject({ disks: [] });
    const { version } = await site.row(vm);
    expect(await detach(vm, data)).toMatchObject({ task: null });
    expect((await site.row(vm)).version).toBe(version);
  });

  it('gets a disc and gives it back, once each', async () => {
    const vm = await site.machine(place);
    const image = await site.world.seed.image({ format: 'ISO' });
    await insert(vm, image);
    await insert(vm, image);
    expect(await parts(vm)).toMatchObject({ cdroms: [{ imageId: image.uuid }] });
    expect((await parts(vm)).cdroms).toHaveLength(1);
    await eject(vm, image);
    await eject(vm, image);
    expect((await parts(vm)).cdroms).toEqual([]);
    expect((await site.row(vm)).version).toBe(3);
  });
});

describe('a machine that runs', () => {
  it('has a new disk from the beginning, and an old one until its agent has let go', async () => {
    const vm = await site.running(place);
    const data = await volume();
    const begun = await attach(vm, data);
    expect(begun).toMatchObject({ task: { operation: 'RECONFIGURE' } });
    const { id } = begun.task as { id: string };
    const document = 'query($id: ID!) { task(id: $id) { details { attachedVolumeIds permanently } } }'; // biome-ignore format: one query
    expect((await site.admin.answer(document, { id })).data).toEqual({
      task: { details: { attachedVolumeIds: [data.id], permanently: null } },
    });
    expect(await site.volume(data)).toMatchObject(usedBy(vm));
    await site.settle(place.agentA);
    expect(await site.lastTask(vm)).toMatchObject({ status: 'SUCCEEDED' });
    await site.expectSound();

    await detach(vm, data);
    expect(await site.volume(data)).toMatchObject(usedBy(vm));
    expect(await attach(await site.machine(place), data)).toMatchObject({
      path: ['disk', 'volumeId'],
    });
    await site.settle(place.agentA);
    expect(await site.volume(data)).toMatchObject(FREE);
    expect(await parts(vm)).toMatchObject({ disks: [] });
    expect(await site.row(vm)).toMatchObject({ powerState: 'RUNNING' });
  });

  it.each(['FAILED', 'TIMED_OUT'] as const)(
    'is as it was when attaching or detaching has %s',
    async (end) => {
      const vm = await site.running(place);
      const [kept, wanted] = [await volume(), await volume()] as const;
      const image = await site.world.seed.image();
      await attach(vm, kept, 'kept');
      await site.settle(place.agentA);
      const before = await parts(vm);
      for (const change of [
        ...(end === 'FAILED' ? [() => attach(vm, wanted, 'wanted')] : []),
        () => detach(vm, kept),
        () => insert(vm, image),
      ]) {
        if (end === 'FAILED') site.failures.set('RECONFIGURE', 'no free port');
        expect(await change()).toMatchObject({ task: { operation: 'RECONFIGURE' } });
        if (end === 'FAILED') await site.settle(place.agentA);
        else await site.expire();
        expect(await site.lastTask(vm)).toMatchObject({ status: end });
        expect(await parts(vm)).toEqual(before);
        expect(await site.volume(kept)).toMatchObject(usedBy(vm));
        expect(await site.volume(wanted)).toMatchObject(FREE);
        await site.expectSound();
        site.failures.clear();
        await site.settle(place.agentA);
        expect(await site.row(vm)).toMatchObject({
          powerState: 'RUNNING',
          desiredState: 'RUNNING',
        });
      }
    },
  );

  it('keeps a new disk reserved when attaching has TIMED_OUT: the agent may have it by now, or yet take it', async () => {
    const vm = await site.running(place);
    const data = await volume();
    await attach(vm, data);
    await site.expire();
    expect(await site.lastTask(vm)).toMatchObject({ status: 'TIMED_OUT' });
    expect(await site.volume(data)).toMatchObject(usedBy(vm));
    expect(await attach(await site.machine(place), data)).toMatchObject({ code: 'VALIDATION' });
    await site.expectSound();
    await site.settle(place.agentA);
    expect(await parts(vm)).toMatchObject({ disks: [{ volumeId: data.uuid }] });
    expect(await site.row(vm)).toMatchObject({ powerState: 'RUNNING', desiredState: 'RUNNING' });
    await detach(vm, data);
    await site.settle(place.agentA);
    expect(await site.volume(data)).toMatchObject(FREE);
  });

  it('and that its node is bringing back is not off: its agent is told', async () => {
    const vm = await site.running(place);
    const data = await volume();
    await attach(vm, data);
    await site.settle(place.agentA);
    const { virtualMachines = [] } = place.agentA.draft();
    const others = virtualMachines?.filter(({ virtualMachineId }) => virtualMachineId !== vm.id);
    await place.agentA.send(place.agentA.draft({ virtualMachines: others ?? [] }));
    expect(await site.row(vm)).toMatchObject({ powerState: 'STOPPED', capacityClaimed: true });
    expect(await detach(vm, data)).toMatchObject({ task: { operation: 'RECONFIGURE' } });
    expect(await site.volume(data)).toMatchObject(usedBy(vm));
    await site.settle(place.agentA);
    expect(await site.volume(data)).toMatchObject(FREE);
  });

  it('is not given a disk of a pool that its node does not have', async () => {
    const vm = await site.running(place);
    const local = await site.world.seed.pool({ assignedNodeIds: [place.b.uuid] });
    const data = await site.world.seed.claimedVolume(site.project, local);
    expect(await attach(vm, data)).toMatchObject({
      code: 'NO_SUITABLE_NODE',
      verdicts: [{ reasons: [`cannot reach the storage pool ${local.name}`] }],
    });
    expect(await site.volume(data)).toMatchObject(FREE);
    expect(await parts(vm)).toMatchObject({ disks: [] });
  });
});

describe('what cannot be attached', () => {
  it('is a volume of another project, of another machine, one that is not ready, and one being copied', async () => {
    const vm = await site.machine(place);
    const before = await site.row(vm);
    const path = ['disk', 'volumeId'];
    const foreign = await volume({}, await site.world.seed.project());
    expect(await attach(vm, foreign)).toMatchObject({ code: 'VALIDATION', issues: [{ path }] });
    const taken = await volume();
    await attach(await site.machine(place), taken);
    for (const bad of [taken, await volume({ phase: 'ERROR' })])
      expect(await attach(vm, bad)).toMatchObject({ code: 'VALIDATION', issues: [{ path }] });
    const source = await volume();
    await site.done('cloneVolume', { id: source.id, name: 'copy-of-source', mode: 'FULL' });
    expect(await attach(vm, source)).toMatchObject({ code: 'BUSY', operation: 'CREATE_VOLUME' });
    expect(await site.volume(source)).toMatchObject(FREE);
    expect(await site.row(vm)).toEqual(before);
  });

  it('is a volume that linked copies stand on, unless it is only read; the copies are named', async () => {
    const vm = await site.machine(place);
    const share = async (data: object = {}) => {
      const source = await volume(data as never);
      const spec = { source: { type: 'CLONE', id: source.uuid, linked: true } };
      return { source, copy: await volume({ parentId: source.uuid, spec }) };
    };
    const { source, copy } = await share();
    const usedBy = [{ type: 'Volume', count: 1, names: [copy.name] }];
    expect(await attach(vm, source)).toMatchObject({ code: 'IN_USE', usedBy });
    expect(
      await site.ask('createVirtualMachine', {
        projectId: site.project.id,
        name: 'on-shared',
        spec: {
          cpu: { cores: 1 },
          memory: { sizeMib: 1024 },
          disks: [{ name: 'root', volumeId: source.id }],
        },
      }),
    ).toMatchObject({ code: 'IN_USE', usedBy });
    expect(await site.volume(source)).toMatchObject(FREE);
    expect(await attach(vm, copy)).toMatchObject({ virtualMachine: { id: vm.id } });
    const read = await share({ spec: { accessMode: 'READ_ONLY_MANY' } });
    expect(await attach(vm, read.source, 'base')).toMatchObject({ virtualMachine: { id: vm.id } });
  });

  it('is what a tenant cannot see: it does not exist', async () => {
    const { seed } = site.world;
    const own = await seed.project();
    await seed.user('OPERATOR', { username: 'tess', projects: { [own.uuid]: 'OPERATOR' } });
    const tess = await site.world.signIn('tess');
    const vm = await site.machine(place, {}, own);
    const answer = await mutate(tess, 'attachVolume', {
      virtualMachineId: vm.id,
      disk: { name: 'data', volumeId: (await volume()).id },
    });
    expect(answer).toMatchObject({ code: 'NOT_FOUND', path: ['disk', 'volumeId'] });
    const hidden = await seed.image({ projectId: site.project.uuid });
    const input = { virtualMachineId: vm.id, imageId: hidden.id };
    expect(await mutate(tess, 'attachCdrom', input)).toMatchObject({
      code: 'NOT_FOUND',
      path: ['imageId'],
    });
    const imageId = hidden.uuid;
    await site.world.data.db.imageShare.create({ data: { imageId, projectId: own.uuid } });
    expect(await mutate(tess, 'attachCdrom', input)).toMatchObject({ task: null });
    expect((await parts(vm)).cdroms).toEqual([{ imageId: hidden.uuid }]);
  });

  it('is an image of another project, unless it is public or published, and one that is not there yet', async () => {
    const { seed, data } = site.world;
    const vm = await site.machine(place);
    const other = await seed.project();
    const image = await seed.image({ projectId: other.uuid });
    const path = ['imageId'];
    expect(await insert(vm, image)).toMatchObject({ code: 'VALIDATION', issues: [{ path }] });
    await data.db.imageShare.create({
      data: { imageId: image.uuid, projectId: site.project.uuid },
    });
    expect(await insert(vm, image)).toMatchObject({ task: null });
    expect(
      await insert(vm, await seed.image({ projectId: other.uuid, public: true })),
    ).toMatchObject({ task: null });
    const coming = await seed.image({ phase: 'DOWNLOADING' });
    expect(await insert(vm, coming)).toMatchObject({ code: 'INVALID_STATE' });
    expect((await parts(vm)).cdroms).toHaveLength(2);
  });

  it('is a second disk of one name, or anything by a stale version', async () => {
    const vm = await site.machine(place);
    await attach(vm, await volume());
    const second = await volume();
    expect(await attach(vm, second)).toMatchObject({ code: 'VALIDATION' });
    expect(await site.volume(second)).toMatchObject(FREE);
    const stale = { virtualMachineId: vm.id, expectedVersion: 1 };
    const disk = { name: 'more', volumeId: second.id };
    expect(await site.ask('attachVolume', { ...stale, disk })).toMatchObject({ code: 'CONFLICT' });
    expect(await site.ask('detachVolume', { ...stale, volumeId: second.id })).toMatchObject({
      code: 'CONFLICT',
    });
  });
});
