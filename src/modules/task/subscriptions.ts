/** `taskChanged`: follows one task to its end. */
import { isEverywhere, isWithin } from '../../core/authz.js';
import { changeSubscription } from '../../graphql/change-subscription.js';
import { uuidOf } from '../../graphql/node.js';
import { TaskEntity } from './queries.js';

changeSubscription('taskChanged', TaskEntity, 'task', {
  description: 'A task: first as it is, then each change. Unsubscribe when it is finished.',
  args: (t) => ({ id: t.arg.id({ required: true, description: 'The task.' }) }),
  select({ id }, { viewer }) {
    const task = uuidOf('Task', id ?? '');
    const sees = (projectId: string | null) =>
      viewer !== null && (projectId === null ? isEverywhere(viewer) : isWithin(viewer, projectId));
    return { where: { id: task }, matches: (hint) => hint.id === task && sees(hint.projectId) };
  },
});
