/** The loops that watch nodes and tasks: each round once, twice, cut off half-way, and with one item that cannot be done. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { nodeHealth } from '../../src/controllers/node-health.js';
import type { Controller } from '../../src/controllers/runner.js';
import { retention, taskDeadlines } from '../../src/controllers/task-keeper.js';
import type { Prisma } from '../../src/gen/client/client.js';
import { newId } from '../../src/ids.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { digest } from '../support/digest.js';
import { operate } from '../support/operations.js';
import type { Made } from '../support/seed.js';
import { createTestAgent } from '../support/test-agent.js';
import { createTestClock, type TestClock } from '../support/test-clock.js';

let clock: TestClock;
let world: TestApp;
let admin: Client;
let cluster: Made;
let project: Made;
beforeAll(async () => {
  clock = createTestClock();
  world = await createTestApp({ clock });
  await world.seed.user('ADMIN', { username: 'ada' });
  cluster = await world.seed.cluster();
  project = await world.seed.project();
});
beforeEach(async () => {
  admin = await world.signIn('ada'); // the clock moves on, and sessions end
  // Each test has the nodes and tasks of its own in view.
  await world.data.db.task.deleteMany();
  await world.data.db.virtualMachine.deleteMany();
  await world.data.db.node.deleteMany();
});
afterAll(() => world.stop());

const LONG_AGO = new Date(0);
const run = (controller: Controller, stillLeading = () => true, leadingSince = LONG_AGO) =>
  controller.run(world.app.services, stillLeading, new AbortController().signal, leadingSince);
const nodeRow = (node: Made) => world.data.db.node.findUniqueOrThrow({ where: { id: node.uuid } });
const vmRow = (vm: Made) =>
  world.data.db.virtualMachine.findUniqueOrThrow({ where: { id: vm.uuid } });
const taskOf = (vm: Made) =>
  world.data.db.task.findFirstOrThrow({ where: { resourceId: vm.uuid } });
const liveNode = (data: Partial<Prisma.NodeCreateManyInput> = {}) =>
  world.seed.node(cluster, { lastHeartbeat: clock.now(), ...data });

/** Says yes this many times and no ever after: leadership that is lost in the middle of a round. */
const leadingFor = (times: number) => {
  let left = times;
  return () => left-- > 0;
};

/** Makes every UPDATE of this row fail, as a defect of ours or of the database would. */
async function breakRow(table: string, id: string) {
  const { db } = world.data;
  await db.$executeRawUnsafe(`CREATE FUNCTION broken_row() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'broken row'; END $$`);
  await db.$executeRawUnsafe(`CREATE TRIGGER broken_row BEFORE UPDATE ON ${table}
    FOR EACH ROW WHEN (OLD.id = '${id}') EXECUTE FUNCTION broken_row()`);
  return () => db.$executeRawUnsafe('DROP FUNCTION broken_row() CASCADE');
}

