/** Rows of volumes, held from the reading on, for who writes more of one than it can say in a condition. */
import type { Tx } from '../../data/client.js';
import type { Volume } from '../../gen/client/client.js';

/**
 * Until the commit nobody else writes to them: what is read next is what the audit tells as "before". In one order, so that two who
 * lock several do not wait for each other; after the machine's row where that is locked, too (lockMachine in task/end.ts).
 */
export async function lockVolumes(tx: Tx, ids: readonly string[]): Promise<void> {
  await tx.$queryRaw`SELECT id FROM volumes WHERE id = ANY(${[...ids]}::uuid[]) ORDER BY id FOR UPDATE`;
}

/** Those that are there. */
export async function lockedVolumes(tx: Tx, ids: readonly string[]): Promise<Volume[]> {
  await lockVolumes(tx, ids);
  return tx.volume.findMany({ where: { id: { in: [...ids] } }, orderBy: { id: 'asc' } });
}
