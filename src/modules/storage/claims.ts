/**
 * Claims and releases of a pool's space: one conditional UPDATE on the pool's own row, in the transaction that creates, grows or
 * deletes. A pool's claimed_bytes is the sum of its volumes' claimed_bytes at every moment. Pools first, then projects: whoever
 * claims of both takes the rows in this order.
 */
import type { Tx } from '../../data/client.js';
import { NotFoundError, PoolExhaustedError } from '../../errors.js';
import { decidePool, POOL_OPERATIONS } from './pool-rules.js';

/**
 * Sets `bytes` of the pool aside.
 * @throws InvalidStateError when the pool is not usable, PoolExhaustedError when it has not so much left; then nothing was taken
 */
export async function claimSpace(tx: Tx, poolId: string, bytes: bigint): Promise<void> {
  const claimed = await tx.$executeRaw`
    UPDATE storage_pools SET claimed_bytes = claimed_bytes + ${bytes}::bigint
    WHERE id = ${poolId}::uuid AND phase::text = ANY(${[...POOL_OPERATIONS.USE]}::text[])
      AND claimed_bytes + ${bytes}::bigint <= capacity_bytes`;
  if (claimed === 1) return;
  const pool = await tx.storagePool.findUnique({ where: { id: poolId } });
  if (!pool) throw new NotFoundError('StoragePool', ['poolId']);
  decidePool('USE', pool.phase);
  throw new PoolExhaustedError(pool.name, pool.capacityBytes, pool.claimedBytes, bytes);
}

/** Gives back what was claimed, whatever phase the pool is in. A CHECK refuses to go below zero: that would be a bug, and loud. */
export async function releaseSpace(tx: Tx, poolId: string, bytes: bigint): Promise<void> {
  if (bytes === 0n) return;
  await tx.$executeRaw`
    UPDATE storage_pools SET claimed_bytes = claimed_bytes - ${bytes}::bigint WHERE id = ${poolId}::uuid`;
}