describe('a node that falls silent', () => {
  it('is NOT_READY after 30 s and DISCONNECTED after 90 s, and then its machines are UNKNOWN', async () => {
    const node = await liveNode();
    const states = ['RUNNING', 'PAUSED', 'SUSPENDED', 'CRASHED', 'STOPPED'] as const;
    const vms = await Promise.all(
      states.map((powerState) => world.seed.vm(project, { powerState, node, claimed: true })),
    );
    const powerStates = async () =>
      Promise.all(vms.map(async (vm) => (await vmRow(vm)).powerState));

    clock.advance(29_999);
    await run(nodeHealth);
    expect(await nodeRow(node)).toMatchObject({ phase: 'READY' });
    clock.advance(1);
    await run(nodeHealth);
    expect(await nodeRow(node)).toMatchObject({
      phase: 'NOT_READY',
      conditions: [{ type: 'Ready', status: 'FALSE', reason: 'AgentSilent' }],
    });
    expect(await powerStates()).toEqual(states);
    clock.advance(60_000);
    await run(nodeHealth);
    expect(await nodeRow(node)).toMatchObject({
      phase: 'DISCONNECTED',
      conditions: [{ type: 'Ready', status: 'UNKNOWN', changedAt: clock.now().toISOString() }],
    });
    const unknown = ['UNKNOWN', 'UNKNOWN', 'UNKNOWN', 'UNKNOWN', 'STOPPED'];
    expect(await powerStates()).toEqual(unknown);
    // Nothing is freed or moved on a suspicion.
    for (const vm of vms) expect(await vmRow(vm)).toMatchObject({ capacityClaimed: true });
  });

  it('is told of once for each step, under the controller’s name', async () => {
    const node = await liveNode();
    const vm = await world.seed.vm(project, { powerState: 'RUNNING', node, claimed: true });
    clock.advance(90_000);
    await run(nodeHealth);
    const before = await digest(world.data);
    await run(nodeHealth);
    await run(nodeHealth);
    expect(await digest(world.data)).toEqual(before);
    const entries = await world.data.db.auditEntry.findMany({
      where: { resourceId: { in: [node.uuid, vm.uuid] } },
      orderBy: { seq: 'asc' },
    });
    expect(entries.map((e) => [e.username, e.action, e.resourceType])).toEqual([
      ['system:node-health', 'node.markSilent', 'HypervisorNode'],
      ['system:node-health', 'node.markSilent', 'VirtualMachine'],
    ]);
  });

  it('and comes back is READY with its first report, and its machines are what they are', async () => {
    const node = await liveNode();
    const vm = await world.seed.vm(project, {
      powerState: 'RUNNING',
      desiredState: 'RUNNING',
      node,
      claimed: true,
    });
    clock.advance(90_000);
    await run(nodeHealth);
    const agent = await createTestAgent(world, node);
    await agent.report({
      virtualMachines: [{ virtualMachineId: vm.id, powerState: 'RUNNING', generation: 1 }],
    });
    expect(await nodeRow(node)).toMatchObject({ phase: 'READY' });
    expect(await vmRow(vm)).toMatchObject({ powerState: 'RUNNING', statusMessage: '' });
    await run(nodeHealth);
    expect(await nodeRow(node)).toMatchObject({ phase: 'READY' });
  });

  it('is not judged by a leader that has just come to power, until that has listened long enough', async () => {
    const node = await liveNode();
    clock.advance(600_000); // the whole control plane was down
    const since = clock.now();
    clock.advance(29_999);
    await run(nodeHealth, () => true, since);
    expect(await nodeRow(node)).toMatchObject({ phase: 'READY' });
    clock.advance(1);
    await run(nodeHealth, () => true, since);
    expect(await nodeRow(node)).toMatchObject({ phase: 'DISCONNECTED' });
  });

  it('is left alone while it has never reported', async () => {
    const node = await world.seed.node(cluster, { phase: 'PENDING', lastHeartbeat: null });
    clock.advance(3_600_000);
    await run(nodeHealth);
    expect(await nodeRow(node)).toMatchObject({ phase: 'PENDING' });
  });

  it('keeps what its operator wants of it', async () => {
    const node = await liveNode({ intent: 'MAINTENANCE' });
    clock.advance(90_000);
    await run(nodeHealth);
    expect(await nodeRow(node)).toMatchObject({ phase: 'DISCONNECTED', intent: 'MAINTENANCE' });
  });

  it('among many: a round that is cut off half-way is finished by the next', async () => {
    const nodes = await Promise.all(Array.from({ length: 5 }, () => liveNode()));
    clock.advance(30_000);
    const count = () => world.data.db.node.count({ where: { phase: 'NOT_READY' } });
    await run(nodeHealth, leadingFor(2));
    expect(await count()).toBe(2);
    await run(nodeHealth);
    expect(await count()).toBe(nodes.length);
  });

  it('among many: one that cannot be written does not keep the others waiting', async () => {
    const nodes = await Promise.all(Array.from({ length: 3 }, () => liveNode()));
    clock.advance(30_000);
    const [first] = await world.data.db.node.findMany({ take: 1 });
    const mend = await breakRow('nodes', first?.id ?? '');
    await expect(run(nodeHealth)).rejects.toThrow('broken row');
    const phases = await Promise.all(nodes.map(async (node) => (await nodeRow(node)).phase));
    expect(phases.sort()).toEqual(['NOT_READY', 'NOT_READY', 'READY']);
    await mend();
    await run(nodeHealth);
    expect(await world.data.db.node.count({ where: { phase: 'NOT_READY' } })).toBe(3);
  });
});

