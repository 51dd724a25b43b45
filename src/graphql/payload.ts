/** What a mutation's payload is made of, and how the entities in it are read: in one statement for each kind, of however many payloads. */
import { queryFromInfo } from '@pothos/plugin-prisma';
import type { GraphQLResolveInfo } from 'graphql';
import type { Effects } from '../core/effects.js';
import { delegateOf, type Entity } from '../core/entity.js';
import type { Db, Tx } from '../data/client.js';
import type { GraphQLContext } from './builder.js';

export interface Payload<R> {
  readonly result: R;
  readonly dryRun: boolean;
  readonly effects: Effects;
  readonly planToken?: string | null | undefined;
  /** Entities read inside the transaction, by payload field. */
  readonly entities: Entities;
}

export type Entities = Readonly<Record<string, object | null>>;

/** A payload field that shows an entity: where its id stands in the command's result. */
export interface EntityField<R> {
  readonly entity: Entity;
  readonly description: string;
  readonly id: (result: R) => string | null | undefined;
}

/** A step from the mutation field towards the payload: the field's name, and the type that has the field. */
export interface Step {
  readonly name: string;
  readonly type?: string;
}

/**
 * One statement for each entity that the caller selected in the payloads.
 * @param steps from the mutation field to where the payloads stand; `type`: the payload's type
 * @returns the entities of each result, in the order of `results`; what the viewer may not see is null
 */
export async function readEntities<R>(
  db: Db | Tx,
  results: readonly R[],
  fields: readonly [string, EntityField<R>][],
  { steps, type }: { steps: readonly Step[]; type: string },
  context: GraphQLContext,
  info: GraphQLResolveInfo,
): Promise<Entities[]> {
  const found = results.map((): Record<string, object | null> => ({}));
  const visible = (entity: Entity) =>
    context.viewer ? entity.visibility.where(context.viewer) : { id: { in: [] } };
  for (const [field, { entity, id }] of fields) {
    const query = queryFromInfo({
      context,
      info,
      typeName: entity.type,
      path: [...steps, { name: field, type }],
    });
    const ids = [...new Set(results.flatMap((result) => id(result) ?? []))];
    const selected = 'select' in query; // without a selection under the path there is no plan
    const rows =
      selected && ids.length > 0
        ? await delegateOf(db, entity.model).findMany({
            ...query,
            where: { AND: [{ id: ids.length === 1 ? ids[0] : { in: ids } }, visible(entity)] },
          })
        : [];
    const byId = new Map(rows.map((row) => [row.id, row]));
    for (const [i, result] of results.entries())
      (found[i] as Record<string, object | null>)[field] = byId.get(id(result) ?? null) ?? null;
  }
  return found;
}
