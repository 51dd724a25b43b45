/** Storage pools through the API: declared, connected and measured by an agent, changed, assigned to nodes, deleted. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestApp } from '../support/app.js';
import { mutate } from '../support/mutations.js';
import { createSite, GIB, type Site, uuidOf } from '../support/storage-site.js';
import { createTestAgent } from '../support/test-agent.js';

const PASSWORD = 'chap-päss wörd ☃';
const ISCSI = {
  portal: '192.0.2.20:3260',
  target: 'iqn.2026-01.test:one',
  lun: 3,
  chapUser: 'quantix',
  chapPassword: PASSWORD,
};

let site: Site;
beforeAll(async () => {
  site = await createSite();
});
afterAll(() => site.world.stop());
beforeEach(() => site.failures.clear());

let count = 0;
const fresh = () => `declared-${++count}`;
const nfs = { poolType: 'NFS', nfs: { server: 'nfs.example.test', exportPath: '/vm' } };
const row = (id: unknown) =>
  site.world.data.db.storagePool.findUniqueOrThrow({ where: { id: uuidOf(id) } });
const create = async (input: object = {}) => {
  const { storagePool } = await site.done('createStoragePool', { name: fresh(), ...nfs, ...input });
  return { id: String(storagePool?.id), uuid: uuidOf(storagePool?.id) };
};

describe('a new pool', () => {
  it('is PENDING until an agent has connected it, then READY with what the agent measured', async () => {
    const answer = await site.done('createStoragePool', {
      name: fresh(),
      ...nfs,
      defaults: { provisioning: 'THICK_LAZY' },
      qos: { maxIops: 500, maxThroughputBytes: '1000000' },
      labels: { tier: 'gold' },
    });
    expect(answer).toMatchObject({
      storagePool: { phase: 'PENDING', capacityBytes: '0', labels: { tier: 'gold' } },
      task: { operation: 'PREPARE_POOL', status: 'PENDING' },
    });
    const id = answer.storagePool?.id;
    const { jobs } = await site.agent.report();
    expect(jobs).toMatchObject([{ operation: 'PREPARE_POOL', storagePoolId: id, cancel: false }]);
    expect(JSON.parse(jobs[0]?.poolConfiguration ?? '')).toEqual([
      { storagePoolId: id, poolType: 'NFS', server: 'nfs.example.test', exportPath: '/vm' },
    ]);
    await site.agent.report();
    expect(await row(id)).toMatchObject({
      phase: 'READY',
      capacityBytes: 10n * 2n ** 40n,
      availableBytes: 10n * 2n ** 40n,
      spec: {
        defaults: { provisioning: 'THICK_LAZY' },
        qos: { maxIops: 500, maxThroughputBytes: 1_000_000 },
      },
    });
  });

  it('is ERROR with the words of an agent that could not, and READY when it is prepared again', async () => {
    site.failures.set('PREPARE_POOL', 'mount.nfs: no route to host');
    const pool = await create();
    await site.settle();
    expect(await row(pool.id)).toMatchObject({
      phase: 'ERROR',
      errorMessage: 'mount.nfs: no route to host',
    });
    site.failures.clear();
    const again = await site.done('prepareStoragePool', { id: pool.id });
    expect(again).toMatchObject({ storagePool: { phase: 'PENDING', errorMessage: '' } });
    expect(await site.ask('prepareStoragePool', { id: pool.id })).toMatchObject({ code: 'BUSY' });
    await site.settle();
    expect(await row(pool.id)).toMatchObject({ phase: 'READY' });
  });

  it('is ERROR when no agent answers in time; one that worked before stays READY', async () => {
    const pool = await create();
    await site.expire();
    expect(await row(pool.id)).toMatchObject({
      phase: 'ERROR',
      errorMessage: expect.stringContaining('not finished by'),
    });
    await site.done('prepareStoragePool', { id: site.pool.id });
    await site.expire();
    expect(await row(site.pool.id)).toMatchObject({ phase: 'READY' });
  });

  it('survives that the agent is killed while it connects it', async () => {
    const pool = await create();
    await site.agent.report();
    site.agent.restart();
    await site.settle();
    expect(await row(pool.id)).toMatchObject({ phase: 'READY' });
  });

  it('needs a node that could connect it: else it says of each why not, and nothing is written', async () => {
    const away = await site.world.seed.node(site.cluster, { phase: 'DISCONNECTED' });
    const before = await site.world.data.db.storagePool.count();
    expect(
      await site.ask('createStoragePool', { name: fresh(), ...nfs, nodeIds: [away.id] }),
    ).toMatchObject({ code: 'NO_SUITABLE_NODE' });
    expect(await site.world.data.db.storagePool.count()).toBe(before);
  });

  it.each([
    ['without its backend', { poolType: 'NFS' }, ['nfs']],
    ['with another backend', { ...nfs, lvm: { volumeGroup: 'vg' } }, ['lvm']],
    ['local without a node', { poolType: 'LOCAL_LVM', lvm: { volumeGroup: 'vg' } }, ['nodeIds']],
    [
      'with a relative path',
      { poolType: 'NFS', nfs: { server: 'nfs', exportPath: 'vm' } },
      ['nfs', 'exportPath'],
    ],
    [
      'with a password of nobody',
      { poolType: 'ISCSI', iscsi: { ...ISCSI, chapUser: null } },
      ['iscsi', 'chapUser'],
    ],
  ])('%s is refused with the path of the culprit', async (_, input, path) => {
    expect(await site.ask('createStoragePool', { name: fresh(), ...input })).toMatchObject({
      code: 'VALIDATION',
      path,
    });
  });

  it('with a name that is taken is told so', async () => {
    expect(await site.ask('createStoragePool', { name: site.pool.name, ...nfs })).toMatchObject({
      code: 'ALREADY_EXISTS',
    });
  });
});

describe('the secret of a pool', () => {
  it('is kept encrypted, is in no answer and no audit entry, and reaches the agent of its node', async () => {
    const node = await site.world.seed.node(site.cluster);
    const other = await site.world.seed.node(site.cluster);
    const agent = await createTestAgent(site.world, node);
    const stranger = await createTestAgent(site.world, other);
    const answer = await site.ask('createStoragePool', {
      name: fresh(),
      poolType: 'ISCSI',
      iscsi: ISCSI,
      nodeIds: [node.id],
    });
    expect(JSON.stringify(answer)).not.toContain(PASSWORD);
    const { storagePool } = answer as unknown as { storagePool: Record<string, unknown> };
    expect(storagePool).toMatchObject({ spec: { backend: { chapPasswordSet: true } } });
    const stored = await row(storagePool.id);
    expect(JSON.stringify(stored.spec)).not.toContain(PASSWORD);
    const entries = await site.world.data.db.auditEntry.findMany({
      where: { resourceId: stored.id },
    });
    const audited = JSON.stringify(entries.map(({ details }) => details));
    const { chapPassword } = (stored.spec as { backend: { chapPassword: string } }).backend;
    expect(audited).toContain('quantix');
    expect(audited).not.toContain(chapPassword);
    expect(audited).not.toContain(PASSWORD);

    expect((await stranger.report()).jobs).toEqual([]);
    const { jobs } = await agent.report();
    expect(JSON.parse(jobs[0]?.poolConfiguration ?? '')).toMatchObject([
      { poolType: 'ISCSI', lun: 3, chapUser: 'quantix', chapPassword: PASSWORD },
    ]);
  });

  it('is not kept with the idempotency key of a report', async () => {
    const node = await site.world.seed.node(site.cluster);
    const agent = await createTestAgent(site.world, node);
    const pool = { name: fresh(), poolType: 'ISCSI', iscsi: ISCSI, nodeIds: [node.id] };
    await site.done('createStoragePool', pool);
    const client = site.world.withToken(agent.token);
    const input = { ...agent.draft(), idempotencyKey: 'once' };
    const first = await client.answer<{ reportNode: { jobs: object[] } }, object>(
      'mutation($input: ReportNodeInput!) { reportNode(input: $input) { ... on ReportNodePayload { jobs { taskId poolConfiguration } } } }',
      { input },
    );
    expect(JSON.stringify(first.data)).toContain('chap-p');
    const keys = await site.world.data.db.idempotencyKey.findMany({ where: { key: 'once' } });
    expect(keys).toHaveLength(1);
    expect(JSON.stringify(keys)).not.toContain('chap-p');
  });

  it('is replaced and taken away; the rest of the backend stays', async () => {
    const pool = await create({ poolType: 'ISCSI', nfs: null, iscsi: ISCSI });
    const before = (await row(pool.id)).spec as { backend: object };
    await site.done('updateStoragePool', { id: pool.id, chapPassword: 'another' });
    const { jobs } = await site.agent.report();
    const job = jobs.find(({ storagePoolId }) => storagePoolId === pool.id);
    expect(job?.poolConfiguration).toContain('"chapPassword":"another"');
    await site.done('updateStoragePool', { id: pool.id, chapPassword: null });
    const { chapPassword: _, ...rest } = before.backend as { chapPassword: string };
    expect((await row(pool.id)).spec).toMatchObject({ backend: rest });
    expect(JSON.stringify((await row(pool.id)).spec)).not.toContain('chapPassword');
    await site.settle();
    expect(
      await site.ask('updateStoragePool', { id: site.pool.id, chapPassword: 'x' }),
    ).toMatchObject({ code: 'VALIDATION', path: ['chapPassword'] });
  });

  it('that was tampered with fails its job with a reason, and the node goes on reporting', async () => {
    const pool = await create({ poolType: 'ISCSI', nfs: null, iscsi: ISCSI });
    await site.world.data.db.$executeRaw`
      UPDATE storage_pools SET spec = jsonb_set(spec, '{backend,chapPassword}', '"not what it was"') WHERE id = ${pool.uuid}::uuid`;
    const { jobs } = await site.agent.report();
    expect(jobs.filter(({ storagePoolId }) => storagePoolId === pool.id)).toEqual([]);
    expect(await site.lastTask(pool)).toMatchObject({ status: 'FAILED', errorCode: 'SECRET' });
    expect(await row(pool.id)).toMatchObject({
      phase: 'ERROR',
      errorMessage: expect.stringContaining('A secret of its storage pool cannot be used'),
    });
  });

  it('is refused in production as long as there is no key, and the refusal says what to set', async () => {
    const { data, seed } = site.world;
    const production = await createTestApp({ data, config: { mode: 'production' } });
    const { name } = await seed.user('ADMIN');
    const client = await production.signIn(name);
    const pool = { name: fresh(), poolType: 'ISCSI' };
    expect(await mutate(client, 'createStoragePool', { ...pool, iscsi: ISCSI })).toMatchObject({
      code: 'NOT_CONFIGURED',
      setting: 'auth.encryption_key_file',
    });
    const secret = { id: (await create({ poolType: 'ISCSI', nfs: null, iscsi: ISCSI })).id };
    expect(
      await mutate(client, 'updateStoragePool', { ...secret, chapPassword: 'another secret' }),
    ).toMatchObject({ code: 'NOT_CONFIGURED', setting: 'auth.encryption_key_file' });
    const open = { ...ISCSI, chapUser: null, chapPassword: null };
    expect(await mutate(client, 'createStoragePool', { ...pool, iscsi: open })).toMatchObject({
      __typename: 'CreateStoragePoolPayload',
    });
    await production.stop();
    await site.settle();
  });
});

describe('changing and deleting', () => {
  it('an edit replaces what is given, and refuses an old version', async () => {
    const pool = await create({ description: 'old', qos: { maxIops: 5 } });
    await site.settle();
    const { storagePool } = await site.done('updateStoragePool', {
      id: pool.id,
      description: 'new',
      defaults: { accessMode: 'READ_WRITE_MANY' },
      expectedVersion: 1,
    });
    expect(storagePool).toMatchObject({
      description: 'new',
      version: 2,
      spec: {
        backend: { server: 'nfs.example.test' },
        defaults: { accessMode: 'READ_WRITE_MANY', provisioning: null },
        qos: { maxIops: 5 },
      },
    });
    const stale = { id: pool.id, labels: {}, expectedVersion: 1 };
    expect(await site.ask('updateStoragePool', stale)).toMatchObject({ code: 'CONFLICT' });
  });

  it('one with volumes or images is not deleted, and says what is in it', async () => {
    const { seed } = site.world;
    const pool = await seed.pool();
    await seed.image({ name: 'kept', poolId: pool.uuid });
    await seed.volume(site.project, pool, { name: 'kept-too' });
    expect(await site.ask('deleteStoragePool', { id: pool.id })).toMatchObject({
      code: 'IN_USE',
      usedBy: [
        { type: 'Volume', count: 1, names: ['kept-too'] },
        { type: 'Image', count: 1, names: ['kept'] },
      ],
    });
    const { db } = site.world.data;
    await db.volume.deleteMany({ where: { poolId: pool.uuid } });
    await db.image.deleteMany({ where: { poolId: pool.uuid } });
    await site.done('deleteStoragePool', { id: pool.id });
    expect(await db.storagePool.count({ where: { id: pool.uuid } })).toBe(0);
  });

  it('one that is being prepared is busy', async () => {
    const pool = await create();
    expect(await site.ask('deleteStoragePool', { id: pool.id })).toMatchObject({
      code: 'BUSY',
      operation: 'PREPARE_POOL',
    });
    await site.settle();
  });
});

describe('the nodes of a pool', () => {
  it('are added, and taken away as long as one keeps it', async () => {
    const { seed } = site.world;
    const [a, b] = [await seed.node(site.cluster), await seed.node(site.cluster)];
    const pool = await seed.pool({ assignedNodeIds: [a.uuid] });
    const assigned = (nodes: { id: string }[]) => ({
      storagePool: { assignedNodeIds: nodes.map(({ id }) => id) },
    });
    const both = { id: pool.id, nodeIds: [b.id, b.id] };
    expect(await site.done('assignStoragePoolNodes', both)).toMatchObject(assigned([a, b]));
    const one = { id: pool.id, nodeIds: [a.id] };
    expect(await site.done('unassignStoragePoolNodes', one)).toMatchObject(assigned([b]));
    expect(await site.done('unassignStoragePoolNodes', one)).toMatchObject(assigned([b]));
    const last = { id: pool.id, nodeIds: [b.id] };
    expect(await site.ask('unassignStoragePoolNodes', last)).toMatchObject({
      code: 'VALIDATION',
      path: ['nodeIds'],
    });
  });

  it('keep it while a running machine there, or a job, needs it', async () => {
    const { seed, data } = site.world;
    const { cluster, project } = site;
    const [a, b] = [await seed.node(cluster), await seed.node(cluster)];
    const pool = await seed.pool({ assignedNodeIds: [a.uuid, b.uuid] });
    const running = { powerState: 'RUNNING', desiredState: 'RUNNING' } as const;
    const vm = await seed.vm(project, { ...running, cluster, node: a, claimed: true });
    await seed.volume(project, pool, { phase: 'IN_USE', attachedVmId: vm.uuid });
    const unassign = { id: pool.id, nodeIds: [a.id] };
    expect(await site.ask('unassignStoragePoolNodes', unassign)).toMatchObject({
      code: 'IN_USE',
      usedBy: [{ type: 'VirtualMachine', count: 1, names: [vm.name] }],
    });
    await data.db.virtualMachine.update({
      where: { id: vm.uuid },
      data: { capacityClaimed: false },
    });
    await seed.task(project, vm, {
      status: 'RUNNING',
      finishedAt: null,
      nodeId: a.uuid,
      poolId: pool.uuid,
      virtualMachineId: null,
    });
    expect(await site.ask('unassignStoragePoolNodes', unassign)).toMatchObject({
      code: 'IN_USE',
      usedBy: [{ type: 'Task', count: 1 }],
    });
    await data.db.task.deleteMany({ where: { poolId: pool.uuid } });
    await site.done('unassignStoragePoolNodes', unassign);
  });

  it('that are the first take it from all others: refused while a machine elsewhere uses it', async () => {
    const { seed } = site.world;
    const { cluster, project } = site;
    const [a, b] = [await seed.node(cluster), await seed.node(cluster)];
    const pool = await seed.pool();
    const vm = await seed.vm(project, { cluster, node: a, claimed: true });
    await seed.volume(project, pool, { phase: 'IN_USE', attachedVmId: vm.uuid });
    expect(
      await site.ask('assignStoragePoolNodes', { id: pool.id, nodeIds: [b.id] }),
    ).toMatchObject({ code: 'IN_USE' });
    await site.done('assignStoragePoolNodes', { id: pool.id, nodeIds: [a.id, b.id] });
  });

  it('must exist', async () => {
    const gone = await site.world.seed.node(site.cluster);
    await site.world.data.db.node.delete({ where: { id: gone.uuid } });
    expect(
      await site.ask('assignStoragePoolNodes', { id: site.pool.id, nodeIds: [gone.id] }),
    ).toMatchObject({ code: 'NOT_FOUND', path: ['nodeIds'] });
  });
});

it('a pool of a full project is announced with what it holds', async () => {
  const pool = await site.world.seed.pool({ capacityBytes: 3n * GIB });
  const big = { projectId: site.project.id, poolId: pool.id, name: 'too-large', sizeGib: 13 };
  expect(await site.ask('createVolume', big)).toMatchObject({
    code: 'POOL_EXHAUSTED',
    capacityBytes: String(3n * GIB),
    claimedBytes: '0',
    requestedBytes: String((13n * GIB) / 4n),
  });
});
