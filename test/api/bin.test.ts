/** The bin of virtual machines: what deletion keeps and gives back, that nobody meets it elsewhere, and the two ways out. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { binKeeper } from '../../src/controllers/bin-keeper.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { digest } from '../support/digest.js';
import { createStage, mutate, type Stage } from '../support/mutations.js';
import { operate } from '../support/operations.js';
import type { Made } from '../support/seed.js';
import { createTestAgent, type TestAgent } from '../support/test-agent.js';
import { createTestClock } from '../support/test-clock.js';

const HOUR = 3_600_000;
const clock = createTestClock();
let world: TestApp;
let stage: Stage;
/** An operator and a viewer of the project, and an operator of another one. */
let operator: Client;
let reader: Client;
let stranger: Client;
let project: Made;

beforeAll(async () => {
  world = await createTestApp({ clock, config: { deletion: { retentionMs: 24 * HOUR } } });
  stage = await createStage(world);
  await world.seed.user('OPERATOR', { username: 'tom' });
  stranger = await world.signIn('tom');
});
beforeEach(async () => {
  project = await world.seed.project();
  const name = `of-${project.name}`;
  await world.seed.user('OPERATOR', { username: name, projects: { [project.uuid]: 'OPERATOR' } });
  const viewer = { username: `${name}-v`, projects: { [project.uuid]: 'VIEWER' } } as const;
  await world.seed.user('VIEWER', viewer);
  operator = await world.signIn(name);
  reader = await world.signIn(`${name}-v`);
});
afterAll(() => world.stop());

const remove = (vm: { id: string }, options: object = {}) =>
  mutate(operator, 'deleteVirtualMachine', { id: vm.id, ...options });
const restore = (vm: Made, options: object = {}, client = operator) =>
  mutate(client, 'restoreVirtualMachine', { id: vm.id, ...options });
const purge = (vm: Made, client = operator) => mutate(client, 'purgeVirtualMachine', { id: vm.id });
const empty = () =>
  binKeeper.run(world.app.services, () => true, new AbortController().signal, clock.now());
const row = (vm: Made) => world.data.db.virtualMachine.findUnique({ where: { id: vm.uuid } });
const usage = async () => {
  const p = await world.data.db.project.findUniqueOrThrow({ where: { id: project.uuid } });
  return [p.usedVirtualMachines, p.usedVcpus, p.usedMemoryMib, p.usedSnapshots];
};
async function ask<T>(client: Client, document: string, variables: object = {}): Promise<T> {
  const { data, errors } = await client.answer<T, unknown>(document, variables);
  expect(errors).toEqual([]);
  return data ?? expect.fail('no data');
}
const inBin = async (client: Client) => {
  const { bin } = await ask<{ bin: { totalCount: number; nodes: { name: string }[] } }>(
    client,
    `query($project: ID!) { bin: deletedVirtualMachines(filter: { project: { eq: $project } }) {
      totalCount nodes { name deletedAt } } }`,
    { project: project.id },
  );
  expect(bin.totalCount).toBe(bin.nodes.length);
  return bin.nodes.map(({ name }) => name);
};

/** An agent hears what it is to do, does it, and says so. */
async function work(agent: TestAgent) {
  await agent.report();
  clock.advance(60_000);
  await agent.report();
}

/** A machine with one of everything that it keeps in the bin. */
async function furnished() {
  const { seed, data } = world;
  const vm = await seed.vm(project, { cluster: stage.cluster });
  const attached = { attachedVmId: vm.uuid, phase: 'IN_USE', deletionProtected: true } as const;
  const volume = await seed.volume(project, await seed.pool(), attached);
  const network = await seed.network({ cidr: '192.0.2.0/24', gateway: '192.0.2.1' });
  const nic = await seed.networkInterface(vm, network, { addresses: ['192.0.2.7'] });
  const snapshot = await seed.snapshot(vm);
  const usedSnapshots = { increment: 1 };
  await data.db.project.update({ where: { id: project.uuid }, data: { usedSnapshots } });
  return { vm, volume, network, nic, snapshot };
}

