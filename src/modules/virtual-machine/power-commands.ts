/** Power operations: each writes what should be and a task; the node's agent makes it so. */
import { z } from 'zod';
import type { Permission } from '../../core/authz.js';
import { defineCommand, type Outcome, type RunContext } from '../../core/command.js';
import { idOf, optional } from '../../core/input.js';
import { InvalidStateError, NoSuitableNodeError } from '../../errors.js';
import type { VirtualMachine } from '../../gen/client/client.js';
import { beginTask, type OperationResult, readIdle, taskChanges } from './begin.js';
import { capacityChange } from './changes.js';
import { claimPlacement, placementSettings, requestForStart } from './place-vm.js';
import './power-kinds.js';
import { VirtualMachineEntity } from './queries.js';
import { decide, type PowerOperation, stopsByForce } from './rules.js';

const resourceType = 'VirtualMachine';

async function operate(
  context: RunContext,
  operation: PowerOperation,
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
  const request = await requestForStart(tx, vm);
  const nodeId = await claimPlacement(tx, vm.projectId, request, placementSettings(services));
  return { nodeId, capacityClaimed: true };
}

const target = z.object({ id: idOf('VirtualMachine') });
const forcible = target.extend({ force: optional(z.boolean()) });

function powerCommand(
  operation: PowerOperation,
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