describe('a task past its deadline', () => {
  async function startingVm() {
    const node = await liveNode({ clusterId: (await world.seed.cluster()).uuid });
    const { clusterId } = await nodeRow(node);
    const vm = await world.seed.vm(project, { clusterId });
    await operate(admin, 'START', vm.id);
    return { node, vm };
  }
  const timeout = () => world.app.services.config.tasks.timeoutMs;

  it('ends as TIMED_OUT, and what is becomes what should be, under a new generation', async () => {
    const { vm } = await startingVm();
    clock.advance(timeout() - 1);
    await run(taskDeadlines);
    expect(await taskOf(vm)).toMatchObject({ status: 'PENDING' });
    clock.advance(1);
    await run(taskDeadlines);
    expect(await taskOf(vm)).toMatchObject({
      status: 'TIMED_OUT',
      errorCode: 'TIMEOUT',
      finishedAt: clock.now(),
    });
    expect(await vmRow(vm)).toMatchObject({
      powerState: 'STOPPED',
      desiredState: 'STOPPED',
      generation: 3,
      statusMessage: 'START timed out',
      // Until the agent says that nothing of it is there, its place is not given away.
      capacityClaimed: true,
    });
  });

  it('is not finished by surprise when its agent wakes up: it undoes what it had begun', async () => {
    const { node, vm } = await startingVm();
    const agent = await createTestAgent(world, node, { clock: clock.source });
    await agent.report();
    clock.advance(timeout());
    await run(taskDeadlines);
    const { assignments } = await agent.report();
    expect(assignments).toMatchObject([
      { desiredState: 'STOPPED', operation: null, generation: 3 },
    ]);
    clock.advance(60_000);
    await agent.report();
    expect(await vmRow(vm)).toMatchObject({ powerState: 'STOPPED', capacityClaimed: false });
    expect((await nodeRow(node)).allocated).toMatchObject({ vcpus: 0 });
    expect(await taskOf(vm)).toMatchObject({ status: 'TIMED_OUT' });
  });

  it('frees the machine for the next operation', async () => {
    const { vm } = await startingVm();
    clock.advance(timeout());
    expect(await operate(admin, 'START', vm.id)).toMatchObject({ code: 'BUSY' });
    await run(taskDeadlines);
    expect((await operate(admin, 'START', vm.id)).task).toMatchObject({ operation: 'START' });
  });

  it('of a deletion leaves a machine that is still there, and not about to vanish', async () => {
    const node = await liveNode();
    const vm = await world.seed.vm(project, {
      powerState: 'RUNNING',
      desiredState: 'RUNNING',
      node,
      claimed: true,
    });
    await operate(admin, 'DELETE', vm.id, { force: true });
    clock.advance(timeout());
    await run(taskDeadlines);
    expect(await vmRow(vm)).toMatchObject({ desiredState: 'RUNNING', generation: 3 });
  });

  it('is ended once: the next round finds nothing to do', async () => {
    await startingVm();
    clock.advance(timeout());
    await run(taskDeadlines);
    const before = await digest(world.data);
    await run(taskDeadlines);
    expect(await digest(world.data)).toEqual(before);
  });

  it('among many: a round that is cut off is finished by the next, a broken one is stepped over', async () => {
    const vms = [];
    for (let i = 0; i < 4; i += 1) vms.push((await startingVm()).vm);
    clock.advance(timeout());
    const left = () => world.data.db.task.count({ where: { status: 'PENDING' } });
    await run(taskDeadlines, leadingFor(1));
    expect(await left()).toBe(3);
    const [next] = await world.data.db.task.findMany({
      where: { status: 'PENDING' },
      orderBy: { deadlineAt: 'asc' },
    });
    const mend = await breakRow('tasks', next?.id ?? '');
    await expect(run(taskDeadlines)).rejects.toThrow('broken row');
    expect(await left()).toBe(1);
    await mend();
    await run(taskDeadlines);
    expect(await left()).toBe(0);
  });
});

describe('retention', () => {
  it('forgets keys that expired and tasks that finished long ago, and nothing else', async () => {
    const vm = await world.seed.vm(project);
    const ago = (ms: number) => new Date(clock.now().getTime() - ms);
    const keep = world.app.services.config.tasks.retentionMs;
    const finished = (finishedAt: Date | null) =>
      world.seed.task(project, vm, {
        finishedAt,
        ...(finishedAt ? {} : { status: 'RUNNING' as const, createdAt: ago(2 * keep) }),
      });
    const [old, recent, unfinished] = [
      await finished(ago(keep)),
      await finished(ago(keep - 1)),
      await finished(null),
    ];
    const key = (name: string, expiresAt: Date) => ({
      principal: newId(),
      key: name,
      command: 'cluster.create',
      requestHash: 'h',
      expiresAt,
    });
    await world.data.db.idempotencyKey.createMany({
      data: [key('expired', clock.now()), key('valid', ago(-1))],
    });
    await run(retention);
    const tasks = await world.data.db.task.findMany();
    expect(tasks.map((task) => task.id).sort()).toEqual([recent.uuid, unfinished.uuid].sort());
    expect(tasks.map((task) => task.id)).not.toContain(old.uuid);
    const keys = await world.data.db.idempotencyKey.findMany({
      where: { command: 'cluster.create' },
    });
    expect(keys.map((row) => row.key)).toEqual(['valid']);
  });

  it('does nothing on an instance that does not lead', async () => {
    const before = await digest(world.data);
    clock.advance(365 * 24 * 3_600_000);
    await run(retention, () => false);
    expect(await digest(world.data)).toEqual(before);
  });
});
