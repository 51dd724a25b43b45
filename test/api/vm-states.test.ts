/** Every operation in every power state through the API: what it answers, and what it leaves behind. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeGlobalId, newId } from '../../src/ids.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { mutate } from '../support/mutations.js';
import { FORCIBLE, operate } from '../support/operations.js';
import type { Made } from '../support/seed.js';
import { DESIRED, EXPECTATIONS, OPERATION_NAMES, type State } from '../support/vm-states.js';

let world: TestApp;
let operator: Client;
let project: Made;
let cluster: Made;
let node: Made;

beforeAll(async () => {
  world = await createTestApp();
  const { seed } = world;
  project = await seed.project();
  cluster = await seed.cluster();
  node = await seed.node(cluster);
  await seed.user('OPERATOR', { username: 'olga', projects: { [project.uuid]: 'OPERATOR' } });
  operator = await world.signIn('olga');
});
afterAll(() => world.stop());

/** A machine in this state as operations and reports leave one behind. */
function vmIn(state: State): Promise<Made> {
  const off = state === 'STOPPED';
  const desired = { CRASHED: 'STOPPED', UNKNOWN: 'RUNNING' } as const;
  return world.seed.vm(project, {
    powerState: state,
    desiredState: desired[state as never] ?? state,
    generation: 4,
    observedGeneration: 4,
    statusMessage: 'as it was',
    cluster,
    ...(off ? {} : { node, claimed: true }),
  });
}

const rowOf = (vm: Made) => world.data.db.virtualMachine.findUnique({ where: { id: vm.uuid } });
const tasksOf = (vm: Made) => world.data.db.task.findMany({ where: { resourceId: vm.uuid } });
const allocated = async () =>
  (await world.data.db.node.findUniqueOrThrow({ where: { id: node.uuid } })).allocated;

/** `force` can only be said where the API has it. */
const pairs = EXPECTATIONS.filter((e) => !e.force || FORCIBLE.has(e.operation));
const give = (vm: Made, e: { operation: (typeof OPERATION_NAMES)[number]; force: boolean }) =>
  operate(operator, e.operation, vm.id, e.force ? { force: true } : {});

describe.each(pairs.filter((e) => e.answer === 'refused'))(
  '$operation of a $state machine (force: $force)',
  (expected) => {
    it('is refused with what is and what is possible, and nothing changes', async () => {
      const vm = await vmIn(expected.state);
      const before = await rowOf(vm);
      const answer = await give(vm, expected);
      expect(answer).toMatchObject({
        __typename: 'InvalidStateError',
        code: 'INVALID_STATE',
        current: expected.state,
      });
      expect([...(answer.allowed ?? [])].sort()).toEqual(expected.allowed);
      expect(answer.message).toContain(expected.help);
      expect(await rowOf(vm)).toEqual(before);
      expect(await tasksOf(vm)).toEqual([]);
    });
  },
);

describe.each(pairs.filter((e) => e.answer === 'already'))(
  '$operation of a $state machine (force: $force)',
  (expected) => {
    it('succeeds without a task, and nothing changes', async () => {
      const vm = await vmIn(expected.state);
      const before = await rowOf(vm);
      const answer = await give(vm, expected);
      expect(answer.code).toBeUndefined();
      expect(answer.task).toBeNull();
      expect(answer.virtualMachine).toMatchObject({ id: vm.id, powerState: expected.state });
      expect(await rowOf(vm)).toEqual(before);
      expect(await tasksOf(vm)).toEqual([]);
    });
  },
);

const offAtOnce = (e: { operation: string; state: string }) =>
  e.operation === 'DELETE' && e.state === 'STOPPED';

describe.each(pairs.filter((e) => e.answer === 'proceed' && !offAtOnce(e)))(
  '$operation of a $state machine (force: $force)',
  (expected) => {
    it('writes what should be under a new generation, and a task that watches over it', async () => {
      const { operation, state } = expected;
      const vm = await vmIn(state);
      const answer = await give(vm, expected);
      const forced =
        expected.force || (operation === 'STOP' && ['SUSPENDED', 'CRASHED'].includes(state));
      expect(answer.code).toBeUndefined();
      expect(answer.task).toMatchObject({
        operation,
        status: 'PENDING',
        force: forced,
        progressPercent: 0,
        createdByName: 'olga',
      });
      const row = await rowOf(vm);
      expect(row).toMatchObject({
        powerState: state,
        desiredState: DESIRED[operation],
        generation: 5,
        observedGeneration: 4,
        statusMessage: '',
        nodeId: node.uuid,
        capacityClaimed: true,
      });
      const [task, ...others] = await tasksOf(vm);
      expect(others).toEqual([]);
      expect(task).toMatchObject({
        operation,
        generation: 5,
        force: forced,
        nodeId: node.uuid,
        projectId: project.uuid,
        virtualMachineId: vm.uuid,
        resourceName: vm.name,
      });
      expect(encodeGlobalId('Task', task?.id ?? '')).toBe(answer.task?.id);
      const patience = (task?.deadlineAt.getTime() ?? 0) - (task?.createdAt.getTime() ?? 0);
      expect(patience).toBe(world.app.services.config.tasks.timeoutMs);
    });
  },
);

