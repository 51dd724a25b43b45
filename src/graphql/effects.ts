/** The fields of every payload that say what else a mutation does: see core/effects.ts. */
import {
  type Cascade,
  type Effects,
  NO_EFFECTS,
  type QuotaChange,
  visibleEffects,
} from '../core/effects.js';
import { encodeGlobalId } from '../ids.js';
import { builder, type GraphQLContext } from './builder.js';

const Effect = builder.enumType('CascadeEffect', {
  description: 'What becomes of an object along with another one.',
  values: {
    CREATED: { description: 'It is new.' },
    UPDATED: { description: 'It is changed.' },
    DELETED: { description: 'It is gone, or in the bin.' },
  },
});

const CascadeType = builder.objectRef<Cascade>('Cascade').implement({
  description: 'An object that a mutation changes along with the one that it is about.',
  fields: (t) => ({
    id: t.id({ description: 'The object.', resolve: ({ type, id }) => encodeGlobalId(type, id) }),
    type: t.exposeString('type', { description: 'Its type.' }),
    name: t.exposeString('name', { description: 'What it is called.' }),
    effect: t.field({
      type: Effect,
      description: 'What becomes of it.',
      resolve: ({ effect }) => effect,
    }),
  }),
});

const QuotaChangeType = builder.objectRef<QuotaChange>('QuotaChange').implement({
  description: 'What a mutation takes from the quota of a project, or gives back.',
  fields: (t) => ({
    projectId: t.id({
      description: 'The project.',
      resolve: ({ projectId }) => encodeGlobalId('Project', projectId),
    }),
    resource: t.exposeString('resource', {
      description: 'The field of the quota; its unit is in its name.',
    }),
    change: t.exposeInt('change', { description: 'How much more is used; negative: less.' }),
    used: t.exposeInt('used', { description: 'How much is used then, this change included.' }),
    limit: t.exposeInt('limit', { nullable: true, description: 'The quota; null: unlimited.' }),
  }),
});

interface Parent {
  readonly effects?: Effects | undefined;
}

// biome-ignore-start lint/suspicious/noExplicitAny: the builder of any payload's fields
export function effectFields(t: any) {
  const seen = ({ effects = NO_EFFECTS }: Parent, { viewer }: GraphQLContext) =>
    visibleEffects(viewer, effects);
  return {
    cascades: t.field({
      type: [CascadeType],
      description:
        'What is changed along with it at once, as far as you may see it; what a task does later is not in it.',
      resolve: (parent: Parent, _args: object, context: GraphQLContext) => [
        ...seen(parent, context).cascades,
      ],
    }),
    quotaChanges: t.field({
      type: [QuotaChangeType],
      description: 'What it takes from the quota of projects that you may see, or gives back.',
      resolve: (parent: Parent, _args: object, context: GraphQLContext) => [
        ...seen(parent, context).quotaChanges,
      ],
    }),
  };
}
// biome-ignore-end lint/suspicious/noExplicitAny: see above