describe('deleting a machine', () => {
  it('keeps its volumes, interfaces, addresses and snapshots, and gives back its quota', async () => {
    const { vm, volume, nic, snapshot } = await furnished();
    expect(await usage()).toEqual([1, 1, 1024, 1]);
    expect(await remove(vm)).toMatchObject({ deletedVirtualMachineId: vm.id, task: null });
    expect(await usage()).toEqual([0, 0, 0, 0]);
    expect(await row(vm)).toMatchObject({ deletedAt: clock.now(), capacityClaimed: false });
    const { db } = world.data;
    expect(await db.volume.findUnique({ where: { id: volume.uuid } })).toMatchObject({
      attachedVmId: vm.uuid,
      phase: 'IN_USE',
    });
    expect(await db.ipAddress.count({ where: { interfaceId: nic.uuid } })).toBe(1);
    expect(await db.vmSnapshot.count({ where: { id: snapshot.uuid } })).toBe(1);
  });

  it('skips the bin when that is asked for', async () => {
    const { vm, volume } = await furnished();
    expect(await remove(vm, { permanently: true })).toMatchObject({
      deletedVirtualMachineId: vm.id,
    });
    expect(await row(vm)).toBeNull();
    expect(await usage()).toEqual([0, 0, 0, 0]);
    const kept = await world.data.db.volume.findUnique({ where: { id: volume.uuid } });
    expect(kept).toMatchObject({ phase: 'READY', attachedVmId: null, deletionProtected: true });
  });

  it.each([
    [false, 1],
    [true, 0],
  ])(
    'that runs, permanently: %s, leaves %i in the bin once its agent has powered it off',
    async (permanently, left) => {
      const node = await world.seed.node(stage.cluster);
      const agent = await createTestAgent(world, node, { clock: clock.source });
      const vm = await world.seed.vm(project, {
        cluster: stage.cluster,
        spec: {
          cpu: { cores: 1 },
          memory: { sizeMib: 1024 },
          placement: { requiredNodeIds: [node.uuid] },
        },
      });
      await operate(stage.admin, 'START', vm.id);
      await work(agent);
      expect(await row(vm)).toMatchObject({ powerState: 'RUNNING', nodeId: node.uuid });

      const answer = await remove(vm, { force: true, permanently });
      expect(answer.task).toMatchObject({ operation: 'DELETE' });
      expect(await inBin(operator)).toEqual([]);
      const running = agent.draft(); // what an agent would say that has not heard of it
      await work(agent);
      expect(await inBin(operator)).toHaveLength(left);
      expect(await usage()).toEqual([0, 0, 0, 0]);
      const { allocated } = await world.data.db.node.findUniqueOrThrow({
        where: { id: node.uuid },
      });
      expect(allocated).toMatchObject({ vcpus: 0, memoryMib: 0 });
      const task = await world.data.db.task.findFirst({
        where: { resourceId: vm.uuid, operation: 'DELETE' },
      });
      expect(task).toMatchObject({ status: 'SUCCEEDED' });

      const late = await agent.report({ virtualMachines: running.virtualMachines });
      expect(late).toMatchObject({ unknownVirtualMachineIds: [vm.id], assignments: [] });
      expect(await inBin(operator)).toHaveLength(left);
    },
  );

  it('that is protected is refused, whatever is asked for', async () => {
    const vm = await world.seed.vm(project, { deletionProtected: true });
    for (const options of [{}, { permanently: true }, { force: true }])
      expect(await remove(vm, options)).toMatchObject({ __typename: 'ProtectedError' });
    expect(await row(vm)).toMatchObject({ deletedAt: null });
  });

  it('tells those who follow it that it is gone, and then that it is back', async () => {
    const vm = await world.seed.vm(project);
    const heard: string[] = [];
    const stop = world.app.services.hints.listen(
      (hint) => {
        if (hint.id === vm.uuid) heard.push(hint.kind);
      },
      () => undefined,
    );
    await remove(vm);
    await restore(vm);
    stop();
    expect(heard).toEqual(['DELETED', 'CREATED']);
  });
});

