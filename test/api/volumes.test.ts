/** Volumes through the API and an agent: made, filled, copied, grown and deleted; what each takes and gives back. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { mutate } from '../support/mutations.js';
import type { Made } from '../support/seed.js';
import { createSite, GIB, type Site, uuidOf } from '../support/storage-site.js';
import { createTestAgent } from '../support/test-agent.js';

let site: Site;
beforeAll(async () => {
  site = await createSite();
});
afterAll(() => site.world.stop());
beforeEach(() => site.failures.clear());
// Whatever a test did, nothing was lost or counted twice.
afterEach(() => site.expectSums());

let count = 0;
const fresh = () => `disk-${++count}`;
const begin = async (input: object = {}) => {
  const base = { projectId: site.project.id, poolId: site.pool.id, name: fresh(), sizeGib: 10 };
  const answer = await site.done('createVolume', { ...base, ...input });
  const id = String(answer.volume?.id);
  return { id, uuid: uuidOf(id), name: String(answer.volume?.name), task: answer.task };
};
const jobOf = async (volume: { id: string }) =>
  (await site.agent.report()).jobs.find(({ volumes }) => volumes[0]?.volumeId === volume.id);
const used = async () => {
  const where = { where: { id: site.project.uuid } };
  const { usedVolumes, usedStorageGib } = await site.world.data.db.project.findUniqueOrThrow(where);
  return { usedVolumes, usedStorageGib };
};
const claimed = async (pool: Made = site.pool) =>
  (await site.world.data.db.storagePool.findUniqueOrThrow({ where: { id: pool.uuid } }))
    .claimedBytes;

describe('a new volume', () => {
  it('is CREATING until its agent has made it, and counted from the beginning', async () => {
    const [usedBefore, claimedBefore] = [await used(), await claimed()];
    const volume = await begin({
      labels: { tier: 'db' },
      qos: { maxIops: 100 },
      deletionProtected: true,
    });
    expect(volume.task).toMatchObject({ operation: 'CREATE_VOLUME', status: 'PENDING' });
    expect(await site.volumeRow(volume)).toMatchObject({
      phase: 'CREATING',
      provisioning: 'THIN',
      deletionProtected: true,
      spec: { source: { type: 'EMPTY' }, accessMode: 'READ_WRITE_ONCE', qos: { maxIops: 100 } },
    });
    expect((await claimed()) - claimedBefore).toBe((10n * GIB) / 4n);
    expect(await used()).toEqual({
      usedVolumes: usedBefore.usedVolumes + 1,
      usedStorageGib: usedBefore.usedStorageGib + 10,
    });
    expect(await jobOf(volume)).toMatchObject({
      operation: 'CREATE_VOLUME',
      storagePoolId: site.pool.id,
      volumes: [
        { sizeBytes: String(10n * GIB), provisioning: 'THIN', sourceType: null, linked: false },
      ],
    });
    await site.settle();
    expect(await site.volumeRow(volume)).toMatchObject({
      phase: 'READY',
      path: `/simulated/${volume.id}`,
      actualSizeBytes: 4n * 2n ** 20n,
    });
    expect(await site.lastTask(volume)).toMatchObject({
      status: 'SUCCEEDED',
      resultType: 'Volume',
      resultId: volume.uuid,
    });
  });

  it('gets what its pool says when its creator does not, and thick ones claim all they hold', async () => {
    const pool = await site.world.seed.pool({
      spec: { defaults: { provisioning: 'THICK_EAGER', accessMode: 'READ_WRITE_MANY' } },
    });
    const volume = await begin({ poolId: pool.id });
    expect(await site.volumeRow(volume)).toMatchObject({
      provisioning: 'THICK_EAGER',
      claimedBytes: 10n * GIB,
      spec: { accessMode: 'READ_WRITE_MANY' },
    });
    await site.settle();
  });

  it('that could not be made is ERROR with the reason, stays counted, and can be deleted', async () => {
    site.failures.set('CREATE_VOLUME', 'lvcreate: no free extents');
    const before = await used();
    const volume = await begin();
    await site.settle();
    expect(await site.volumeRow(volume)).toMatchObject({
      phase: 'ERROR',
      errorMessage: 'lvcreate: no free extents',
    });
    expect(await site.lastTask(volume)).toMatchObject({ status: 'FAILED' });
    expect((await used()).usedVolumes).toBe(before.usedVolumes + 1);
    await site.done('deleteVolume', { id: volume.id });
    await site.settle();
    expect(await site.volumeRow(volume)).toBeNull();
    expect(await used()).toEqual(before);
  });

  it('that is cancelled goes away with all it claimed once its agent has stopped', async () => {
    const before = [await used(), await claimed()];
    const volume = await begin();
    const cancelled = await site.done('cancelTask', { id: volume.task?.id });
    expect(cancelled).toMatchObject({ task: { cancelRequested: true, status: 'PENDING' } });
    const { jobs } = await site.agent.report();
    expect(jobs).toMatchObject([{ operation: 'CREATE_VOLUME', cancel: true }]);
    const said = { taskId: String(volume.task?.id), status: 'CANCELLED' } as const;
    await site.agent.report({ jobs: [said] });
    expect(await site.volumeRow(volume)).toBeNull();
    expect(await site.lastTask(volume)).toMatchObject({ status: 'CANCELLED', volumeId: null });
    expect([await used(), await claimed()]).toEqual(before);
  });

  it('that is protected stays, of no use, when it is cancelled: no path deletes it', async () => {
    const volume = await begin();
    await site.done('updateVolume', { id: volume.id, deletionProtected: true });
    await site.done('cancelTask', { id: volume.task?.id });
    const said = { taskId: String(volume.task?.id), status: 'CANCELLED' } as const;
    await site.agent.report({ jobs: [said] });
    expect(await site.volumeRow(volume)).toMatchObject({ phase: 'ERROR', deletionProtected: true });
    const many = { ids: [volume.id], mode: 'ATOMIC' };
    expect(await site.ask('bulkDeleteVolumes', many)).toMatchObject({
      results: [{ outcome: { code: 'PROTECTED' } }],
    });
    await site.done('bulkUpdateVolumes', { ids: [volume.id], deletionProtected: false });
    await site.done('bulkDeleteVolumes', many);
    await site.settle();
    expect(await site.volumeRow(volume)).toBeNull();
  });

  it('that nobody makes any more, as an earlier release left it, can be deleted; so can one that nobody deletes', async () => {
    for (const phase of ['CREATING', 'DELETING'] as const) {
      const left = await site.world.seed.claimedVolume(site.project, site.pool, { phase });
      await site.done('deleteVolume', { id: left.id });
      expect(await site.ask('deleteVolume', { id: left.id })).toMatchObject({ code: 'BUSY' });
      await site.settle();
      expect(await site.volumeRow(left)).toBeNull();
    }
  });

  it('whose nodes never return is forgotten when an administrator forces it, and not before', async () => {
    const { seed } = site.world;
    const dead = await seed.node(site.cluster, { phase: 'DISCONNECTED' });
    const pool = await seed.pool({ assignedNodeIds: [dead.uuid] });
    const lost = await seed.claimedVolume(site.project, pool);
    const user = await seed.user('OPERATOR', { projects: { [site.project.uuid]: 'OPERATOR' } });
    const operator = await site.world.signIn(user.name);
    const forced = { id: lost.id, force: true };
    const forbidden = { code: 'FORBIDDEN', permission: 'storage:delete' };
    expect(await mutate(operator, 'deleteVolume', forced)).toMatchObject(forbidden);
    expect(await site.ask('deleteVolume', { id: lost.id })).toMatchObject({
      code: 'NO_SUITABLE_NODE',
    });
    const before = await used();
    expect(await site.ask('deleteVolume', forced)).toMatchObject({
      deletedVolumeId: lost.id,
      task: null,
    });
    expect(await site.volumeRow(lost)).toBeNull();
    expect(await used()).toEqual({
      usedVolumes: before.usedVolumes - 1,
      usedStorageGib: before.usedStorageGib - 10,
    });
    const where = { resourceId: lost.uuid, action: 'volume.delete', status: 'SUCCEEDED' } as const;
    const [entry, ...others] = await site.world.data.db.auditEntry.findMany({ where });
    expect(others).toEqual([]);
    expect(entry).toMatchObject({ username: 'ada', details: { after: null } });
    // Where a node can do it, force leaves nothing behind.
    const volume = await begin();
    await site.settle();
    expect(await site.ask('deleteVolume', { id: volume.id, force: true })).toMatchObject({
      task: { operation: 'DELETE_VOLUME' },
    });
    await site.settle();
  });

  it('that is cancelled too late is there all the same', async () => {
    const volume = await begin();
    await site.agent.report();
    await site.done('cancelTask', { id: volume.task?.id });
    await site.agent.report();
    expect(await site.volumeRow(volume)).toMatchObject({ phase: 'READY' });
    expect(await site.lastTask(volume)).toMatchObject({ status: 'SUCCEEDED' });
  });

  it('whose agent does not answer in time is ERROR', async () => {
    const volume = await begin();
    await site.expire();
    expect(await site.volumeRow(volume)).toMatchObject({ phase: 'ERROR' });
    expect(await site.lastTask(volume)).toMatchObject({ status: 'TIMED_OUT' });
    expect((await site.agent.report()).jobs).toEqual([]);
  });

  it('is made once, by an agent that was killed in between, too', async () => {
    const volume = await begin();
    await site.agent.report();
    site.agent.restart();
    expect((await site.agent.report()).jobs).toMatchObject([{ operation: 'CREATE_VOLUME' }]);
    await site.agent.report();
    expect(await site.volumeRow(volume)).toMatchObject({ phase: 'READY' });
  });

  it('is made once by a request that is repeated with its key', async () => {
    const input = {
      projectId: site.project.id,
      poolId: site.pool.id,
      name: fresh(),
      sizeGib: 1,
      idempotencyKey: 'the-same',
    };
    const first = await site.done('createVolume', input);
    const second = await site.done('createVolume', input);
    expect(second.volume?.id).toBe(first.volume?.id);
    await site.settle();
  });

  it('is refused where quota, pool or input do not allow it, and nothing is taken', async () => {
    const { seed } = site.world;
    const small = await seed.project({ quota: { storageGib: 5, volumes: 1 } });
    const create = (input: object) =>
      site.ask('createVolume', {
        projectId: small.id,
        poolId: site.pool.id,
        name: fresh(),
        sizeGib: 1,
        ...input,
      });
    const before = await claimed();
    expect(await create({ sizeGib: 6 })).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      resource: 'storageGib',
    });
    expect(await create({ sizeGib: 4001 })).toMatchObject({ code: 'POOL_EXHAUSTED' });
    expect(await create({ sizeGib: null })).toMatchObject({ path: ['sizeGib'] });
    expect(await create({ sizeGib: 0 })).toMatchObject({ path: ['sizeGib'] });
    expect(await create({ sizeBytes: '1' })).toMatchObject({ path: ['sizeBytes'] });
    expect(await create({ source: {} })).toMatchObject({ code: 'VALIDATION', path: ['source'] });
    const pending = await seed.pool({ phase: 'PENDING' });
    expect(await create({ poolId: pending.id })).toMatchObject({
      code: 'INVALID_STATE',
      current: 'PENDING',
    });
    const foreign = await seed.pool({ projectId: site.project.uuid });
    expect(await create({ poolId: foreign.id })).toMatchObject({
      code: 'VALIDATION',
      path: ['poolId'],
    });
    const away = await seed.node(site.cluster, { phase: 'DISCONNECTED' });
    const unreachable = await seed.pool({ assignedNodeIds: [away.uuid] });
    expect(await create({ poolId: unreachable.id })).toMatchObject({ code: 'NO_SUITABLE_NODE' });
    expect(await claimed()).toBe(before);
  });

  it('with a name that its pool has already is told so', async () => {
    const volume = await begin();
    const again = { projectId: site.project.id, poolId: site.pool.id, sizeGib: 1 };
    expect(await site.ask('createVolume', { ...again, name: volume.name })).toMatchObject({
      code: 'ALREADY_EXISTS',
    });
    await site.settle();
  });
});

describe('a volume from an image', () => {
  it('is as large as the image needs, and its job says what to copy', async () => {
    const { seed } = site.world;
    const image = await seed.image({ minDiskGib: 8, sizeBytes: 9n * GIB + 1n });
    const volume = await begin({ sizeGib: null, source: { imageId: image.id } });
    expect(await site.volumeRow(volume)).toMatchObject({ sizeBytes: 10n * GIB, parentId: null });
    expect(await jobOf(volume)).toMatchObject({
      volumes: [{ sourceType: 'IMAGE', sourceId: image.id, linked: false }],
    });
    await site.settle();
  });

  it('needs one that is AVAILABLE, no ISO, large enough a size, and open to its project', async () => {
    const { seed, data } = site.world;
    const create = (image: Made, input: object = {}) =>
      site.ask('createVolume', {
        projectId: site.project.id,
        poolId: site.pool.id,
        name: fresh(),
        source: { imageId: image.id },
        ...input,
      });
    const failed = await seed.image({ phase: 'ERROR', errorMessage: 'checksum' });
    expect(await create(failed)).toMatchObject({ code: 'INVALID_STATE', current: 'ERROR' });
    const iso = await seed.image({ format: 'ISO' });
    expect(await create(iso)).toMatchObject({ path: ['source', 'imageId'] });
    const large = await seed.image({ minDiskGib: 20 });
    expect(await create(large, { sizeGib: 19 })).toMatchObject({ path: ['sizeGib'] });
    const other = await seed.project();
    const foreign = await seed.image({ projectId: other.uuid });
    expect(await create(foreign)).toMatchObject({
      code: 'VALIDATION',
      path: ['source', 'imageId'],
    });
    await data.db.imageShare.create({
      data: { imageId: foreign.uuid, projectId: site.project.uuid },
    });
    expect(await create(foreign, { dryRun: true })).toMatchObject({ dryRun: true });
    const elsewhere = await seed.image({ poolId: (await seed.pool()).uuid });
    expect(
      await create(elsewhere, { source: { imageId: elsewhere.id, linked: true } }),
    ).toMatchObject({ path: ['poolId'] });
  });
});

describe('a copy of a volume', () => {
  it('that is FULL holds its source until it is whole, and then stands alone', async () => {
    const source = await site.volume(fresh(), { sizeGib: 3 });
    const { volume } = await site.done('cloneVolume', {
      id: source.id,
      name: fresh(),
      mode: 'FULL',
    });
    const copy = { id: String(volume?.id), uuid: uuidOf(volume?.id) };
    expect(await site.volumeRow(copy)).toMatchObject({
      sizeBytes: 3n * GIB,
      parentId: source.uuid,
    });
    expect(await site.ask('deleteVolume', { id: source.id })).toMatchObject({
      code: 'IN_USE',
      usedBy: [{ type: 'Volume', count: 1, names: [volume?.name] }],
    });
    expect(await site.ask('growVolume', { id: source.id, sizeGib: 4 })).toMatchObject({
      code: 'BUSY',
      operation: 'CREATE_VOLUME',
    });
    expect(await jobOf(copy)).toMatchObject({
      volumes: [{ sourceType: 'VOLUME', sourceId: source.id, linked: false }],
    });
    await site.settle();
    expect(await site.volumeRow(copy)).toMatchObject({ phase: 'READY', parentId: null });
    await site.done('deleteVolume', { id: source.id });
    await site.settle();
    expect(await site.volumeRow(source)).toBeNull();
  });

  it('that is LINKED keeps its source for good', async () => {
    const source = await site.volume(fresh());
    const link = { id: source.id, name: fresh(), mode: 'LINKED' };
    const { volume } = await site.done('cloneVolume', link);
    const copy = { id: String(volume?.id), uuid: uuidOf(volume?.id) };
    expect((await jobOf(copy))?.volumes).toMatchObject([{ linked: true, provisioning: 'THIN' }]);
    await site.settle();
    expect(await site.volumeRow(copy)).toMatchObject({ phase: 'READY', parentId: source.uuid });
    expect(await site.ask('deleteVolume', { id: source.id })).toMatchObject({ code: 'IN_USE' });
    expect(await site.volumeRow(source)).toMatchObject({ phase: 'READY' });
    await site.done('deleteVolume', { id: copy.id });
    await site.settle();
    await site.done('deleteVolume', { id: source.id });
    await site.settle();
    expect(await site.volumeRow(source)).toBeNull();
  });

  it('to another pool is a job of a node that has both', async () => {
    const { seed } = site.world;
    const second = await seed.node(site.cluster, { hostname: `second-${fresh()}` });
    const agent = await createTestAgent(site.world, second, { clock: site.clock.source });
    const source = await site.volume(fresh());
    const there = await seed.pool({ assignedNodeIds: [second.uuid] });
    const copy = { id: source.id, name: fresh(), mode: 'FULL', poolId: there.id };
    expect(await site.ask('cloneVolume', { ...copy, mode: 'LINKED' })).toMatchObject({
      code: 'VALIDATION',
      path: ['poolId'],
    });
    await site.done('cloneVolume', copy);
    const { jobs } = await agent.report();
    const pools = JSON.parse(jobs[0]?.poolConfiguration ?? '') as { storagePoolId: string }[];
    expect(pools.map(({ storagePoolId }) => storagePoolId).sort()).toEqual(
      [there.id, site.pool.id].sort(),
    );
    await agent.report();
    await site.world.data.db.node.update({
      where: { id: second.uuid },
      data: { phase: 'DISCONNECTED' },
    });
  });

  it('needs a READY source', async () => {
    const { seed } = site.world;
    const vm = await seed.vm(site.project);
    const attached = { phase: 'IN_USE', attachedVmId: vm.uuid } as const;
    const volume = await seed.claimedVolume(site.project, site.pool, attached);
    const copy = { id: volume.id, name: fresh(), mode: 'FULL' };
    expect(await site.ask('cloneVolume', copy)).toMatchObject({
      code: 'INVALID_STATE',
      current: 'IN_USE',
    });
  });

  it('as a snapshot holds it says so to the agent', async () => {
    const { seed } = site.world;
    const vm = await seed.vm(site.project);
    const attached = { phase: 'IN_USE', attachedVmId: vm.uuid } as const;
    const held = await seed.claimedVolume(site.project, site.pool, attached);
    const snapshot = await seed.snapshot(vm);
    const source = { volumeId: held.id, snapshotId: snapshot.id };
    const volume = await begin({ source });
    expect(await jobOf(volume)).toMatchObject({
      snapshotId: snapshot.id,
      volumes: [{ sourceType: 'SNAPSHOT', sourceId: held.id }],
    });
    const { data } = await site.admin.answer(
      'query($id: ID!) { volume(id: $id) { spec { source { type sourceId } } } }',
      { id: volume.id },
    );
    expect(data).toEqual({
      volume: { spec: { source: { type: 'SNAPSHOT', sourceId: snapshot.id } } },
    });
    const elsewhere = await seed.snapshot(await seed.vm(site.project));
    expect(
      await site.ask('createVolume', {
        projectId: site.project.id,
        poolId: site.pool.id,
        name: fresh(),
        source: { volumeId: held.id, snapshotId: elsewhere.id },
      }),
    ).toMatchObject({ code: 'VALIDATION', path: ['source', 'snapshotId'] });
    await site.settle();
  });
});

describe('growing', () => {
  it('claims at once, is RESIZING meanwhile, and ends with the new size', async () => {
    const volume = await site.volume(fresh());
    const before = await claimed();
    const { task } = await site.done('growVolume', { id: volume.id, sizeGib: 30 });
    expect(task).toMatchObject({ operation: 'GROW_VOLUME' });
    expect(await site.volumeRow(volume)).toMatchObject({
      phase: 'RESIZING',
      sizeBytes: 10n * GIB,
    });
    expect((await claimed()) - before).toBe((20n * GIB) / 4n);
    await site.expectSums();
    expect(await site.ask('growVolume', { id: volume.id, sizeGib: 40 })).toMatchObject({
      code: 'BUSY',
      taskId: task?.id,
    });
    expect(await site.ask('deleteVolume', { id: volume.id })).toMatchObject({ code: 'BUSY' });
    expect(await site.ask('cancelTask', { id: task?.id })).toMatchObject({
      code: 'INVALID_STATE',
    });
    expect((await jobOf(volume))?.volumes).toMatchObject([{ sizeBytes: String(30n * GIB) }]);
    await site.settle();
    expect(await site.volumeRow(volume)).toMatchObject({ phase: 'READY', sizeBytes: 30n * GIB });
  });

  it.each(['fails', 'times out'])(
    'that %s gives back what it claimed, and the volume is usable',
    async (how) => {
      const volume = await site.volume(fresh());
      const before = [await used(), await claimed()];
      site.failures.set('GROW_VOLUME', 'disk is full');
      await site.done('growVolume', { id: volume.id, sizeGib: 30 });
      await (how === 'fails' ? site.settle() : site.expire());
      expect(await site.volumeRow(volume)).toMatchObject({
        phase: 'READY',
        sizeBytes: 10n * GIB,
        errorMessage: expect.stringContaining('It did not grow'),
      });
      expect([await used(), await claimed()]).toEqual(before);
      await site.settle();
    },
  );

  it('needs more than there is, in the pool, in the quota and of the caller', async () => {
    const volume = await site.volume(fresh());
    const grow = (input: object) => site.ask('growVolume', { id: volume.id, ...input });
    expect(await grow({ sizeGib: 10 })).toMatchObject({ code: 'VALIDATION', path: ['sizeGib'] });
    expect(await grow({ sizeGib: 9 })).toMatchObject({ code: 'VALIDATION' });
    expect(await grow({})).toMatchObject({ code: 'VALIDATION' });
    expect(await grow({ sizeBytes: String(GIB) })).toMatchObject({ path: ['sizeBytes'] });
    expect(await grow({ sizeGib: 65_536 })).toMatchObject({ code: 'POOL_EXHAUSTED' });
    const where = { where: { id: site.project.uuid } };
    const { usedStorageGib } = await used();
    const quota = { storageGib: usedStorageGib + 5 };
    await site.world.data.db.project.update({ ...where, data: { quota } });
    expect(await grow({ sizeGib: 16 })).toMatchObject({ code: 'QUOTA_EXCEEDED' });
    await site.world.data.db.project.update({ ...where, data: { quota: {} } });
  });

  it('of an attached one is a job of its machine’s node, and keeps the machine busy', async () => {
    const { seed } = site.world;
    const { cluster, project, pool, node } = site;
    await seed.node(cluster, { hostname: `a-${fresh()}` }); // less busy, and first by name
    const running = { powerState: 'RUNNING', desiredState: 'RUNNING' } as const;
    const vm = await seed.vm(project, { ...running, cluster, node, claimed: true });
    const attached = { phase: 'IN_USE', attachedVmId: vm.uuid } as const;
    const volume = await seed.claimedVolume(project, pool, attached);
    await site.done('growVolume', { id: volume.id, sizeGib: 20 });
    expect(await site.lastTask(volume)).toMatchObject({
      nodeId: node.uuid,
      virtualMachineId: vm.uuid,
    });
    expect(await site.ask('stopVirtualMachine', { id: vm.id })).toMatchObject({
      code: 'BUSY',
      operation: 'GROW_VOLUME',
    });
    expect(await jobOf(volume)).toMatchObject({ virtualMachineId: vm.id });
    await site.settle();
    expect(await site.volumeRow(volume)).toMatchObject({ phase: 'IN_USE', sizeBytes: 20n * GIB });

    const where = { where: { id: node.uuid } };
    await site.world.data.db.node.update({ ...where, data: { phase: 'NOT_READY' } });
    expect(await site.ask('growVolume', { id: volume.id, sizeGib: 30 })).toMatchObject({
      code: 'NO_SUITABLE_NODE',
      verdicts: [{ hostname: 'alone', reasons: ['is NOT_READY'] }],
    });
    await site.world.data.db.node.update({ ...where, data: { phase: 'READY' } });
    await site.world.data.db.node.deleteMany({ where: { hostname: { startsWith: 'a-' } } });
  });
});

describe('deleting', () => {
  it('takes the content first, then the row and all that it claimed', async () => {
    const before = [await used(), await claimed()];
    const volume = await site.volume(fresh());
    const answer = await site.done('deleteVolume', { id: volume.id });
    expect(answer).toMatchObject({
      deletedVolumeId: volume.id,
      task: { operation: 'DELETE_VOLUME' },
    });
    expect(await site.volumeRow(volume)).toMatchObject({ phase: 'DELETING' });
    const late = { id: volume.id, deletionProtected: true };
    expect(await site.ask('updateVolume', late)).toMatchObject({ code: 'BUSY' });
    await site.settle();
    expect(await site.volumeRow(volume)).toBeNull();
    expect([await used(), await claimed()]).toEqual(before);
  });

  it('that fails leaves it in ERROR, with the reason, to be deleted again', async () => {
    const volume = await site.volume(fresh());
    site.failures.set('DELETE_VOLUME', 'device is busy');
    await site.done('deleteVolume', { id: volume.id });
    await site.settle();
    expect(await site.volumeRow(volume)).toMatchObject({
      phase: 'ERROR',
      errorMessage: 'device is busy',
    });
    site.failures.clear();
    await site.done('deleteVolume', { id: volume.id });
    await site.settle();
    expect(await site.volumeRow(volume)).toBeNull();
  });

  it('is refused for one that is protected, attached, or held by snapshots', async () => {
    const { seed } = site.world;
    const { project, pool } = site;
    const vm = await seed.vm(project);
    const attempt = async (data: object) => {
      const volume = await seed.claimedVolume(project, pool, data);
      return site.ask('deleteVolume', { id: volume.id });
    };
    expect(await attempt({ deletionProtected: true })).toMatchObject({ code: 'PROTECTED' });
    const attachedVmId = vm.uuid;
    expect(await attempt({ phase: 'IN_USE', attachedVmId })).toMatchObject({
      code: 'INVALID_STATE',
      current: 'IN_USE',
    });
    expect(await attempt({ phase: 'ERROR', attachedVmId })).toMatchObject({
      code: 'IN_USE',
      usedBy: [{ type: 'VirtualMachine', count: 1, names: [vm.name] }],
    });
    expect(await attempt({ snapshotCount: 2 })).toMatchObject({
      code: 'IN_USE',
      usedBy: [{ type: 'VirtualMachineSnapshot', count: 2, names: [] }],
    });
  });
});

it('an edit changes what is given, and refuses an old version', async () => {
  const volume = await site.volume(fresh());
  const edit = { id: volume.id, name: fresh(), qos: { maxIops: 7 }, deletionProtected: true };
  expect(await site.done('updateVolume', { ...edit, expectedVersion: 1 })).toMatchObject({
    volume: {
      name: edit.name,
      version: 2,
      spec: { qos: { maxIops: 7 }, accessMode: 'READ_WRITE_ONCE' },
    },
  });
  expect(
    await site.ask('updateVolume', { id: volume.id, labels: {}, expectedVersion: 1 }),
  ).toMatchObject({ code: 'CONFLICT' });
});

it('what a member of another project may not see is not found, wherever it is named', async () => {
  const { seed } = site.world;
  const mine = await seed.project();
  await seed.user('OPERATOR', { username: 'olga', projects: { [mine.uuid]: 'OPERATOR' } });
  const olga = await site.world.signIn('olga');
  const volume = await seed.claimedVolume(site.project, site.pool);
  const [hiddenPool, hiddenImage] = [
    await seed.pool({ projectId: site.project.uuid }),
    await seed.image({ projectId: site.project.uuid }),
  ];
  const create = (input: object) =>
    mutate(olga, 'createVolume', {
      projectId: mine.id,
      poolId: site.pool.id,
      name: fresh(),
      sizeGib: 1,
      ...input,
    });
  const missing = (type: string, path: string[]) => ({
    code: 'NOT_FOUND',
    resourceType: type,
    path,
  });
  expect(await create({ poolId: hiddenPool.id })).toMatchObject(missing('StoragePool', ['poolId']));
  expect(await create({ source: { volumeId: volume.id } })).toMatchObject(
    missing('Volume', ['source', 'volumeId']),
  );
  expect(await create({ source: { imageId: hiddenImage.id } })).toMatchObject(
    missing('Image', ['source', 'imageId']),
  );
});
