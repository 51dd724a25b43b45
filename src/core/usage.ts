/** What still uses an object, for InUseError: all are counted, and those that the caller may see are named. */
import type { Tx } from '../data/client.js';
import type { Usage } from '../errors.js';
import type { Viewer } from './authz.js';
import { delegateOf, type Entity, entityCalled } from './entity.js';

/** So many are named; more would not help anybody to find them. */
const NAMED = 5;
/** Behind the name of what is in the bin. */
export const IN_THE_BIN = ' (in the bin)';

/** Empty when no row fits `where`; made to be spread into the list of an InUseError. */
async function usageOf(tx: Tx, entity: Entity, viewer: Viewer, where: object): Promise<Usage[]> {
  const delegate = delegateOf(tx, entity.model);
  const count = await delegate.count({ where });
  if (count === 0) return [];
  const { label, bin } = entity;
  const visibility = bin?.anywhere ?? entity.visibility;
  const rows = await delegate.findMany({
    where: { AND: [where, visibility.where(viewer)] },
    select: { [label]: true, ...(bin ? { [bin.column]: true } : {}) },
    orderBy: { [label]: 'asc' },
    take: NAMED,
  });
  // What is in the bin still uses what it refers to, and is on no list where its user would look for it.
  const named = rows.filter((row) => row[label]); // a rule may have no words
  const names = named.map((row) => `${row[label]}${bin && row[bin.column] ? IN_THE_BIN : ''}`);
  return [{ type: entity.type, count, names }];
}

/**
 * The same for several types, one after the other, for they share the transaction's connection.
 * @param users API types, each with the condition that its rows meet when they are users. By name: a module below them knows no more.
 */
export async function usesOf(
  tx: Tx,
  viewer: Viewer,
  users: Readonly<Record<string, object>>,
): Promise<Usage[]> {
  const uses: Usage[] = [];
  for (const [type, where] of Object.entries(users)) {
    uses.push(...(await usageOf(tx, entityCalled(type), viewer, where)));
  }
  return uses;
}
