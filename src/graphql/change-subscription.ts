/** `virtualMachineChanged`, `taskChanged`: one shape for every live object, made from its entity. */
import type { Entity } from '../core/entity.js';
import { encodeGlobalId } from '../ids.js';
import { builder, type GraphQLContext } from './builder.js';
import { type ChangeEvent, type ChangeSelection, changeStream } from './change-stream.js';
import { readEntity } from './node.js';

const Kind = builder.enumType('ChangeKind', {
  description: 'What happened to an object.',
  values: {
    SNAPSHOT: { description: 'Nothing yet: this is how it is as the subscription begins.' },
    CREATED: { description: 'It came into being.' },
    UPDATED: { description: 'It changed.' },
    DELETED: { description: 'It is gone.' },
    RESYNC: {
      description: 'Too much happened while you did not listen: read afresh. Carries no object.',
    },
  },
});

/**
 * @param field the subscription's name; `objectField` how the event calls the object
 * @param args the subscription's arguments; `select` says which objects they mean
 */
export function changeSubscription(
  field: string,
  entity: Entity,
  objectField: string,
  options: {
    description: string;
    // biome-ignore lint/suspicious/noExplicitAny: the argument builder of the subscription
    args: (t: any) => object;
    select: (
      args: Record<string, string | null | undefined>,
      context: GraphQLContext,
    ) => Omit<ChangeSelection, 'entity'>;
  },
): void {
  const Event = builder.objectRef<ChangeEvent>(`${entity.type}Change`).implement({
    description: `Something happened to a ${entity.type}.`,
    fields: (t) => ({
      kind: t.field({ type: Kind, description: 'What happened.', resolve: (event) => event.kind }),
      id: t.id({
        nullable: true,
        description: 'To which object; null for RESYNC.',
        resolve: (event) => event.id && encodeGlobalId(entity.type, event.id),
      }),
      droppedCount: t.exposeInt('dropped', {
        description:
          'How many earlier changes of it you were too slow for; this one includes them.',
      }),
      [objectField]: t.field({
        type: entity.type as never,
        nullable: true,
        description: 'The object as it now is; null when it is gone or no longer yours to see.',
        resolve: (event, _args, context, info) =>
          (event.id === null || event.kind === 'DELETED'
            ? null
            : readEntity(context, info, entity, event.id)) as never,
      }),
    }),
  });

  builder.subscriptionField(field, (t) =>
    t.field({
      type: Event,
      description: options.description,
      args: options.args(t) as never,
      subscribe: (_root, args, context) =>
        changeStream(context, { entity, ...options.select(args as never, context) }),
      resolve: (event) => event,
    }),
  );
}
