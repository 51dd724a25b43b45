/** Reading one object: the same function behind `node(id)`, `virtualMachine(id)` and their kin, scoped by the entity's visibility. */
import { brandWithType } from '@pothos/core';
import { queryFromInfo } from '@pothos/plugin-prisma';
import type { GraphQLResolveInfo } from 'graphql';
import { delegateOf, type Entity, findEntity } from '../core/entity.js';
import { BadRequestError, UnauthenticatedError, withArticle } from '../errors.js';
import { decodeGlobalId } from '../ids.js';
import type { GraphQLContext } from './builder.js';

/** The row with what the query selects of it, in one statement; null when absent or hidden. */
export async function readEntity(
  context: GraphQLContext,
  info: GraphQLResolveInfo,
  entity: Entity,
  id: string,
): Promise<object | null> {
  const { viewer } = context;
  if (!viewer) throw new UnauthenticatedError();
  const query = queryFromInfo({ context, info, typeName: entity.type });
  return delegateOf(context.prisma, entity.model).findFirst({
    ...query,
    where: { AND: [{ id }, entity.visibility.where(viewer)] },
  });
}

/** Objects that are asked for one after the other and read together. */
export interface Batch {
  readonly ids: readonly string[];
  /** What was read, by the name that the answer gives the field: each may select something else. */
  readonly rows: Map<string, Promise<ReadonlyMap<string, object>>>;
}

/** Like `readEntity`; the first that is asked for brings all of its batch, in one statement. */
export async function readFromBatch(
  context: GraphQLContext,
  info: GraphQLResolveInfo,
  entity: Entity,
  id: string,
  { ids, rows }: Batch,
): Promise<object | null> {
  const { viewer } = context;
  if (!viewer) throw new UnauthenticatedError();
  // Not only for its first: what hangs on the row finds out from this that it has been read.
  const query = queryFromInfo({ context, info, typeName: entity.type });
  const name = String(info.path.key);
  const known =
    rows.get(name) ??
    delegateOf(context.prisma, entity.model)
      .findMany({
        ...query,
        where: { AND: [{ id: { in: [...ids] } }, entity.visibility.where(viewer)] },
      })
      .then((found) => new Map(found.map((row) => [String(row.id), row])));
  rows.set(name, known);
  return (await known).get(id) ?? null;
}

export async function readNode(
  context: GraphQLContext,
  info: GraphQLResolveInfo,
  type: string,
  id: string,
): Promise<object | null> {
  const entity = findEntity(type);
  const row = entity ? await readEntity(context, info, entity, id) : null;
  if (row) brandWithType(row, type as never);
  return row;
}

/** The UUID in a public id that must be of `type`. Throws BadRequestError naming what is wrong. */
export function uuidOf(type: string, globalId: string, path: readonly string[] = ['id']): string {
  const decoded = decodeGlobalId(globalId);
  if (decoded?.type === type) return decoded.id;
  throw new BadRequestError(
    decoded
      ? `This is the id of ${withArticle(decoded.type)}; the id of ${withArticle(type)} is needed.`
      : `"${globalId.slice(0, 64)}" is not an id of this API.`,
    path,
  );
}
