/** `cancelTask`: a job is told to stop and ends when its agent has; any other operation is given up at once. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { idOf } from '../../core/input.js';
import { InvalidStateError, NotFoundError } from '../../errors.js';
import { abandonTask, holdTask, writeTask } from './end.js';
import { isJob, kindOf } from './kinds.js';
import { TaskEntity } from './queries.js';
import { isUnfinished } from './rules.js';

export const cancelTask = defineCommand({
  name: 'task.cancel',
  resourceType: 'Task',
  permission: 'vm:power',
  subject: (input: { id: string }) => ({ entity: TaskEntity, id: input.id }),
  input: z.object({ id: idOf('Task') }),
  errors: [InvalidStateError],
  async run(context, { id }) {
    // Held: another who cancels it, or a report that takes it further, has been waited for.
    const found = await context.tx.task.findUniqueOrThrow({ where: { id } });
    const task = await holdTask(context, found);
    if (!task) throw new NotFoundError('Task', ['id']);
    const result = { taskId: id };
    if (task.status === 'CANCELLED') return { result, changed: [] };
    if (!isUnfinished(task.status))
      throw new InvalidStateError('CANCEL', task.status, [], 'It has ended already.');
    if (kindOf(task).cancellable?.(task) !== true)
      throw new InvalidStateError(
        'CANCEL',
        task.status,
        [],
        `${task.operation} goes on to its end.`,
      );
    if (isJob(task)) {
      if (task.cancelRequested) return { result, changed: [] };
      const change = await writeTask(context, task, { cancelRequested: true });
      return { result, changed: change ? [{ ...change, derived: false }] : [] };
    }
    const errorMessage = `Cancelled by ${context.viewer.name}`;
    const end = { status: 'CANCELLED', errorCode: 'CANCELLED', errorMessage } as const;
    return { result, changed: await abandonTask(context, task, end) };
  },
});
