/** Operations from the mutation to the machine and back: a simulated hypervisor does what it is told, and tasks end. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runAgent } from '../../src/agent/agent.js';
import { createSimulatedHypervisor } from '../../src/agent/simulated-hypervisor.js';
import { createSimulatedJobs } from '../../src/agent/simulated-jobs.js';
import { createSimulatedMachine } from '../../src/agent/simulated-machine.js';
import { openTransport } from '../../src/agent/transport.js';
import type { Assignment } from '../../src/agent/types.js';
import { createLogger } from '../../src/log.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { createStage, type Stage } from '../support/mutations.js';
import { operate } from '../support/operations.js';
import type { Made } from '../support/seed.js';
import { createTestAgent, type TestAgent } from '../support/test-agent.js';
import { createTestClock } from '../support/test-clock.js';
import { until } from '../support/until.js';

const clock = createTestClock();
let world: TestApp;
let stage: Stage;
beforeAll(async () => {
  const agent = { reportIntervalMs: 100 };
  world = await createTestApp({ clock, config: { agent } });
  stage = await createStage(world);
});
afterAll(() => world.stop());

const vmRow = (vm: Made) => world.data.db.virtualMachine.findUnique({ where: { id: vm.uuid } });
const nodeRow = (node: Made) => world.data.db.node.findUniqueOrThrow({ where: { id: node.uuid } });
const lastTask = (vm: Made) =>
  world.data.db.task.findFirstOrThrow({
    where: { resourceId: vm.uuid },
    orderBy: { createdAt: 'desc' },
  });

/** A node with an agent, alone in its cluster, and a stopped machine that can only run there. */
async function place(failure?: (assignment: Assignment) => string | null) {
  const cluster = await world.seed.cluster();
  const node = await world.seed.node(cluster);
  const agent = await createTestAgent(world, node, {
    clock: clock.source,
    ...(failure ? { failure } : {}),
  });
  const vm = await world.seed.vm(stage.project, {
    cluster,
    spec: { cpu: { cores: 1 }, memory: { sizeMib: 1024 }, guestOs: 'linux' },
  });
  return { node, agent, vm };
}

/** Lets the agent take its orders, finish them, and say so. */
async function settle(agent: TestAgent): Promise<void> {
  await agent.report();
  clock.advance(120_000);
  await agent.report();
}

async function started() {
  const placed = await place();
  await operate(stage.admin, 'START', placed.vm.id);
  await settle(placed.agent);
  expect(await vmRow(placed.vm)).toMatchObject({ powerState: 'RUNNING' });
  return placed;
}

describe('starting', () => {
  it('goes from assignment over progress to success, and the machine runs', async () => {
    const { node, agent, vm } = await place();
    await operate(stage.admin, 'START', vm.id);
    const { assignments } = await agent.report();
    expect(assignments).toEqual([
      {
        virtualMachineId: vm.id,
        name: vm.name,
        desiredState: 'RUNNING',
        operation: 'START',
        generation: 2,
        force: false,
        graceMs: world.app.services.config.tasks.gracefulStopTimeoutMs,
        vcpus: 1,
        memoryMib: 1024,
        guestOs: 'linux',
      },
    ]);
    expect(await lastTask(vm)).toMatchObject({ status: 'PENDING', startedAt: null });

    clock.advance(600);
    await agent.report();
    expect(await lastTask(vm)).toMatchObject({
      status: 'RUNNING',
      progressPercent: 40,
      startedAt: clock.now(),
      finishedAt: null,
    });
    expect(await vmRow(vm)).toMatchObject({ powerState: 'STOPPED', observedGeneration: 1 });

    clock.advance(900);
    expect((await agent.report()).assignments).toEqual([]);
    expect(await lastTask(vm)).toMatchObject({
      status: 'SUCCEEDED',
      progressPercent: 100,
      finishedAt: clock.now(),
    });
    expect(await vmRow(vm)).toMatchObject({
      powerState: 'RUNNING',
      desiredState: 'RUNNING',
      observedGeneration: 2,
      nodeId: node.uuid,
      capacityClaimed: true,
    });
  });

  it('is assigned again and again until the agent has it: no message matters', async () => {
    const { agent, vm } = await place();
    await operate(stage.admin, 'START', vm.id);
    for (let i = 0; i < 3; i += 1) {
      const answer = await agent.send(agent.draft()); // and the answer is lost
      expect(answer).toMatchObject({ assignments: [{ generation: 2, operation: 'START' }] });
    }
    await settle(agent);
    expect(await lastTask(vm)).toMatchObject({ status: 'SUCCEEDED' });
  });

  it('that the hypervisor cannot do fails with its words, settles, and gives the capacity back', async () => {
    const { node, agent, vm } = await place(() => 'no such bridge: br100');
    await operate(stage.admin, 'START', vm.id);
    expect((await nodeRow(node)).allocated).toMatchObject({ vcpus: 1 });
    await settle(agent);
    expect(await lastTask(vm)).toMatchObject({
      status: 'FAILED',
      errorCode: 'AGENT',
      errorMessage: 'no such bridge: br100',
    });
    expect(await vmRow(vm)).toMatchObject({
      powerState: 'STOPPED',
      desiredState: 'STOPPED',
      statusMessage: 'no such bridge: br100',
      capacityClaimed: false,
    });
    expect((await nodeRow(node)).allocated).toMatchObject({ vcpus: 0 });
    await settle(agent);
    expect(await vmRow(vm)).toMatchObject({ statusMessage: 'no such bridge: br100' });
  });

  it('prefers the node where the machine was, and another one takes it when that is full', async () => {
    const cluster = await world.seed.cluster();
    const was = await world.seed.node(cluster);
    await world.seed.node(cluster);
    const vm = await world.seed.vm(stage.project, { cluster, node: was });
    await operate(stage.admin, 'START', vm.id);
    expect(await vmRow(vm)).toMatchObject({ nodeId: was.uuid });
    const second = await world.seed.vm(stage.project, { cluster, node: was });
    const full = { vcpus: 128, memoryMib: 0, storageGib: 0 };
    await world.data.db.node.update({ where: { id: was.uuid }, data: { allocated: full } });
    await operate(stage.admin, 'START', second.id);
    expect((await vmRow(second))?.nodeId).not.toBe(was.uuid);
  });
});

