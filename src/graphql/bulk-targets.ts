/** Which objects a bulk mutation is about: those that are named, or the first of those that a filter finds. */
import { type BulkMode, MAX_BULK, type Targets } from '../core/bulk.js';
import { delegateOf } from '../core/entity.js';
import { BadRequestError, ValidationError, withArticle } from '../errors.js';
import { decodeGlobalId, encodeGlobalId } from '../ids.js';
import type { GraphQLContext } from './builder.js';
import { asksNothing, type FilterValue, filterWhere } from './filter-input.js';
import type { List } from './list.js';

export interface TargetInput {
  readonly ids?: readonly string[] | null;
  readonly filter?: FilterValue | null;
  readonly after?: string | null;
  readonly mode?: BulkMode | null;
}

/** Throws ValidationError when it is not said, or said twice, what is meant. */
export async function findTargets(
  list: List,
  { ids, filter, after }: TargetInput,
  context: GraphQLContext,
): Promise<Targets> {
  if ((ids == null) === (filter == null))
    throw ValidationError.of([ids == null ? 'ids' : 'filter'], 'give either "ids" or "filter"');
  if (filter != null) return matching(list, filter, after ?? null, context);
  if (after != null) throw ValidationError.of(['after'], 'goes with "filter" only');
  return { ids: named(list, ids ?? []), beyond: 0 };
}

/** In the order in which they were named; what is named twice is meant once. */
function named({ entity }: List, ids: readonly string[]): string[] {
  if (ids.length < 1 || ids.length > MAX_BULK)
    throw ValidationError.of(['ids'], `must be 1 to ${MAX_BULK} ids, not ${ids.length}`);
  return [...new Set(ids.map((id, index) => rowId(entity.type, id, ['ids', String(index)])))];
}

function rowId(type: string, globalId: string, path: readonly string[]): string {
  const decoded = decodeGlobalId(globalId);
  if (decoded?.type === type) return decoded.id;
  throw ValidationError.of(path, `must be the id of ${withArticle(type)}`);
}

/** The oldest first: ids rise with time, never change, and what comes into being meanwhile comes last. */
async function matching(
  list: List,
  filter: FilterValue,
  after: string | null,
  { viewer, prisma }: GraphQLContext,
): Promise<Targets> {
  if (!viewer) return { ids: [], beyond: 0 };
  const { entity } = list;
  const begin = after === null ? [] : [{ id: { gt: rowId(entity.type, after, ['after']) } }];
  const where = [entity.visibility.where(viewer), typed(() => filterWhere(list, filter, viewer))];
  if (asksNothing(where[1] ?? {}))
    throw ValidationError.of(['filter'], 'must have a condition: without one it means everything');
  const rows = await delegateOf(prisma, entity.model).findMany({
    where: { AND: [...where, ...begin] },
    select: { id: true },
    orderBy: { id: 'asc' },
    take: MAX_BULK + 1,
  });
  const ids = rows.slice(0, MAX_BULK).map((row) => String(row.id));
  if (rows.length <= MAX_BULK) return { ids, beyond: 0 };
  const behind = { AND: [...where, { id: { gt: ids.at(-1) } }] };
  return { ids, beyond: await delegateOf(prisma, entity.model).count({ where: behind }) };
}

/** Lists refuse a malformed filter at the top level, mutations with a typed error. */
function typed<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof BadRequestError)) throw error;
    throw ValidationError.of(error.extensions.path as string[], error.message);
  }
}

/**
 * Where the next call with the same filter goes on: behind the last object before which none is left over.
 * @param settled for each target, whether anything was decided about it
 */
export function endCursor(
  { entity }: List,
  { filter, after }: TargetInput,
  ids: readonly string[],
  settled: readonly boolean[],
): string | null {
  if (filter == null) return null;
  const left = settled.indexOf(false);
  const last = ids[(left < 0 ? ids.length : left) - 1];
  return last === undefined ? (after ?? null) : encodeGlobalId(entity.type, last);
}
