/** What the control plane itself does to tasks: ends those that nobody will finish. Given by the tasks controller. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { abandonTask, holdTask } from './end.js';
import { TaskEntity } from './queries.js';
import { isUnfinished } from './rules.js';

/** A task past its deadline ends as TIMED_OUT; what it had begun is undone as its kind says, and its object is free again. */
export const expireTask = defineCommand({
  name: 'task.expire',
  resourceType: 'Task',
  permission: 'vm:power',
  subject: (input: { taskId: string }) => ({ entity: TaskEntity, id: input.taskId }),
  input: z.object({ taskId: z.uuid() }),
  errors: [],
  audit: 'changes',
  async run(context, { taskId }) {
    const found = await context.tx.task.findUniqueOrThrow({ where: { id: taskId } });
    // A report that takes it further may give it more time.
    const task = (await holdTask(context, found)) ?? found;
    if (!isUnfinished(task.status) || task.deadlineAt > context.now)
      return { result: { taskId }, changed: [] };
    const errorMessage = `It was not finished by ${task.deadlineAt.toISOString()}`;
    const end = { status: 'TIMED_OUT', errorCode: 'TIMEOUT', errorMessage } as const;
    return { result: { taskId }, changed: await abandonTask(context, task, end) };
  },
});
