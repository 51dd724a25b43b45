/** Machines that are made with their disks, that start when they are whole, and that are copies of others. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { snapshotKeeper } from '../../src/controllers/snapshot-keeper.js';
import { decodeGlobalId, encodeGlobalId, newId } from '../../src/ids.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { changedTables, digest } from '../support/digest.js';
import { violations } from '../support/invariants.js';
import { type MutationAnswer, mutate } from '../support/mutations.js';
import type { Made } from '../support/seed.js';
import { createTestAgent, type TestAgent } from '../support/test-agent.js';

let world: TestApp;
let admin: Client;
let project: Made;
let cluster: Made;
let node: Made;
let pool: Made;
let agent: TestAgent;
let refuse: string | null = null;

const GIB = 2n ** 30n;
const SIZE = { cpu: { cores: 2 }, memory: { sizeMib: 2048 } };
let count = 0;

beforeAll(async () => {
  world = await createTestApp();
  await world.seed.user('ADMIN', { username: 'ada' });
  admin = await world.signIn('ada');
});
afterAll(() => world.stop());
beforeEach(async () => {
  refuse = null;
  project = await world.seed.project();
  cluster = await world.seed.cluster();
  node = await world.seed.node(cluster);
  pool = await world.seed.pool({ assignedNodeIds: [node.uuid], capacityBytes: 1000n * GIB });
  agent = await createTestAgent(world, node, {
    durations: { start: 0 },
    jobs: { failure: () => refuse },
  });
});

const uuid = (id: unknown) => decodeGlobalId(String(id))?.id ?? '';
const create = (input: Record<string, unknown>): Promise<MutationAnswer> =>
  mutate(admin, 'createVirtualMachine', {
    projectId: project.id,
    name: `vm-${++count}`,
    spec: { ...SIZE, placement: { clusterId: cluster.id } },
    ...input,
  });
const idOf = (answer: MutationAnswer) => (answer.virtualMachine as { id: string }).id;
const taskOf = (answer: MutationAnswer) =>
  world.data.db.task.findUniqueOrThrow({ where: { id: uuid((answer.task as { id: string }).id) } });
const vmOf = (id: string) =>
  world.data.db.virtualMachine.findUnique({
    where: { id: uuid(id) },
    include: { volumes: { orderBy: { name: 'asc' } }, networkInterfaces: true },
  });
const disk = (more: Record<string, unknown> = {}) => ({
  name: 'root',
  storagePoolId: pool.id,
  sizeGib: 10,
  ...more,
});
/** What the project and the pool say is in use, and what there is. */
async function sums() {
  const row = await world.data.db.project.findUniqueOrThrow({ where: { id: project.uuid } });
  const volumes = await world.data.db.volume.findMany({ where: { projectId: project.uuid } });
  const machines = await world.data.db.virtualMachine.count({ where: { projectId: project.uuid } });
  const { claimedBytes } = await world.data.db.storagePool.findUniqueOrThrow({
    where: { id: pool.uuid },
  });
  expect([row.usedVirtualMachines, row.usedVolumes]).toEqual([machines, volumes.length]);
  expect(claimedBytes).toBe(volumes.reduce((sum, volume) => sum + volume.claimedBytes, 0n));
}

