/** What callers may do to tasks. */
import { target } from '../../graphql/fields.js';
import { mutationField } from '../../graphql/mutation.js';
import { cancelTask } from './cancel-command.js';
import { TaskEntity } from './queries.js';

mutationField('cancelTask', cancelTask, {
  description:
    'Gives an operation up, where that makes sense. A job of an agent ends when the agent has stopped it: follow the task to see.',
  input: (t) => ({ id: target(t, 'task') }),
  entities: {
    task: {
      entity: TaskEntity,
      description: 'The task as it now is.',
      id: (r: { taskId: string }) => r.taskId,
    },
  },
});
