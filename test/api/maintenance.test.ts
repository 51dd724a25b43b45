/** Maintenance: a node is emptied by itself, a few machines at a time, and says what is in the way. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { maintenance } from '../../src/controllers/maintenance.js';
import { systemCall } from '../../src/controllers/system-call.js';
import { execute } from '../../src/core/execute.js';
import type { PowerState } from '../../src/gen/client/enums.js';
import { evacuateVirtualMachine } from '../../src/modules/virtual-machine/evacuate-command.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { digest } from '../support/digest.js';
import type { Made } from '../support/seed.js';
import { createTestAgent } from '../support/test-agent.js';
import { createTestClock, type TestClock } from '../support/test-clock.js';

let clock: TestClock;
let world: TestApp;
let admin: Client;
let cluster: Made;
let project: Made;
let node: Made;
beforeAll(async () => {
  clock = createTestClock();
  world = await createTestApp({ clock });
  await world.seed.user('ADMIN', { username: 'ada' });
  project = await world.seed.project();
});
beforeEach(async () => {
  admin = await world.signIn('ada');
  await world.data.db.task.deleteMany();
  await world.data.db.virtualMachine.deleteMany();
  await world.data.db.node.deleteMany();
  cluster = await world.seed.cluster();
  node = await world.seed.node(cluster);
});
afterAll(() => world.stop());

const round = (stillLeading = () => true) =>
  maintenance.run(world.app.services, stillLeading, new AbortController().signal, new Date(0));
const intentOf = async (which = node) =>
  (await world.data.db.node.findUniqueOrThrow({ where: { id: which.uuid } })).intent;
const copies = () =>
  world.data.db.task.findMany({
    where: { operation: 'MIGRATE', status: { in: ['PENDING', 'RUNNING'] } },
  });
const machine = (powerState: PowerState = 'RUNNING', on = node) =>
  world.seed.vm(project, {
    cluster,
    node: on,
    claimed: powerState !== 'STOPPED',
    powerState,
    desiredState: powerState === 'CRASHED' || powerState === 'UNKNOWN' ? 'RUNNING' : powerState,
  });

async function ask<T>(client: Client, document: string, variables: object): Promise<T> {
  const { data, errors } = await client.answer<T, object>(document, variables);
  expect(errors).toEqual([]);
  return data as T;
}
const give = (mutation: 'enterMaintenance' | 'exitMaintenance', which = node) =>
  ask<{ answer: object }>(
    admin,
    `mutation Give($id: ID!) { answer: ${mutation}(input: { id: $id }) { __typename ... on UserError { code message } } }`,
    { id: which.id },
  );
const progress = async (client = admin) =>
  (
    await ask<{
      planMaintenance: {
        remaining: number;
        blockers: { reason: string; virtualMachine: { name: string } }[];
      };
    }>(
      client,
      `query Progress($id: ID!) { planMaintenance(nodeId: $id) { remaining blockers { reason virtualMachine { name } } } }`,
      { id: node.id },
    )
  ).planMaintenance;
const plan = async (client = admin) =>
  (
    await ask<{ planMaintenance: { remaining: number; moves: object[] } | null }>(
      client,
      `query Plan($id: ID!) { planMaintenance(nodeId: $id) { remaining moves { virtualMachine { name } targetNode { hostname } reason blocks } } }`,
      { id: node.id },
    )
  ).planMaintenance;

describe('a node that is to be emptied', () => {
  it('leaves a machine alone that its node has lost since the plan was made', async () => {
    const target = await world.seed.node(cluster);
    const lost = await machine();
    await give('enterMaintenance');
    await world.data.db.virtualMachine.update({
      where: { id: lost.uuid },
      data: { powerState: 'STOPPED' },
    });
    const input = { id: lost.uuid, nodeId: node.uuid, targetNodeId: target.uuid };
    const call = systemCall(world.app.services, 'maintenance', new AbortController().signal);
    const { result } = await execute(evacuateVirtualMachine, input, call);
    expect(result).toMatchObject({ taskId: null });
    expect(await copies()).toEqual([]);
  });

  it('moves its machines away, two at a time, and is in maintenance when the last has gone', async () => {
    const other = await world.seed.node(cluster);
    const vms = [];
    for (let i = 0; i < 3; i += 1) vms.push(await machine());
    const off = await machine('STOPPED');
    const [from, to] = [
      await createTestAgent(world, node, { clock: clock.source }),
      await createTestAgent(world, other, { clock: clock.source }),
    ];
    await from.report({ virtualMachines: vms.map((vm) => seen(vm)) });
    await give('enterMaintenance');
    await round();
    expect(await copies()).toHaveLength(2);
    expect(await progress()).toEqual({ remaining: 3, blockers: [] });
    const rowOf = (vm: Made) =>
      world.data.db.virtualMachine.findUniqueOrThrow({ where: { id: vm.uuid } });
    expect(await rowOf(off)).toMatchObject({ nodeId: other.uuid, capacityClaimed: false });
    const [task] = await copies();
    expect(task).toMatchObject({ createdByName: 'system:maintenance', targetNodeId: other.uuid });

    // The agents copy, hand over and take over; each round begins what there is room for.
    const here = new Set(vms.map((vm) => vm.uuid));
    for (let i = 0; i < 8 && here.size > 0; i += 1) {
      const there = vms.filter((vm) => !here.has(vm.uuid));
      await from.report({ virtualMachines: vms.filter((vm) => here.has(vm.uuid)).map(seen) });
      await to.report({
        virtualMachines: await Promise.all(
          there.map(async (vm) => arrived(vm, (await rowOf(vm)).generation)),
        ),
      });
      for (const vm of vms) if ((await rowOf(vm)).nodeId === other.uuid) here.delete(vm.uuid);
      expect((await copies()).length).toBeLessThanOrEqual(3);
      await round();
    }
    await round();
    expect(await intentOf()).toBe('MAINTENANCE');
    expect(await progress()).toEqual({ remaining: 0, blockers: [] });
    const figures = await world.data.db.node.findMany({ select: { id: true, allocated: true } });
    expect(figures.find(({ id }) => id === node.uuid)?.allocated).toMatchObject({ vcpus: 0 });
    expect(figures.find(({ id }) => id === other.uuid)?.allocated).toMatchObject({ vcpus: 3 });
    const audit = await world.data.db.auditEntry.findMany({
      where: { action: 'node.finishDraining' },
    });
    expect(audit).toMatchObject([{ username: 'system:maintenance', resourceId: node.uuid }]);
  });

  it('begins at most five migrations in a cluster, however many nodes are emptied and leaders there are', async () => {
    await world.seed.node(cluster);
    const nodes = [node];
    while (nodes.length < 4) nodes.push(await world.seed.node(cluster));
    for (const each of nodes) for (let i = 0; i < 3; i += 1) await machine('RUNNING', each);
    for (const each of nodes) await give('enterMaintenance', each);
    await Promise.all([round(), round()]);
    expect(await copies()).toHaveLength(5);
    await round();
    expect(await copies()).toHaveLength(5);
    const sources = (await copies()).map((task) => task.nodeId);
    for (const { uuid } of nodes)
      expect(sources.filter((id) => id === uuid).length).toBeLessThanOrEqual(2);
  });

  it('names what is in the way, and stays DRAINING without writing anything', async () => {
    const suspended = await machine('SUSPENDED');
    const running = await machine();
    await give('enterMaintenance');
    const before = await digest(world.data);
    await round();
    await round();
    expect(await digest(world.data)).toEqual(before);
    expect(await intentOf()).toBe('DRAINING');
    const found = await progress();
    expect(found?.remaining).toBe(2);
    expect(new Map(found?.blockers.map((b) => [b.virtualMachine.name, b.reason]))).toEqual(
      new Map([
        [suspended.name, 'is SUSPENDED. Resume it first.'],
        [running.name, 'there is no other node'],
      ]),
    );
  });

  it('tries a machine again whose migration failed, but not at once', async () => {
    await world.seed.node(cluster);
    await machine();
    await give('enterMaintenance');
    await round();
    const [task] = await copies();
    await world.data.db.task.updateMany({
      where: { id: task?.id ?? '' },
      data: { status: 'FAILED', errorMessage: 'link down', finishedAt: clock.now() },
    });
    await round();
    expect(await copies()).toEqual([]);
    expect((await progress())?.blockers).toMatchObject([
      { reason: expect.stringContaining('link down') },
    ]);
    clock.advance(world.app.services.config.maintenance.retryAfterMs);
    await round();
    expect(await copies()).toHaveLength(1);
  });

  it('goes back into service on request: nothing more begins, and what has begun goes on', async () => {
    await world.seed.node(cluster);
    for (let i = 0; i < 3; i += 1) await machine();
    await give('enterMaintenance');
    await round();
    await give('exitMaintenance');
    await round();
    expect(await intentOf()).toBe('IN_SERVICE');
    expect(await copies()).toHaveLength(2);
  });

  it('is finished by the next round when one is cut off', async () => {
    await world.seed.node(cluster);
    for (let i = 0; i < 2; i += 1) await machine();
    await give('enterMaintenance');
    let left = 2;
    await round(() => left-- > 0);
    expect(await copies()).toHaveLength(1);
    await round();
    expect(await copies()).toHaveLength(2);
  });
});

describe('a plan', () => {
  it('has a target or a reason for each machine, as many as fit together, and changes nothing', async () => {
    const small = { vcpus: 1, memoryMib: 2048, storageGib: 0 };
    await world.seed.node(cluster, { hostname: 'small', allocatable: small });
    const vms = [];
    for (let i = 0; i < 3; i += 1) vms.push(await machine());
    const before = await digest(world.data);
    const found = await plan();
    expect(found).toMatchObject({ remaining: 3 });
    expect(found?.moves.map((move) => (move as { reason: string | null }).reason !== null)).toEqual(
      [false, false, true],
    );
    expect(found?.moves[0]).toMatchObject({ targetNode: { hostname: 'small' }, blocks: false });
    expect(found?.moves[2]).toMatchObject({ targetNode: null, blocks: true });
    expect(await digest(world.data)).toEqual(before);
  });

  it('shows each member the machines of their own projects, and counts the others', async () => {
    await world.seed.node(cluster);
    const other = await world.seed.project();
    await world.seed.user('VIEWER', {
      projects: { [other.uuid]: 'VIEWER' },
      username: `v-${other.name}`,
    });
    await machine('SUSPENDED');
    await give('enterMaintenance');
    const stranger = await world.signIn(`v-${other.name}`);
    expect(await plan(stranger)).toEqual({ remaining: 1, moves: [] });
    expect(await progress(stranger)).toEqual({ remaining: 1, blockers: [] });
  });

  it('is null for a node that does not exist', async () => {
    await world.data.db.node.delete({ where: { id: node.uuid } });
    expect(await plan()).toBeNull();
  });
});

const seen = (vm: Made) => arrived(vm, 1);
const arrived = (vm: Made, generation: number) => ({
  virtualMachineId: vm.id,
  powerState: 'RUNNING' as const,
  generation,
});