describe('a machine in the bin', () => {
  it('is there for nobody but in the list of the bin', async () => {
    const { vm, volume, network, snapshot, nic } = await furnished();
    await remove(vm);
    for (const client of [operator, stage.admin]) {
      expect(
        await ask(
          client,
          `query($vm: ID!, $snapshot: ID!, $nic: ID!, $volume: ID!, $project: ID!, $cluster: ID!, $network: ID!) {
            vm: virtualMachine(id: $vm) { id }
            node(id: $vm) { id }
            snapshot: node(id: $snapshot) { id }
            nic: node(id: $nic) { id }
            list: virtualMachines(filter: { project: { eq: $project } }) { totalCount nodes { id } }
            project(id: $project) { virtualMachines { totalCount nodes { id } } }
            cluster(id: $cluster) { virtualMachines(filter: { project: { eq: $project } }) { totalCount } }
            network: virtualNetwork(id: $network) { networkInterfaces { totalCount } utilisation { usedAddresses } }
            volume(id: $volume) { phase attachedVirtualMachine { id } }
          }`,
          {
            vm: vm.id,
            snapshot: snapshot.id,
            nic: nic.id,
            volume: volume.id,
            project: project.id,
            cluster: stage.cluster.id,
            network: network.id,
          },
        ),
      ).toEqual({
        vm: null,
        node: null,
        snapshot: null,
        nic: null,
        list: { totalCount: 0, nodes: [] },
        project: { virtualMachines: { totalCount: 0, nodes: [] } },
        cluster: { virtualMachines: { totalCount: 0 } },
        network: { networkInterfaces: { totalCount: 0 }, utilisation: { usedAddresses: '1' } },
        volume: { phase: 'IN_USE', attachedVirtualMachine: null },
      });
      for (const [name, input] of [
        ['updateVirtualMachine', { id: vm.id, description: 'x' }],
        ['labelVirtualMachine', { id: vm.id, set: { a: 'b' } }],
        ['startVirtualMachine', { id: vm.id }],
        ['deleteVirtualMachine', { id: vm.id, permanently: true }],
        ['createVirtualMachineSnapshot', { virtualMachineId: vm.id, name: 'late' }],
        ['detachVolume', { virtualMachineId: vm.id, volumeId: volume.id }],
      ] as const)
        expect(await mutate(client, name, input)).toMatchObject({ __typename: 'NotFoundError' });
    }
  });

  it('is listed for the members of its project, the latest deleted first', async () => {
    const [first, second] = [await world.seed.vm(project), await world.seed.vm(project)];
    await remove(second);
    clock.advance(1000);
    await remove(first);
    for (const client of [operator, reader, stage.admin])
      expect(await inBin(client)).toEqual([first.name, second.name]);
    expect(await inBin(stranger)).toEqual([]);
  });

  it('holds what it refers to: project, cluster, volume, network, and its name says where it is', async () => {
    const { vm, volume, network } = await furnished();
    await remove(vm);
    const named = [expect.objectContaining({ names: [`${vm.name} (in the bin)`] })];
    const inUse = { __typename: 'InUseError', usedBy: expect.arrayContaining(named) };
    const free = await world.data.db.volume.update({
      where: { id: volume.uuid },
      data: { deletionProtected: false },
    });
    expect(await mutate(stage.admin, 'deleteProject', { id: project.id })).toMatchObject(inUse);
    const of = { id: volume.id, expectedVersion: free.version };
    expect(await mutate(operator, 'deleteVolume', of)).toMatchObject({
      __typename: 'InvalidStateError',
      current: 'IN_USE',
    });
    expect(await mutate(stage.admin, 'deleteVirtualNetwork', { id: network.id })).toMatchObject(
      inUse,
    );
    expect(await mutate(stage.admin, 'deleteCluster', { id: stage.cluster.id })).toMatchObject({
      __typename: 'InUseError',
    });
  });
});

