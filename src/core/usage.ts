/** What still uses an object, for InUseError: all are counted, and those that the caller may see are named. */
import type { Tx } from '../data/client.js';
import type { Usage } from '../errors.js';
import type { Viewer } from './authz.js';
import { delegateOf, type Entity } from './entity.js';

const NAMED = 5;

/** Empty when no row fits `where`; made to be spread into the list of an InUseError. */
export async function usageOf(
  tx: Tx,
  entity: Entity,
  viewer: Viewer,
  where: object,
): Promise<Usage[]> {
  const delegate = delegateOf(tx, entity.model);
  const count = await delegate.count({ where });
  if (count === 0) return [];
  const rows = await delegate.findMany({
    where: { AND: [where, entity.visibility.where(viewer)] },
    select: { [entity.label]: true },
    orderBy: { [entity.label]: 'asc' },
    take: NAMED,
  });
  return [{ type: entity.type, count, names: rows.map((row) => String(row[entity.label])) }];
}
