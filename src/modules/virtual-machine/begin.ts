/** How operations on virtual machines begin: on an idle machine, with a task that watches over what follows. */
import type { Change, RunContext } from '../../core/command.js';
import { readForEdit } from '../../core/versioned.js';
import type { Tx } from '../../data/client.js';
import { ConflictError } from '../../errors.js';
import type { Prisma, Task, VirtualMachine } from '../../gen/client/client.js';
import type { TaskOperation } from '../../gen/client/enums.js';
import { createTask, newTask, type TaskColumns } from '../task/begin.js';
import { lockMachine } from '../task/end.js';
import { requireIdle } from '../task/idle.js';
import { VirtualMachineEntity } from './queries.js';
import { nextGeneration, OPERATIONS, type Operation } from './rules.js';

const resourceType = 'VirtualMachine';

/** The answer of every operation: without a task, there was nothing to do. */
export interface OperationResult {
  readonly virtualMachineId: string;
  readonly taskId: string | null;
}

/**
 * The machine, unless a task is at work on it: then BusyError names the task. Its row is held from here on: what is off is
 * changed without a new generation, so that a start that began before a resize would claim the size of before, and a snapshot
 * that began before a deletion would not be counted by it.
 */
export async function readIdle(tx: Tx, id: string): Promise<VirtualMachine> {
  await lockMachine({ tx }, { virtualMachineId: id });
  const vm = await readForEdit<VirtualMachine>(tx, VirtualMachineEntity, id);
  await requireIdle(tx, { virtualMachineId: id }, vm.name);
  return vm;
}

/**
 * Writes what should be, with the next generation, and the task that watches over it. The machine must still be as it was read:
 * a report that came in meanwhile may have changed what the decision was made from, or given back the capacity it relies on,
 * and a resize of a machine that is off makes what was claimed for its start too little.
 */
export async function beginTask(
  context: RunContext,
  before: VirtualMachine,
  operation: Operation,
  force: boolean,
  columns: Prisma.VirtualMachineUncheckedUpdateManyInput = {},
  task: Partial<TaskColumns> = {},
): Promise<{ after: VirtualMachine; task: Task }> {
  const { tx } = context;
  const generation = nextGeneration(before);
  const { id, version, powerState, capacityClaimed } = before;
  const [after] = await tx.virtualMachine.updateManyAndReturn({
    where: { id, version, generation: before.generation, powerState, capacityClaimed },
    data: {
      generation,
      desiredState: OPERATIONS[operation].desired ?? before.desiredState,
      statusMessage: '',
      ...columns,
    },
  });
  if (!after) throw new ConflictError(resourceType, null);
  const { timeoutMs } = context.services.config.tasks;
  return {
    after,
    task: await createTask(context, { ...about(after, operation), force, ...task }, timeoutMs),
  };
}

/** Whether it is off and stays so: one that its node has lost is STOPPED too, holds its capacity, and is being brought back. */
export function isOff(vm: Pick<VirtualMachine, 'powerState' | 'capacityClaimed'>): boolean {
  return vm.powerState === 'STOPPED' && !vm.capacityClaimed;
}

/** Locks the machine's row until the commit. Throws ConflictError when it is not as it was read: a decision was made from that. */
async function holdAsRead(tx: Tx, vm: VirtualMachine): Promise<void> {
  const { id, version, generation, powerState, capacityClaimed } = vm;
  const held = await tx.$queryRaw<unknown[]>`
    SELECT id FROM virtual_machines
    WHERE id = ${id}::uuid AND version = ${version} AND generation = ${generation} AND power_state = ${powerState}::power_state
      AND capacity_claimed = ${capacityClaimed} FOR UPDATE`;
  if (held.length === 0) throw new ConflictError(resourceType, null);
}

/**
 * Begins a job about a machine, which goes on being what it is meanwhile. The machine must still be as it was read;
 * that no other task is at work on it is for the unique index of unfinished tasks to judge.
 */
export async function beginJob(
  context: RunContext,
  vm: VirtualMachine,
  operation: TaskOperation,
  columns: Partial<TaskColumns>,
  timeoutMs: number = context.services.config.tasks.jobTimeoutMs,
): Promise<Task> {
  await holdAsRead(context.tx, vm);
  return createTask(context, { ...about(vm, operation), ...columns }, timeoutMs);
}

/** What every task about a machine says of it. */
function about(vm: VirtualMachine, operation: TaskOperation): TaskColumns {
  return {
    operation,
    resourceType,
    resourceId: vm.id,
    resourceName: vm.name,
    virtualMachineId: vm.id,
    nodeId: vm.nodeId,
    projectId: vm.projectId,
    generation: vm.generation,
  };
}

export function taskChanges(before: VirtualMachine, after: VirtualMachine, task: Task): Change[] {
  return [{ type: resourceType, id: after.id, before, after }, newTask(task)];
}