describe('a machine with new disks', () => {
  it('has its volumes from the beginning, and is whole when its node has made them', async () => {
    const image = await world.seed.image({ poolId: pool.uuid, minDiskGib: 5 });
    const answer = await create({
      newDisks: [
        disk({ source: { imageId: image.id }, bus: 'VIRTIO_SCSI', bootOrder: 1 }),
        disk({ name: 'data', sizeGib: 20 }),
      ],
    });
    expect(answer).toMatchObject({ task: { operation: 'PROVISION', status: 'PENDING' } });
    const made = await vmOf(idOf(answer));
    expect(made?.volumes.map(({ phase }) => phase)).toEqual(['CREATING', 'CREATING']);
    expect(made?.spec).toMatchObject({
      disks: [
        { name: 'root', bus: 'VIRTIO_SCSI', bootOrder: 1, volumeId: expect.any(String) },
        { name: 'data', volumeId: expect.any(String) },
      ],
    });
    await agent.report();
    await agent.report();
    expect(await taskOf(answer)).toMatchObject({
      status: 'SUCCEEDED',
      resultType: 'VirtualMachine',
    });
    const whole = await vmOf(idOf(answer));
    expect(whole?.volumes.map(({ phase }) => phase)).toEqual(['IN_USE', 'IN_USE']);
    expect(whole).toMatchObject({ powerState: 'STOPPED', desiredState: 'STOPPED' });
    await sums();
  });

  it('is busy until then, and starts by itself when that was asked for', async () => {
    const answer = await create({ newDisks: [disk()], startOnCreate: true });
    expect(await mutate(admin, 'startVirtualMachine', { id: idOf(answer) })).toMatchObject({
      __typename: 'BusyError',
      operation: 'PROVISION',
    });
    for (let round = 0; round < 4; round += 1) await agent.report();
    expect(await vmOf(idOf(answer))).toMatchObject({ powerState: 'RUNNING', nodeId: node.uuid });
    const start = await world.data.db.task.findFirst({
      where: { virtualMachineId: uuid(idOf(answer)), operation: 'START' },
    });
    expect(start).toMatchObject({ status: 'SUCCEEDED', createdByName: 'ada' });
  });

  it('stays off and says why when no node can take it by then', async () => {
    const answer = await create({ newDisks: [disk()], startOnCreate: true });
    await world.data.db.node.update({ where: { id: node.uuid }, data: { intent: 'CORDONED' } });
    await agent.report();
    await agent.report();
    expect(await taskOf(answer)).toMatchObject({ status: 'SUCCEEDED' });
    expect(await vmOf(idOf(answer))).toMatchObject({
      powerState: 'STOPPED',
      desiredState: 'STOPPED',
      statusMessage: expect.stringMatching(/not started.*cordoned/),
    });
  });

  it('stays with broken volumes when they could not be made, cannot start, and can be deleted', async () => {
    refuse = 'the disk is full';
    const answer = await create({ newDisks: [disk()], startOnCreate: true });
    await agent.report();
    await agent.report();
    expect(await taskOf(answer)).toMatchObject({
      status: 'FAILED',
      errorMessage: 'the disk is full',
    });
    const left = await vmOf(idOf(answer));
    expect(left).toMatchObject({
      powerState: 'STOPPED',
      statusMessage: expect.stringContaining('the disk is full'),
    });
    expect(left?.volumes).toMatchObject([{ phase: 'ERROR', errorMessage: 'the disk is full' }]);
    const start = await mutate(admin, 'startVirtualMachine', { id: idOf(answer) });
    expect(start).toMatchObject({ __typename: 'InvalidStateError' });
    await sums();
    await mutate(admin, 'deleteVirtualMachine', { id: idOf(answer) });
    const [volume] = left?.volumes ?? [];
    expect(
      await world.data.db.volume.findUnique({ where: { id: volume?.id ?? '' } }),
    ).toMatchObject({ phase: 'ERROR', attachedVmId: null });
    await sums();
  });

  it('leaves nothing behind when it is cancelled', async () => {
    const before = await digest(world.data);
    const answer = await create({ newDisks: [disk()] });
    const task = (answer.task as { id: string }).id;
    expect(await mutate(admin, 'cancelTask', { id: task })).toMatchObject({
      task: { status: 'PENDING', cancelRequested: true },
    });
    const slow = await createTestAgent(world, node, { jobs: { durations: { PROVISION: 60_000 } } });
    await slow.report(); // is told of the job, and that it is to be cancelled
    await slow.report();
    expect(await taskOf(answer)).toMatchObject({ status: 'CANCELLED', virtualMachineId: null });
    expect(await vmOf(idOf(answer))).toBeNull();
    const touched = changedTables(before, await digest(world.data));
    expect(touched).not.toContain('volumes');
    expect(touched).not.toContain('virtual_machines');
    await sums();
  });

  it.each([
    ['an image that needs more processors', { minCpu: 3 }, ['spec', 'cpu']],
    ['an image that needs more memory', { minMemoryMib: 4096 }, ['spec', 'memory']],
    ['an image that needs a larger disk', { minDiskGib: 11 }, ['newDisks', '0', 'sizeGib']],
  ])('is refused for %s, and nothing is written', async (_what, minimum, path) => {
    const image = await world.seed.image({ poolId: pool.uuid, ...minimum });
    const before = await digest(world.data);
    const answer = await create({ newDisks: [disk({ source: { imageId: image.id } })] });
    expect(answer).toMatchObject({ __typename: 'ValidationError', path });
    expect(changedTables(before, await digest(world.data))).toEqual(['audit_log']);
  });

  it.each([
    ['two disks of one name', () => [disk(), disk()], 'ValidationError'],
    ['an empty disk without a size', () => [disk({ sizeGib: undefined })], 'ValidationError'],
    ['more than its pool holds', () => [disk({ sizeGib: 60_000 })], 'PoolExhaustedError'],
  ])('is refused for %s, and nothing is written', async (_what, disks, error) => {
    const before = await digest(world.data);
    expect(await create({ newDisks: disks() })).toMatchObject({ __typename: error });
    expect(changedTables(before, await digest(world.data))).toEqual(['audit_log']);
  });

  it('blames the field of the disk when a volume cannot be what it asks for', async () => {
    const inPool = await world.seed.image({ poolId: pool.uuid });
    const elsewhere = await world.seed.image({ poolId: (await world.seed.pool()).uuid });
    const theirs = await world.seed.pool({
      assignedNodeIds: [node.uuid],
      projectId: (await world.seed.project()).uuid,
    });
    const faults: [object, string][] = [
      [{ source: { imageId: elsewhere.id, linked: true } }, 'storagePoolId'],
      [
        { source: { imageId: inPool.id, linked: true }, provisioning: 'THICK_LAZY' },
        'provisioning',
      ],
      [{ storagePoolId: theirs.id }, 'storagePoolId'],
    ];
    for (const [fault, field] of faults)
      expect(await create({ newDisks: [disk(), disk({ name: 'data', ...fault })] })).toMatchObject({
        __typename: 'ValidationError',
        path: ['newDisks', '1', field],
        message: expect.stringMatching(new RegExp(`^newDisks\\.1\\.${field}: `)),
      });
  });

  it('says of a volume’s name that it is taken, and not of its own', async () => {
    const left = await world.seed.claimedVolume(project, pool, { name: 'left-over-root' });
    const data = disk({ name: 'data', volumeName: left.name });
    const taken = { __typename: 'AlreadyExistsError', field: 'name', value: left.name };
    expect(await create({ newDisks: [disk(), data] })).toMatchObject({
      ...taken,
      path: ['newDisks', '1', 'volumeName'],
      message: expect.stringContaining(`A Volume with the name "${left.name}"`),
    });
    expect(await create({ name: 'left-over', newDisks: [disk()] })).toMatchObject(taken);
  });

  it('is refused when no node of its cluster reaches the pool, with the reason', async () => {
    const other = await world.seed.node(await world.seed.cluster());
    const far = await world.seed.pool({
      assignedNodeIds: [other.uuid],
      capacityBytes: 100n * GIB,
      name: 'far-away',
    });
    const answer = await create({ newDisks: [disk({ storagePoolId: far.id })] });
    expect(answer).toMatchObject({
      __typename: 'NoSuitableNodeError',
      message: expect.stringContaining('cannot reach the storage pool far-away'),
    });
  });
});

