/** What still uses an object, for InUseError: how many rows of each type there are, and the names of some. */
import type { Tx } from '../data/client.js';
import type { Usage } from '../errors.js';
import { delegateOf, findEntity } from './entity.js';

/** So many are named; more would not help anybody to find them. */
const NAMED = 5;

/**
 * One type after the other, for they share the transaction's connection; types without such rows are left out.
 * @param users API types, each with the condition that its rows meet when they are users. By name: a module below them knows no more.
 */
export async function usesOf(tx: Tx, users: Readonly<Record<string, object>>): Promise<Usage[]> {
  const uses: Usage[] = [];
  for (const [type, where] of Object.entries(users)) {
    const entity = findEntity(type);
    if (!entity) throw new Error(`${type} is no entity`);
    const { model, label } = entity;
    const delegate = delegateOf(tx, model);
    const some = { select: { [label]: true }, take: NAMED, orderBy: { [label]: 'asc' } };
    const rows = await delegate.findMany({ where, ...some });
    if (rows.length === 0) continue;
    const count = rows.length < NAMED ? rows.length : await delegate.count({ where });
    uses.push({ type, count, names: rows.map((row) => String(row[label])) });
  }
  return uses;
}