describe('restoring', () => {
  it('brings the machine back stopped, with all that it had, and counts it again', async () => {
    const { vm } = await furnished();
    const before = await row(vm);
    await remove(vm);
    expect(await restore(vm)).toMatchObject({ virtualMachine: { id: vm.id, name: vm.name } });
    expect(await usage()).toEqual([1, 1, 1024, 1]);
    const { version, generation, observedGeneration, updatedAt, ...same } = before ?? expect.fail();
    expect(await row(vm)).toMatchObject({ ...same, deletedAt: null, powerState: 'STOPPED' });
    expect(
      await ask(
        operator,
        `query($id: ID!) { virtualMachine(id: $id) { deletedAt volumes { totalCount }
          networkInterfaces { nodes { ipAddresses } } snapshots { totalCount } } }`,
        { id: vm.id },
      ),
    ).toEqual({
      virtualMachine: {
        deletedAt: null,
        volumes: { totalCount: 1 },
        networkInterfaces: { nodes: [{ ipAddresses: ['192.0.2.7'] }] },
        snapshots: { totalCount: 1 },
      },
    });
    expect(await inBin(operator)).toEqual([]);
    expect(await restore(vm)).toMatchObject({
      __typename: 'NotFoundError',
      path: ['id'],
      message: expect.stringContaining('what is in the bin'),
    });
  });

  it('is refused when its quota is used up meanwhile, and then nothing has changed', async () => {
    const vm = await world.seed.vm(project);
    await remove(vm);
    await world.seed.vm(project);
    await mutate(stage.admin, 'updateProject', { id: project.id, quota: { virtualMachines: 1 } });
    expect(await restore(vm)).toMatchObject({ __typename: 'QuotaExceededError' });
    expect(await inBin(operator)).toEqual([vm.name]);
    expect(await usage()).toEqual([1, 1, 1024, 0]);
  });

  it('under its own name is refused when that was taken, and done under another one', async () => {
    const vm = await world.seed.vm(project);
    await remove(vm);
    await world.seed.vm(project, { name: vm.name });
    expect(await restore(vm)).toMatchObject({
      __typename: 'AlreadyExistsError',
      path: ['name'],
    });
    expect(await restore(vm, { name: 'No Name' })).toMatchObject({ __typename: 'ValidationError' });
    expect(await usage()).toEqual([1, 1, 1024, 0]);
    const renamed = { virtualMachine: { id: vm.id, name: 'second-life' } };
    expect(await restore(vm, { name: 'second-life' })).toMatchObject(renamed);
  });

  it('can be tried dry, and answers a repeat with its key as the first time', async () => {
    const vm = await world.seed.vm(project);
    await remove(vm);
    const before = await digest(world.data);
    expect(await restore(vm, { dryRun: true })).toMatchObject({
      dryRun: true,
      virtualMachine: { id: vm.id },
    });
    expect(await digest(world.data)).toEqual(before);
    const keyed = { idempotencyKey: `restore-${vm.uuid}` };
    for (const answer of [await restore(vm, keyed), await restore(vm, keyed)])
      expect(answer).toMatchObject({ virtualMachine: { id: vm.id } });
    expect(await usage()).toEqual([1, 1, 1024, 0]);
  });

  it('lets the machine start again', async () => {
    const node = await world.seed.node(stage.cluster);
    const vm = await world.seed.vm(project, { cluster: stage.cluster });
    await remove(vm);
    await restore(vm);
    expect((await operate(operator, 'START', vm.id)).task).toMatchObject({ operation: 'START' });
    expect(await row(vm)).toMatchObject({ desiredState: 'RUNNING', capacityClaimed: true });
    await world.data.db.node.findUniqueOrThrow({ where: { id: node.uuid } });
  });
});

