/** Moving machines between projects: with all that is theirs, and quota on both sides in one step. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createMachineSite, type MachineSite, type Place } from '../support/machine-site.js';
import { mutate } from '../support/mutations.js';
import { operate } from '../support/operations.js';
import type { Made } from '../support/seed.js';

let site: MachineSite;
let place: Place;
beforeAll(async () => {
  site = await createMachineSite();
  place = await site.place();
});
afterEach(() => site.expectSound());
afterAll(() => site.world.stop());

const move = (vm: Made, to: Made, more: object = {}) =>
  site.ask('moveVirtualMachine', { id: vm.id, projectId: to.id, ...more });
const SPEC = { cpu: { cores: 1 }, memory: { sizeMib: 1024 } };

/** A running machine with a disk and a snapshot. */
async function furnished() {
  const vm = await site.running(place);
  const volume = await site.world.seed.claimedVolume(site.project, site.pool);
  const disk = { name: 'data', volumeId: volume.id };
  await site.done('attachVolume', { virtualMachineId: vm.id, disk });
  await site.settle(place.agentA);
  await site.done('createVirtualMachineSnapshot', { virtualMachineId: vm.id, name: 'one' });
  await place.agentA.report();
  site.clock.advance(10_000);
  await place.agentA.report();
  return { vm, volume };
}

describe('a machine', () => {
  it('takes its volumes, snapshots and quota along, while it runs', async () => {
    const { vm, volume } = await furnished();
    const to = await site.world.seed.project();
    const before = await site.usage();
    const [held, { generation }] = [await site.vcpusOn(place.a), await site.row(vm)];
    expect(await move(vm, to)).toMatchObject({ virtualMachine: { id: vm.id } });
    expect(await site.usage(to)).toEqual({
      usedVcpus: 1,
      usedMemoryMib: 1024,
      usedVolumes: 1,
      usedStorageGib: 10,
      usedSnapshots: 1,
    });
    expect(await site.usage()).toMatchObject({
      usedVcpus: before.usedVcpus - 1,
      usedVolumes: before.usedVolumes - 1,
      usedSnapshots: before.usedSnapshots - 1,
    });
    expect(await site.row(vm)).toMatchObject({ projectId: to.uuid, generation });
    expect(await site.volume(volume)).toMatchObject({ projectId: to.uuid });
    expect(await site.vcpusOn(place.a)).toBe(held);
    expect((await place.agentA.report()).assignments).toEqual([]);
  });

  it('that is there already stays as it is', async () => {
    const vm = await site.machine(place);
    const before = await site.row(vm);
    expect(await move(vm, site.project)).toMatchObject({ virtualMachine: { id: vm.id } });
    expect(await site.row(vm)).toEqual(before);
  });
});