describe('stopping', () => {
  it('is graceful and gives the capacity back when the guest is off, not before', async () => {
    const { node, agent, vm } = await started();
    await operate(stage.admin, 'STOP', vm.id);
    const { assignments } = await agent.report();
    expect(assignments).toMatchObject([{ operation: 'STOP', force: false }]);
    expect((await nodeRow(node)).allocated).toMatchObject({ vcpus: 1 });
    clock.advance(120_000);
    await agent.report();
    expect(await vmRow(vm)).toMatchObject({
      powerState: 'STOPPED',
      desiredState: 'STOPPED',
      capacityClaimed: false,
    });
    expect((await nodeRow(node)).allocated).toMatchObject({ vcpus: 0 });
  });

  it('by force tells the agent so', async () => {
    const { agent, vm } = await started();
    await operate(stage.admin, 'STOP', vm.id, { force: true });
    expect((await agent.report()).assignments).toMatchObject([{ operation: 'STOP', force: true }]);
  });
});

describe('pause, resume and reboot', () => {
  it('each end where they should', async () => {
    const { agent, vm } = await started();
    for (const [operation, powerState] of [
      ['PAUSE', 'PAUSED'],
      ['RESUME', 'RUNNING'],
      ['REBOOT', 'RUNNING'],
    ] as const) {
      const { task } = await operate(stage.admin, operation, vm.id);
      expect(task).toMatchObject({ operation });
      await settle(agent);
      expect(await lastTask(vm)).toMatchObject({ operation, status: 'SUCCEEDED' });
      expect(await vmRow(vm)).toMatchObject({ powerState, capacityClaimed: true });
    }
  });
});

describe('a guest that goes its own way', () => {
  it('and shuts itself down is STOPPED, stays so, and holds no capacity', async () => {
    const { node, agent, vm } = await started();
    const [seen] = agent.hypervisor.observe();
    const { operation: _, ...off } = { ...seen, powerState: 'STOPPED' as const };
    const answer = await agent.send(agent.draft({ virtualMachines: [off as never] }));
    expect(answer).toMatchObject({ assignments: [] });
    expect(await vmRow(vm)).toMatchObject({
      powerState: 'STOPPED',
      desiredState: 'STOPPED',
      capacityClaimed: false,
      statusMessage: 'It is STOPPED although it should be RUNNING',
    });
    expect((await nodeRow(node)).allocated).toMatchObject({ vcpus: 0 });
  });

  it('and crashes is CRASHED, and starts again where it is', async () => {
    const { node, agent, vm } = await started();
    agent.hypervisor.crash(vm.id);
    await agent.report();
    expect(await vmRow(vm)).toMatchObject({ powerState: 'CRASHED', capacityClaimed: true });
    await operate(stage.admin, 'START', vm.id);
    await settle(agent);
    expect(await vmRow(vm)).toMatchObject({ powerState: 'RUNNING', nodeId: node.uuid });
    expect((await nodeRow(node)).allocated).toMatchObject({ vcpus: 1 });
  });
});

