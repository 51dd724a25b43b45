/** Which hypervisor nodes have a storage pool. Without any assignment, all have it. */
import { z } from 'zod';
import type { RunContext } from '../../core/command.js';
import { idOf } from '../../core/input.js';
import { usesOf } from '../../core/usage.js';
import { InUseError, NotFoundError } from '../../errors.js';
import type { StoragePool } from '../../gen/client/client.js';
import { NodeEntity } from '../node/queries.js';
import { UNFINISHED } from '../task/rules.js';

export const nodeIdsInput = z
  .array(idOf('HypervisorNode'))
  .max(1000, 'at most 1,000 nodes')
  .transform((ids) => [...new Set(ids)]);

/** Throws NotFoundError when one of them is not there. */
export async function requireNodes(
  { tx, viewer }: Pick<RunContext, 'tx' | 'viewer'>,
  nodeIds: readonly string[],
): Promise<void> {
  const where = { AND: [{ id: { in: [...nodeIds] } }, NodeEntity.visibility.where(viewer)] };
  const found = await tx.node.count({ where });
  if (found < nodeIds.length) throw new NotFoundError('HypervisorNode', ['nodeIds']);
}

/**
 * Refuses when a node that does not have the pool any more (the row says which have it) still needs it: for a machine that
 * holds capacity there and uses one of its volumes, or for a task that its agent is doing with it.
 * To be called after the row was written: whoever comes next finds the new assignments.
 */
export async function refuseIfNeeded(
  { tx, viewer }: Pick<RunContext, 'tx' | 'viewer'>,
  pool: StoragePool,
): Promise<void> {
  if (pool.assignedNodeIds.length === 0) return;
  const elsewhere = { nodeId: { notIn: pool.assignedNodeIds } };
  const running = {
    ...elsewhere,
    capacityClaimed: true,
    volumes: { some: { poolId: pool.id } },
  };
  const ofPool = { poolId: pool.id };
  const working = {
    ...elsewhere,
    status: { in: [...UNFINISHED] },
    OR: [ofPool, { volume: ofPool }, { image: ofPool }],
  };
  const used = await usesOf(tx, viewer, { VirtualMachine: running, Task: working });
  if (used.length > 0) throw new InUseError('StoragePool', used);
}