describe('a move that is refused', () => {
  it.each([
    ['vcpus', { vcpus: 0 }],
    ['virtualMachines', { virtualMachines: 0 }],
    ['snapshots', { snapshots: 0 }],
    ['storageGib', { storageGib: 9 }],
  ])('for want of %s changes nothing in either project', async (resource, quota) => {
    const { vm, volume } = await furnished();
    const to = await site.world.seed.project({ quota });
    const before = [await site.usage(), await site.usage(to), await site.row(vm)];
    expect(await move(vm, to)).toMatchObject({ code: 'QUOTA_EXCEEDED', resource });
    expect([await site.usage(), await site.usage(to), await site.row(vm)]).toEqual(before);
    expect(await site.volume(volume)).toMatchObject({ projectId: site.project.uuid });
  });

  it('because it uses what is its project’s own names it all', async () => {
    const { seed, data } = site.world;
    const mine = { projectId: site.project.uuid };
    const image = await seed.image({ ...mine, name: 'our-image' });
    const network = await seed.network({ ...mine, name: 'our-network' });
    const pool = await seed.pool({ ...mine, name: 'our-pool' });
    const group = await seed.group(site.project, { name: 'our-group' });
    const vm = await site.machine(place, {
      spec: { ...SPEC, cdroms: [{ imageId: image.uuid }] },
    });
    await seed.networkInterface(vm, network);
    await data.db.vmSecurityGroup.create({
      data: { virtualMachineId: vm.uuid, securityGroupId: group.uuid },
    });
    const volume = await seed.claimedVolume(site.project, pool);
    await site.done('attachVolume', {
      virtualMachineId: vm.id,
      disk: { name: 'data', volumeId: volume.id },
    });
    const to = await seed.project();
    const answer = await move(vm, to);
    expect(answer).toMatchObject({ code: 'VALIDATION', issues: [{ path: ['projectId'] }] });
    for (const name of ['our-image', 'our-network', 'our-pool', 'our-group'])
      expect(JSON.stringify(answer)).toContain(name);
  });

  it('because its volumes share blocks with others, or are being copied, names them', async () => {
    const { seed } = site.world;
    const [mine, image] = [site.project, await seed.image({ projectId: site.project.uuid })];
    const to = await seed.project();
    const tied = async (data: (attachedVmId: string) => object) => {
      const vm = await site.machine(place);
      const attached = { attachedVmId: vm.uuid, phase: 'IN_USE' } as const;
      const source = await seed.claimedVolume(mine, site.pool, attached);
      const copy = await seed.claimedVolume(mine, site.pool, {
        parentId: source.uuid,
        ...data(vm.uuid),
      });
      return { vm, source, copy };
    };
    const linked = { spec: { source: { type: 'SNAPSHOT', linked: true } } };
    for (const data of [{ phase: 'CREATING' }, linked]) {
      const { vm, source, copy } = await tied(() => data);
      const answer = await move(vm, to);
      expect(answer).toMatchObject({ code: 'VALIDATION', issues: [{ path: ['projectId'] }] });
      expect(answer.message).toContain(`${copy.name} of ${source.name}`);
    }
    const based = await site.machine(place);
    await seed.claimedVolume(mine, site.pool, {
      attachedVmId: based.uuid,
      phase: 'IN_USE',
      spec: { source: { type: 'IMAGE', id: image.uuid, linked: true } },
    });
    expect((await move(based, to)).message).toContain(`the image ${image.name}`);
    const together = await tied((attachedVmId) => ({ attachedVmId, phase: 'IN_USE', ...linked }));
    expect(await move(together.vm, to)).toMatchObject({ __typename: 'MoveVirtualMachinePayload' });
  });

  it('does not count an image that is published to the other project, or is for all', async () => {
    const { seed, data } = site.world;
    const to = await seed.project();
    const ours = await seed.image({ projectId: site.project.uuid });
    const cdroms = [{ imageId: ours.uuid }, { imageId: (await seed.image()).uuid }];
    const vm = await site.machine(place, { spec: { ...SPEC, cdroms } });
    expect(await move(vm, to)).toMatchObject({ code: 'VALIDATION' });
    await data.db.imageShare.create({ data: { imageId: ours.uuid, projectId: to.uuid } });
    expect(await move(vm, to)).toMatchObject({ virtualMachine: { id: vm.id } });
  });

  it('for a taken name, a stale version, a machine at work, or a project that nobody sees', async () => {
    const { seed } = site.world;
    const to = await seed.project();
    const taken = await seed.vm(to);
    expect(await move(await site.machine(place, { name: taken.name }), to)).toMatchObject({
      code: 'ALREADY_EXISTS',
    });
    const vm = await site.machine(place);
    expect(await move(vm, to, { expectedVersion: 9 })).toMatchObject({ code: 'CONFLICT' });
    const user = await seed.user('OPERATOR', {
      username: 'mona',
      projects: { [site.project.uuid]: 'OPERATOR' },
    });
    const input = { id: vm.id, projectId: to.id };
    const asMona = async () => mutate(await site.world.signIn('mona'), 'moveVirtualMachine', input);
    expect(await asMona()).toMatchObject({ code: 'NOT_FOUND', path: ['projectId'] });
    await seed.member(to, user, 'VIEWER');
    expect(await asMona()).toMatchObject({ code: 'FORBIDDEN' });
    await operate(site.admin, 'START', vm.id);
    expect(await move(vm, to)).toMatchObject({ code: 'BUSY' });
    await site.settle(place.agentA);
    expect(await site.row(vm)).toMatchObject({ projectId: site.project.uuid });
  });
});
