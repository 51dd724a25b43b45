/** What the control plane itself does to tasks: ends those that nobody will finish. Given by the tasks controller. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { TaskEntity } from '../task/queries.js';
import { ended, isUnfinished, UNFINISHED } from '../task/rules.js';
import { nextGeneration, settledState } from './rules.js';

/**
 * A task past its deadline ends as TIMED_OUT, and its machine is free for the next operation.
 * What should be becomes what was observed last, under a new generation: an agent that wakes up later undoes what it had begun
 * instead of finishing it by surprise. Capacity stays claimed until the agent says what really is.
 */
export const expireTask = defineCommand({
  name: 'task.expire',
  resourceType: 'Task',
  permission: 'vm:power',
  subject: (input: { taskId: string }) => ({ entity: TaskEntity, id: input.taskId }),
  input: z.object({ taskId: z.uuid() }),
  errors: [],
  audit: 'changes',
  async run({ tx, now }, { taskId }) {
    const task = await tx.task.findUniqueOrThrow({ where: { id: taskId } });
    if (!isUnfinished(task.status) || task.deadlineAt > now)
      return { result: { taskId }, changed: [] };
    // First the machine, then its task, as a report does: in the other order the two would wait for each other.
    await tx.$queryRaw`SELECT id FROM virtual_machines WHERE id = ${task.virtualMachineId}::uuid FOR UPDATE`;
    const message = `It was not finished by ${task.deadlineAt.toISOString()}`;
    const [after] = await tx.task.updateManyAndReturn({
      where: { id: taskId, status: { in: [...UNFINISHED] } },
      data: ended(task, { status: 'TIMED_OUT', errorCode: 'TIMEOUT', errorMessage: message }, now),
    });
    if (!after) return { result: { taskId }, changed: [] };
    const vm = task.virtualMachineId
      ? await tx.virtualMachine.findUnique({ where: { id: task.virtualMachineId } })
      : null;
    const taskChange = { type: 'Task', id: taskId, before: task, after };
    if (!vm || vm.generation !== task.generation)
      return { result: { taskId }, changed: [taskChange] };
    const settled = await tx.virtualMachine.update({
      where: { id: vm.id },
      data: {
        desiredState: settledState(vm.powerState, vm.desiredState),
        generation: nextGeneration(vm),
        statusMessage: `${task.operation} timed out`,
      },
    });
    return {
      result: { taskId },
      changed: [taskChange, { type: 'VirtualMachine', id: vm.id, before: vm, after: settled }],
    };
  },
});
