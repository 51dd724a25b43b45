/** Power operations: each writes what should be and a task; the node's agent makes it so. */
import { z } from 'zod';
import type { Permission } from '../../core/authz.js';
import { defineCommand } from '../../core/command.js';
import { idOf, optional } from '../../core/input.js';
import { InvalidStateError, NoSuitableNodeError } from '../../errors.js';
import { operate } from './power.js';
import { VirtualMachineEntity } from './queries.js';
import type { PowerOperation } from './rules.js';

const resourceType = 'VirtualMachine';

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