describe('a pool of another tenant', () => {
  it('is not found, like one that does not exist, and nothing tells its name', async () => {
    const other = await world.seed.node(await world.seed.cluster());
    const secret = await world.seed.pool({
      name: 'their-secret',
      projectId: (await world.seed.project()).uuid,
      assignedNodeIds: [other.uuid],
      capacityBytes: 100n * GIB,
    });
    const { name } = await world.seed.user('OPERATOR', {
      projects: { [project.uuid]: 'OPERATOR' },
    });
    const member = await world.signIn(name);
    const ask = (storagePoolId: string) =>
      mutate(member, 'createVirtualMachine', {
        projectId: project.id,
        name: 'probe',
        spec: { ...SIZE, placement: { clusterId: cluster.id } },
        newDisks: [disk({ storagePoolId })],
      });
    const hidden = await ask(secret.id);
    expect(hidden).toMatchObject({
      __typename: 'NotFoundError',
      path: ['newDisks', '0', 'storagePoolId'],
    });
    expect(hidden).toEqual(await ask(encodeGlobalId('StoragePool', newId())));
    expect(JSON.stringify(hidden)).not.toContain('their-secret');
  });
});

describe('a machine without new disks', () => {
  it('starts at once when that was asked for, and is not there when no node can take it', async () => {
    const answer = await create({ startOnCreate: true });
    expect(answer).toMatchObject({
      task: { operation: 'START' },
      virtualMachine: { desiredState: 'RUNNING' },
    });
    await world.data.db.node.update({ where: { id: node.uuid }, data: { intent: 'CORDONED' } });
    expect(await create({ startOnCreate: true })).toMatchObject({
      __typename: 'NoSuitableNodeError',
    });
    await sums();
  });
});