describe('an agent that is started again', () => {
  it('is told of its machines, and they come back without a task and without new capacity', async () => {
    const { node, agent, vm } = await started();
    agent.restart();
    const { assignments } = await agent.report();
    expect(assignments).toMatchObject([{ operation: null, desiredState: 'RUNNING' }]);
    expect(await vmRow(vm)).toMatchObject({
      powerState: 'STOPPED',
      statusMessage: expect.stringContaining('brought back'),
      capacityClaimed: true,
    });
    await settle(agent);
    expect(await vmRow(vm)).toMatchObject({ powerState: 'RUNNING', statusMessage: '' });
    expect((await nodeRow(node)).allocated).toMatchObject({ vcpus: 1 });
    expect(await world.data.db.task.count({ where: { resourceId: vm.uuid } })).toBe(1);
  });

  it('in the middle of an operation finishes it', async () => {
    const { agent, vm } = await started();
    await operate(stage.admin, 'REBOOT', vm.id);
    await agent.report();
    clock.advance(500);
    await agent.report();
    agent.restart();
    await settle(agent);
    expect(await lastTask(vm)).toMatchObject({ operation: 'REBOOT', status: 'SUCCEEDED' });
    expect(await vmRow(vm)).toMatchObject({ powerState: 'RUNNING' });
  });
});

describe('an agent that claims a generation nobody gave it', () => {
  it('does not keep its machine from being operated', async () => {
    const { vm, agent } = await started();
    const wild = {
      virtualMachineId: vm.id,
      powerState: 'RUNNING',
      generation: 2 ** 31 - 1,
    } as const;
    await agent.report({ virtualMachines: [wild] });
    await operate(stage.admin, 'STOP', vm.id);
    await settle(agent);
    expect(await lastTask(vm)).toMatchObject({ operation: 'STOP', status: 'SUCCEEDED' });
    expect(await vmRow(vm)).toMatchObject({ powerState: 'STOPPED' });
  });
});

describe('deleting', () => {
  it('a running machine by force is a task, and row, capacity and quota go when it is gone', async () => {
    const { node, agent, vm } = await started();
    const where = { where: { id: stage.project.uuid } };
    const before = await world.data.db.project.findUniqueOrThrow(where);
    await operate(stage.admin, 'DELETE', vm.id, { force: true });
    expect((await agent.report()).assignments).toMatchObject([
      { operation: 'DELETE', desiredState: 'DELETED', force: true },
    ]);
    expect(await vmRow(vm)).not.toBeNull();
    clock.advance(120_000);
    await agent.report();
    expect(await vmRow(vm)).toBeNull();
    expect(await lastTask(vm)).toMatchObject({
      operation: 'DELETE',
      status: 'SUCCEEDED',
      virtualMachineId: null,
      resourceName: vm.name,
    });
    expect((await nodeRow(node)).allocated).toMatchObject({ vcpus: 0, memoryMib: 0 });
    const after = await world.data.db.project.findUniqueOrThrow(where);
    expect(before.usedVirtualMachines - after.usedVirtualMachines).toBe(1);
  });

  it('that fails leaves the machine as it is, and says why', async () => {
    const { agent, vm } = await place((a) => (a.operation === 'DELETE' ? 'disk is busy' : null));
    await operate(stage.admin, 'START', vm.id);
    await settle(agent);
    await operate(stage.admin, 'DELETE', vm.id, { force: true });
    await settle(agent);
    expect(await lastTask(vm)).toMatchObject({ status: 'FAILED', errorMessage: 'disk is busy' });
    expect(await vmRow(vm)).toMatchObject({
      desiredState: 'RUNNING',
      statusMessage: 'disk is busy',
    });
  });
});

describe('the agent program', () => {
  it('starts a machine by itself, and stops when it is told to', async () => {
    const { node, vm } = await place();
    const stopping = new AbortController();
    const hypervisor = createSimulatedHypervisor({ clock: clock.source });
    const running = runAgent({
      transport: openTransport('http://test', await world.seed.agentToken(node), (request) =>
        world.app.fetch(request),
      ),
      jobs: createSimulatedJobs({ clock: clock.source }),
      machine: createSimulatedMachine({
        seed: node.name,
        workload: hypervisor.workload,
        systemInfo: { agentVersion: 'test', hypervisorVersion: 'simulated' },
        clock: clock.source,
      }),
      hypervisor,
      log: createLogger({ level: 'silent' }),
      signal: stopping.signal,
    });
    await operate(stage.admin, 'START', vm.id);
    await until('the agent has the machine', () => hypervisor.observe().length > 0);
    clock.advance(60_000);
    await until('it runs', async () => (await vmRow(vm))?.powerState === 'RUNNING');
    expect(await nodeRow(node)).toMatchObject({ systemInfo: { agentVersion: 'test' } });
    const { data } = await stage.admin.answer(
      'query($id: ID!) { hypervisorNode(id: $id) { metrics { cpuPercent } } }',
      { id: node.id },
    );
    expect(data).toEqual({ hypervisorNode: { metrics: { cpuPercent: expect.any(Number) } } });
    stopping.abort();
    await running;
  });
});