describe('starting', () => {
  it('a stopped machine claims its capacity on the node; a crashed one holds it already', async () => {
    const [stopped, crashed] = [await vmIn('STOPPED'), await vmIn('CRASHED')];
    const before = (await allocated()) as { vcpus: number; memoryMib: number };
    await operate(operator, 'START', crashed.id);
    expect(await allocated()).toEqual(before);
    await operate(operator, 'START', stopped.id);
    expect(await allocated()).toMatchObject({
      vcpus: before.vcpus + 1,
      memoryMib: before.memoryMib + 1024,
    });
  });
});

describe('deleting', () => {
  it('a stopped machine happens at once, and its project gets its quota back', async () => {
    const vm = await vmIn('STOPPED');
    const before = await world.data.db.project.findUniqueOrThrow({ where: { id: project.uuid } });
    const answer = await operate(operator, 'DELETE', vm.id);
    expect(answer).toMatchObject({ deletedVirtualMachineId: vm.id, task: null });
    expect(await rowOf(vm)).toBeNull();
    const after = await world.data.db.project.findUniqueOrThrow({ where: { id: project.uuid } });
    expect(after).toMatchObject({
      usedVirtualMachines: before.usedVirtualMachines - 1,
      usedVcpus: before.usedVcpus - 1,
      usedMemoryMib: before.usedMemoryMib - 1024,
    });
  });

  it.each([false, true])('a protected machine is refused (force: %s)', async (force) => {
    const vm = await world.seed.vm(project, { deletionProtected: true });
    const answer = await operate(operator, 'DELETE', vm.id, { force });
    expect(answer).toMatchObject({ __typename: 'ProtectedError', code: 'PROTECTED' });
    expect(await rowOf(vm)).not.toBeNull();
  });

  it('cannot be forestalled by protecting a machine that is being deleted already', async () => {
    const vm = await vmIn('RUNNING');
    const { task } = await operate(operator, 'DELETE', vm.id, { force: true });
    const protect = { id: vm.id, deletionProtected: true };
    const answer = await mutate(operator, 'updateVirtualMachine', protect);
    expect(answer).toMatchObject({
      __typename: 'BusyError',
      taskId: task?.id,
      operation: 'DELETE',
    });
    expect(await rowOf(vm)).toMatchObject({ deletionProtected: false, version: 1 });
    const other = await mutate(operator, 'updateVirtualMachine', { id: vm.id, description: 'bye' });
    expect(other.virtualMachine).toMatchObject({ description: 'bye' });
  });

  it('a stopped machine whose node has not confirmed that it is off is a task of that node', async () => {
    const vm = await world.seed.vm(project, { cluster, node, claimed: true });
    const answer = await operate(operator, 'DELETE', vm.id);
    expect(answer.task).toMatchObject({ operation: 'DELETE', status: 'PENDING' });
    expect(await rowOf(vm)).toMatchObject({ desiredState: 'DELETED', capacityClaimed: true });
  });
});

describe('while a task is at work on a machine', () => {
  it.each(OPERATION_NAMES)('%s is told which task, since when, and to come back', async (name) => {
    for (const status of ['PENDING', 'RUNNING'] as const) {
      const vm = await vmIn('RUNNING');
      const taskId = newId();
      const createdAt = new Date('2026-05-04T09:00:00Z');
      await world.data.db.task.create({
        data: {
          id: taskId,
          operation: 'REBOOT',
          status,
          progressPercent: 40,
          resourceType: 'VirtualMachine',
          resourceId: vm.uuid,
          resourceName: vm.name,
          virtualMachineId: vm.uuid,
          generation: 4,
          createdByName: 'somebody',
          createdAt,
          deadlineAt: new Date('2030-01-01T00:00:00Z'),
        },
      });
      const before = await rowOf(vm);
      const answer = await operate(operator, name, vm.id);
      expect(answer).toMatchObject({
        __typename: 'BusyError',
        code: 'BUSY',
        retryable: true,
        taskId: encodeGlobalId('Task', taskId),
        operation: 'REBOOT',
        since: createdAt.toISOString(),
      });
      expect(answer.message).toContain(`REBOOT (${status}, 40 %)`);
      expect(await rowOf(vm)).toEqual(before);
      expect(await tasksOf(vm)).toHaveLength(1);
    }
  });

  it('a task that has ended is in nobody’s way', async () => {
    const vm = await vmIn('RUNNING');
    const { task } = await operate(operator, 'PAUSE', vm.id);
    expect((await operate(operator, 'STOP', vm.id)).taskId).toBe(task?.id);
    await world.data.db.task.updateMany({
      where: { resourceId: vm.uuid },
      data: { status: 'FAILED', finishedAt: new Date() },
    });
    expect((await operate(operator, 'STOP', vm.id)).task).toMatchObject({ operation: 'STOP' });
  });
});