describe('purging', () => {
  it('frees the volumes, protected ones among them, and the addresses, and takes nothing from the usage', async () => {
    const { vm, volume, nic, snapshot } = await furnished();
    await world.seed.vm(project);
    await remove(vm);
    expect(await purge(vm)).toMatchObject({ deletedVirtualMachineId: vm.id });
    const { db } = world.data;
    expect(await row(vm)).toBeNull();
    expect(await usage()).toEqual([1, 1, 1024, 0]);
    expect(await db.volume.findUnique({ where: { id: volume.uuid } })).toMatchObject({
      phase: 'READY',
      attachedVmId: null,
      deletionProtected: true,
    });
    expect(await db.ipAddress.count({ where: { interfaceId: nic.uuid } })).toBe(0);
    expect(await db.vmSnapshot.count({ where: { id: snapshot.uuid } })).toBe(0);
    expect(await purge(vm)).toMatchObject({ __typename: 'NotFoundError' });
  });

  it('and restoring are for those who may delete, and are about machines in the bin alone', async () => {
    const [gone, there] = [await world.seed.vm(project), await world.seed.vm(project)];
    await remove(gone);
    for (const act of [purge, (vm: Made, client: Client) => restore(vm, {}, client)]) {
      expect(await act(gone, reader)).toMatchObject({ __typename: 'ForbiddenError' });
      expect(await act(gone, stranger)).toMatchObject({ __typename: 'NotFoundError' });
      expect(await act(there, operator)).toMatchObject({ __typename: 'NotFoundError' });
    }
  });

  it('waits for the linked copies of its snapshots, which are named; so does the control plane', async () => {
    const { seed, data } = world;
    const vm = await seed.vm(project);
    const snapshot = await seed.snapshot(vm);
    const usedSnapshots = { increment: 1 };
    await data.db.project.update({ where: { id: project.uuid }, data: { usedSnapshots } });
    const attached = { attachedVmId: vm.uuid, phase: 'IN_USE' } as const;
    const volume = await seed.claimedVolume(project, undefined, attached);
    const copy = await seed.claimedVolume(project, undefined, {
      parentId: volume.uuid,
      spec: { source: { type: 'SNAPSHOT', id: snapshot.uuid, linked: true } },
    });
    const inUse = { code: 'IN_USE', usedBy: [{ type: 'Volume', count: 1, names: [copy.name] }] };
    expect(await remove(vm, { permanently: true })).toMatchObject(inUse);
    await remove(vm);
    expect(await purge(vm)).toMatchObject(inUse);
    clock.advance(24 * HOUR);
    await empty();
    clock.advance(-24 * HOUR); // sessions go on
    expect(await row(vm)).not.toBeNull();
    await data.db.volume.delete({ where: { id: copy.uuid } });
    expect(await purge(vm)).toMatchObject({ deletedVirtualMachineId: vm.id });
  });

  it('is done by the control plane when the retention is over, and not before', async () => {
    const { vm, volume } = await furnished();
    await remove(vm);
    clock.advance(24 * HOUR - 1);
    await empty();
    expect(await row(vm)).not.toBeNull();
    clock.advance(1);
    await empty();
    expect(await row(vm)).toBeNull();
    const kept = await world.data.db.volume.findUnique({ where: { id: volume.uuid } });
    expect(kept).toMatchObject({ phase: 'READY', deletionProtected: true });
    await empty();
    const entries = await world.data.db.auditEntry.findMany({
      where: { action: 'virtualMachine.expire', resourceId: vm.uuid },
    });
    expect(entries.map((entry) => [entry.username, entry.status])).toEqual([
      ['system:bin', 'SUCCEEDED'],
    ]);
  });
});

it('the audit log says what went into the bin, came out of it and went for good', async () => {
  const vm = await world.seed.vm(project);
  await remove(vm);
  await restore(vm);
  await remove(vm);
  await purge(vm);
  const entries = await world.data.db.auditEntry.findMany({
    where: { resourceId: vm.uuid, resourceType: 'VirtualMachine' },
    orderBy: { seq: 'asc' },
  });
  const deletedAt = (part: unknown) => (part as { deletedAt?: unknown } | null)?.deletedAt;
  const told = entries.map(({ action, details }) => {
    const { before, after } = details as { before: unknown; after: unknown };
    return [action, deletedAt(before), deletedAt(after)];
  });
  const now = clock.now().toISOString();
  expect(told).toEqual([
    ['virtualMachine.delete', null, now],
    ['virtualMachine.restore', now, null],
    ['virtualMachine.delete', null, now],
    ['virtualMachine.purge', now, undefined],
  ]);
});
