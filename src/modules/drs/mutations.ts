/** Mutations of recommendations. */
import { target } from '../../graphql/fields.js';
import { mutationField } from '../../graphql/mutation.js';
import { taskPart, virtualMachinePart } from '../virtual-machine/schema.js';
import {
  applyDrsRecommendation,
  approveDrsRecommendation,
  rejectDrsRecommendation,
} from './commands.js';
import { DrsRecommendationEntity } from './queries.js';

const drsRecommendation = {
  entity: DrsRecommendationEntity,
  description: 'The recommendation as it now is.',
  id: (r: { recommendationId: string }) => r.recommendationId,
};

mutationField('approveDrsRecommendation', approveDrsRecommendation, {
  description: 'Agrees with a recommendation; nothing is done before it is applied.',
  input: (t) => ({ id: target(t, 'recommendation') }),
  entities: { drsRecommendation },
});

mutationField('rejectDrsRecommendation', rejectDrsRecommendation, {
  description: 'Decides against a recommendation, for good.',
  input: (t) => ({ id: target(t, 'recommendation') }),
  entities: { drsRecommendation },
});

mutationField('applyDrsRecommendation', applyDrsRecommendation, {
  description:
    'Does what is recommended: begins the migration, or starts or stops the machine. Refused when things have changed since it was made.',
  input: (t) => ({ id: target(t, 'recommendation') }),
  entities: { drsRecommendation, virtualMachine: virtualMachinePart, task: taskPart },
});
