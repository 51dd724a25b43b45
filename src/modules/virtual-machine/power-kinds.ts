/** The power operations as kinds of tasks: done by bringing the machine to its desired state. */
import type { Change, RunContext } from '../../core/command.js';
import type { Task } from '../../gen/client/client.js';
import type { TaskOperation } from '../../gen/client/enums.js';
import { defineTaskKind } from '../task/kinds.js';
import type { TaskEnd } from '../task/rules.js';
import { nextGeneration, settledState } from './rules.js';

/**
 * What should be becomes what was observed last, under a new generation: an agent that wakes up later undoes what it had begun
 * instead of finishing it by surprise. Capacity stays claimed until the agent says what really is.
 */
export async function settle({ tx }: RunContext, task: Task, end: TaskEnd): Promise<Change[]> {
  // What the agent says has failed has settled already, with the report that says so.
  if (end.status === 'FAILED' || task.virtualMachineId === null) return [];
  const vm = await tx.virtualMachine.findUnique({ where: { id: task.virtualMachineId } });
  if (!vm || vm.generation !== task.generation) return [];
  const statusMessage =
    end.status === 'TIMED_OUT' ? `${task.operation} timed out` : `${task.operation} was cancelled`;
  const after = await tx.virtualMachine.update({
    where: { id: vm.id },
    data: {
      desiredState: settledState(vm.powerState, vm.desiredState),
      generation: nextGeneration(vm),
      statusMessage,
    },
  });
  return [{ type: 'VirtualMachine', id: vm.id, before: vm, after }];
}

/** A restart or a deletion that is half done leads nowhere else: these go on to their end. */
const CANCELLABLE: readonly TaskOperation[] = ['START', 'STOP', 'SUSPEND', 'PAUSE', 'RESUME'];

for (const operation of [...CANCELLABLE, 'REBOOT', 'RESET', 'DELETE'] as const) {
  defineTaskKind(operation, {
    cancellable: () => CANCELLABLE.includes(operation),
    undo: settle,
  });
}
