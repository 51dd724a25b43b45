/** Whether a node is empty, asked so that the answer stays true. */
import type { Tx } from '../../data/client.js';
import { capacityOf } from './rules.js';

/**
 * Locks the node's row and says whether nothing is claimed there: by machines on it, or by migrations towards it.
 * A claim is a write to that row, so it has either committed, and is seen, or finds what this transaction writes.
 */
export async function lockAndSeeEmpty(tx: Tx, nodeId: string): Promise<boolean> {
  const [row] = await tx.$queryRaw<{ allocated: unknown }[]>`
    SELECT allocated FROM nodes WHERE id = ${nodeId}::uuid FOR NO KEY UPDATE`;
  if (Object.values(capacityOf(row?.allocated)).some((amount) => amount > 0)) return false;
  // Machines that were carried over without their figures claim nothing, and are there all the same.
  return (await tx.virtualMachine.count({ where: { nodeId, capacityClaimed: true } })) === 0;
}
