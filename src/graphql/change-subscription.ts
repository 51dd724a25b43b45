/** `virtualMachineChanged`, `taskChanged`: one shape for every live object, made from its entity. */

import type { Entity } from '../core/entity.js';
import { withArticle } from '../errors.js';
import { encodeGlobalId } from '../ids.js';
import { builder, type GraphQLContext } from './builder.js';
import {
  type ChangeEvent,
  type ChangeSelection,
  changeStream,
  requireWatchable,
} from './change-stream.js';
import { readEntity, readFromBatch } from './node.js';

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
    description: `Something happened to ${withArticle(entity.type)}.`,
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
        resolve: ({ id, kind, batch }, _args, context, info) => {
          if (id === null || kind === 'DELETED') return null as never;
          const row = batch
            ? readFromBatch(context, info, entity, id, batch)
            : readEntity(context, info, entity, id);
          return row as never;
        },
      }),
    }),
  });

  builder.subscriptionField(field, (t) =>
    t.field({
      type: Event,
      description: options.description,
      args: options.args(t) as never,
      subscribe: async (_root, args, context) => {
        const selection = { entity, ...options.select(args as never, context) };
        await requireWatchable(context, selection);
        return changeStream(context, selection);
      },
      resolve: (event) => event,
    }),
  );
}
