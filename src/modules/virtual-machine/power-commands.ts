/** Power operations: each writes what should be and a task; the node's agent makes it so. */
import { z } from 'zod';
import type { Permission } from '../../core/authz.js';
import { type Change, defineCommand, type Outcome, type RunContext } from '../../core/command.js';
import { idOf, optional } from '../../core/input.js';
import { readForEdit } from '../../core/versioned.js';
import type { Tx } from '../../data/client.js';
import { ConflictError, InvalidStateError, NoSuitableNodeError } from '../../errors.js';
import type { Task, VirtualMachine } from '../../gen/client/client.js';
import { capacityOf } from '../node/rules.js';
import { requireIdle } from '../task/idle.js';
import { capacityChange } from './changes.js';
import { claimPlacement, placementSettings } from './place-vm.js';
import './power-kinds.js';
import { VirtualMachineEntity } from './queries.js';
import { decide, nextGeneration, OPERATIONS, type Operation, stopsByForce } from './rules.js';
import type { VmSpec } from './spec.js';

const resourceType = 'VirtualMachine';

/** The answer of every operation: without a task, there was nothing to do. */
export interface OperationResult {
  readonly virtualMachineId: string;
  readonly taskId: string | null;
}

/** The machine, unless a task is at work on it: then BusyError names the task. */
export async function readIdle(tx: Tx, id: string): Promise<VirtualMachine> {
  const vm = await readForEdit<VirtualMachine>(tx, VirtualMachineEntity, id);
  await requireIdle(tx, { virtualMachineId: id }, vm.name);
  return vm;
}

/**
 * Writes what should be, with the next generation, and the task that watches over it. The machine must still be as it was read:
 * a report that came in meanwhile may have changed what the decision was made from, or given back the capacity it relies on.
 */
export async function beginTask(
  { tx, viewer, now, newId, services }: RunContext,
  before: VirtualMachine,
  operation: Operation,
  force: boolean,
  placed: { nodeId?: string; capacityClaimed?: boolean } = {},
): Promise<{ after: VirtualMachine; task: Task }> {
  const generation = nextGeneration(before);
  const { id, powerState, capacityClaimed } = before;
  const [after] = await tx.virtualMachine.updateManyAndReturn({
    where: { id, generation: before.generation, powerState, capacityClaimed },
    data: { ...placed, generation, desiredState: OPERATIONS[operation].desired, statusMessage: '' },
  });
  if (!after) throw new ConflictError(resourceType, null);
  const task = await tx.task.create({
    data: {
      id: newId(),
      operation,
      resourceType,
      resourceId: before.id,
      resourceName: before.name,
      virtualMachineId: before.id,
      nodeId: after.nodeId,
      projectId: before.projectId,
      generation,
      force,
      createdById: viewer.userId,
      createdByName: viewer.name,
      createdAt: now,
      deadlineAt: new Date(now.getTime() + services.config.tasks.timeoutMs),
    },
  });
  return { after, task };
}

export function taskChanges(before: VirtualMachine, after: VirtualMachine, task: Task): Change[] {
  return [
    { type: resourceType, id: after.id, before, after },
    { type: 'Task', id: task.id, before: null, after: task },
  ];
}

async function operate(
  context: RunContext,
  operation: Operation,
  id: string,
  force: boolean,
): Promise<Outcome<OperationResult>> {
  const before = await readIdle(context.tx, id);
  if (decide(operation, before.powerState, force) === 'already') {
    return { result: { virtualMachineId: id, taskId: null }, changed: [] };
  }
  const powersOn =
    operation === 'START' || (operation === 'RESET' && before.powerState === 'CRASHED');
  const placed = powersOn ? await placeForStart(context, before) : {};
  const { after, task } = await beginTask(
    context,
    before,
    operation,
    force || (operation === 'STOP' && stopsByForce(before.powerState)),
    placed,
  );
  const changed = taskChanges(before, after, task);
  if (placed.nodeId) changed.push(capacityChange(placed.nodeId));
  return { result: { virtualMachineId: id, taskId: task.id }, changed };
}

/** A machine that crashed still holds its capacity and starts where it is; a stopped one is placed anew. */
async function placeForStart(
  { tx, services }: RunContext,
  vm: VirtualMachine,
): Promise<{ nodeId?: string; capacityClaimed?: boolean }> {
  if (vm.capacityClaimed) return {};
  const request = {
    resources: capacityOf(vm.resources),
    constraints: (vm.spec as unknown as VmSpec).placement,
    clusterId: vm.clusterId,
    preferredNodeId: vm.nodeId,
  };
  const nodeId = await claimPlacement(tx, vm.projectId, request, placementSettings(services));
  return { nodeId, capacityClaimed: true };
}

const target = z.object({ id: idOf('VirtualMachine') });
const forcible = target.extend({ force: optional(z.boolean()) });

function powerCommand(
  operation: Operation,
  options: { name: string; permission?: Permission; forcible?: boolean; places?: boolean },
) {
  return defineCommand({
    name: options.name,
    resourceType,
    permission: options.permission ?? 'vm:power',
    subject: (input: { id: string }) => ({ entity: VirtualMachineEntity, id: input.id }),
    input: options.forcible ? forcible : target,
    errors: options.places ? [InvalidStateError, NoSuitableNodeError] : [InvalidStateError],
    lock: (input) => [`vm/${input.id}`],
    run: (context, input) =>
      operate(context, operation, input.id, 'force' in input && input.force === true),
  });
}

export const startVirtualMachine = powerCommand('START', {
  name: 'virtualMachine.start',
  places: true,
});
export const stopVirtualMachine = powerCommand('STOP', {
  name: 'virtualMachine.stop',
  forcible: true,
});
export const rebootVirtualMachine = powerCommand('REBOOT', { name: 'virtualMachine.reboot' });
export const resetVirtualMachine = powerCommand('RESET', {
  name: 'virtualMachine.reset',
  places: true,
});
export const suspendVirtualMachine = powerCommand('SUSPEND', { name: 'virtualMachine.suspend' });
export const pauseVirtualMachine = powerCommand('PAUSE', { name: 'virtualMachine.pause' });
export const resumeVirtualMachine = powerCommand('RESUME', { name: 'virtualMachine.resume' });