describe('a clone', () => {
  async function original(more: Record<string, unknown> = {}): Promise<string> {
    const network = await world.seed.network({ cidr: '10.9.0.0/24', gateway: '10.9.0.1' });
    const nics = [{ name: 'eth0', networkId: network.id }];
    const answer = await create({
      labels: { tier: 'web' },
      spec: { ...SIZE, placement: { clusterId: cluster.id }, nics },
      newDisks: [disk()],
      ...more,
    });
    for (let round = 0; round < 4; round += 1) await agent.report();
    return idOf(answer);
  }
  const clone = (id: string, more: Record<string, unknown> = {}) =>
    mutate(admin, 'cloneVirtualMachine', { id, name: `clone-${++count}`, ...more });

  it('has volumes and addresses of its own, and the rest of its original', async () => {
    const id = await original();
    const answer = await clone(id);
    expect(answer).toMatchObject({ task: { operation: 'CLONE' } });
    const [from, to] = [await vmOf(id), await vmOf(idOf(answer))];
    expect(to?.labels).toEqual({ tier: 'web' });
    expect(to?.volumes).toHaveLength(1);
    expect(to?.volumes[0]).toMatchObject({ phase: 'CREATING', parentId: from?.volumes[0]?.id });
    expect(to?.networkInterfaces[0]?.macAddress).not.toBe(from?.networkInterfaces[0]?.macAddress);
    await agent.report();
    await agent.report();
    const whole = await vmOf(idOf(answer));
    expect(whole?.volumes[0]).toMatchObject({ phase: 'IN_USE', parentId: null });
    expect(whole?.resources).toEqual(from?.resources);
    await sums();
  });

  it('has addresses of its own also where its original has asked for some', async () => {
    const network = await world.seed.network({ cidr: '10.8.0.0/24', gateway: '10.8.0.1' });
    const macAddress = '02:00:00:00:00:42';
    const nic = { name: 'eth0', networkId: network.id, macAddress, ipAddresses: ['10.8.0.77'] };
    const made = await create({
      spec: { ...SIZE, placement: { clusterId: cluster.id }, nics: [nic] },
    });
    const answer = await clone(idOf(made));
    expect(answer).toMatchObject({ __typename: 'CloneVirtualMachinePayload' });
    const copy = await vmOf(idOf(answer));
    expect(copy?.networkInterfaces[0]?.macAddress).not.toBe(macAddress);
    expect(JSON.stringify(copy?.spec)).not.toContain('10.8.0.77');
  });

  it('keeps its original off until the copy is whole', async () => {
    const id = await original();
    await clone(id);
    expect(await mutate(admin, 'startVirtualMachine', { id })).toMatchObject({
      __typename: 'BusyError',
      operation: 'CLONE',
    });
    await agent.report();
    await agent.report();
    expect(await mutate(admin, 'startVirtualMachine', { id })).toMatchObject({
      task: { operation: 'START' },
    });
  });

  it('of a running machine can be of a snapshot that is there, and linked it shares its blocks', async () => {
    const id = await original({ startOnCreate: true });
    expect(await vmOf(id)).toMatchObject({ powerState: 'RUNNING' });
    const snap = await mutate(admin, 'createVirtualMachineSnapshot', {
      virtualMachineId: id,
      name: 'base',
    });
    await agent.report();
    await agent.report();
    const snapshotId = (snap.virtualMachineSnapshot as { id: string }).id;
    const linked = await clone(id, { mode: 'LINKED', snapshotId });
    await agent.report();
    await agent.report();
    const [from, to] = [await vmOf(id), await vmOf(idOf(linked))];
    expect(to?.volumes[0]).toMatchObject({
      phase: 'IN_USE',
      parentId: from?.volumes[0]?.id,
      provisioning: 'THIN',
    });
    await sums();
  });

  describe('of a running machine without a snapshot', () => {
    const snapshotsOf = (id: string) =>
      world.data.db.vmSnapshot.findMany({ where: { virtualMachineId: uuid(id) } });
    const keep = () =>
      snapshotKeeper.run(world.app.services, () => true, new AbortController().signal, new Date());
    const reports = async (times: number) => {
      for (let i = 0; i < times; i += 1) await agent.report();
    };
    const running = async () => {
      const id = await original({ startOnCreate: true });
      expect(await vmOf(id)).toMatchObject({ powerState: 'RUNNING' });
      return id;
    };

    it('takes one first, copies from it, and discards it', async () => {
      const id = await running();
      const input = { id, name: `clone-${++count}` };
      const shown = await mutate(admin, 'cloneVirtualMachine', { ...input, dryRun: true });
      const cascade = { type: 'VirtualMachineSnapshot', name: `clone-${input.name}` };
      expect(shown.cascades).toContainEqual(expect.objectContaining(cascade));
      expect(shown.quotaChanges).toContainEqual(
        expect.objectContaining({ resource: 'snapshots', change: 1 }),
      );
      expect(await snapshotsOf(id)).toEqual([]);
      const { planToken } = shown;
      const made = await mutate(admin, 'cloneVirtualMachine', { ...input, planToken });
      expect(made).toMatchObject({ task: { operation: 'CLONE', status: 'PENDING' } });
      const [snapshot] = await snapshotsOf(id);
      expect(snapshot).toMatchObject({ state: 'CREATING', name: cascade.name });
      await keep(); // not before the copy is made
      await reports(4);
      expect(await taskOf(made)).toMatchObject({ status: 'SUCCEEDED' });
      const [volume] = (await vmOf(idOf(made)))?.volumes ?? [];
      expect(volume).toMatchObject({ phase: 'IN_USE', parentId: null });
      expect(await snapshotsOf(id)).toMatchObject([{ state: 'AVAILABLE' }]);
      await keep();
      expect(await snapshotsOf(id)).toMatchObject([{ state: 'DELETING' }]);
      await reports(2);
      expect(await snapshotsOf(id)).toEqual([]);
      expect(await violations(world.data.db)).toEqual([]);
    });

    it('tries again to discard one that could not be, less and less often', async () => {
      const id = await running();
      await mutate(admin, 'cloneVirtualMachine', { id, name: `clone-${++count}` });
      await reports(4);
      const tries = () =>
        world.data.db.task.findMany({
          where: { virtualMachineId: uuid(id), operation: 'DELETE_SNAPSHOT' },
          orderBy: { id: 'asc' },
        });
      /** As if all that was tried had ended so much earlier. */
      const later = async (ms: number) => {
        for (const { id, finishedAt } of await tries())
          await world.data.db.task.update({
            where: { id },
            data: { finishedAt: new Date((finishedAt?.getTime() ?? 0) - ms) },
          });
      };
      const attempt = async () => {
        await keep();
        await reports(2);
        return (await tries()).length;
      };
      refuse = 'the pool is away';
      expect(await attempt()).toBe(1);
      expect(await snapshotsOf(id)).toMatchObject([{ state: 'ERROR' }]);
      expect(await attempt()).toBe(1); // not at once
      await later(600_000);
      expect(await attempt()).toBe(2);
      await later(300_000);
      expect(await attempt()).toBe(2); // it has been failing for ten minutes
      refuse = null;
      await later(600_000);
      expect(await attempt()).toBe(3);
      expect(await snapshotsOf(id)).toEqual([]);
    });

    it('has all of its time for the copy, however long the snapshot takes', async () => {
      const id = await running();
      const made = await mutate(admin, 'cloneVirtualMachine', { id, name: `clone-${++count}` });
      const { deadlineAt } = await taskOf(made);
      const taken = await world.data.db.task.findFirstOrThrow({
        where: { virtualMachineId: uuid(id), operation: 'CREATE_SNAPSHOT' },
      });
      const { jobTimeoutMs } = world.app.services.config.tasks;
      expect(deadlineAt.getTime() - taken.deadlineAt.getTime()).toBe(jobTimeoutMs);
      await reports(4);
    });

    it('keeps the one that a linked clone stands on, under names that do not meet', async () => {
      const id = await running();
      const name = `twin-${++count}`;
      await mutate(admin, 'createVirtualMachineSnapshot', {
        virtualMachineId: id,
        name: `clone-${name}`,
      });
      await reports(2);
      const made = await mutate(admin, 'cloneVirtualMachine', { id, name, mode: 'LINKED' });
      await reports(4);
      expect(await taskOf(made)).toMatchObject({ status: 'SUCCEEDED' });
      await keep();
      const names = (await snapshotsOf(id)).map((one) => one.name).sort();
      expect(names).toEqual([`clone-${name}`, `clone-${name}-2`]);
      const [from, to] = [await vmOf(id), await vmOf(idOf(made))];
      expect(to?.volumes[0]?.parentId).toBe(from?.volumes[0]?.id);
    });

    it.each([
      ['fails with it', 'FAILED'],
      ['is cancelled before it is there', 'CANCELLED'],
    ])('%s, and nothing is left locked', async (_case, status) => {
      const id = await running();
      const made = await mutate(admin, 'cloneVirtualMachine', { id, name: `clone-${++count}` });
      if (status === 'FAILED') refuse = 'no room';
      else await mutate(admin, 'cancelTask', { id: (made.task as { id: string }).id });
      await reports(3);
      refuse = null;
      expect(await taskOf(made)).toMatchObject({ status });
      await reports(2);
      await keep();
      await reports(2);
      expect(await snapshotsOf(id)).toEqual([]);
      expect(await mutate(admin, 'stopVirtualMachine', { id })).toMatchObject({
        task: { operation: 'STOP' },
      });
      expect(await violations(world.data.db)).toEqual([]);
    });
  });

  it('of a name that is taken, or without room in the quota, is refused and nothing is written', async () => {
    const id = await original();
    const taken = (await vmOf(id))?.name;
    const before = await digest(world.data);
    expect(await clone(id, { name: taken })).toMatchObject({ __typename: 'AlreadyExistsError' });
    expect(changedTables(before, await digest(world.data))).toEqual(['audit_log']);
    await world.seed.claimedVolume(project, pool, { name: 'left-behind-root' });
    expect(await clone(id, { name: 'left-behind' })).toMatchObject({
      __typename: 'AlreadyExistsError',
      value: 'left-behind-root',
      path: ['name'], // the volume is called after the clone
    });
    await mutate(admin, 'updateProject', { id: project.id, quota: { volumes: 2 } });
    expect(await clone(id)).toMatchObject({
      __typename: 'QuotaExceededError',
      resource: 'volumes',
    });
    await sums();
  });
});
