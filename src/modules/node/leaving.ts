/** What keeps a node from leaving for ever, and what has to let go of it. */

import type { Viewer } from '../../core/authz.js';
import type { Change } from '../../core/command.js';
import { entityCalled } from '../../core/entity.js';
import { usesOf } from '../../core/usage.js';
import { updateVersioned } from '../../core/versioned.js';
import type { Tx } from '../../data/client.js';
import { InUseError } from '../../errors.js';

/** @throws InUseError naming the machines that are placed on it and the tasks that it has to do or that lead to it */
export async function refuseWhileUsed(tx: Tx, viewer: Viewer, nodeId: string): Promise<void> {
  const usedBy = await usesOf(tx, viewer, {
    VirtualMachine: { nodeId },
    Task: { finishedAt: null, OR: [{ nodeId }, { targetNodeId: nodeId }] },
  });
  if (usedBy.length > 0) throw new InUseError('HypervisorNode', usedBy);
}

/**
 * Takes it out of the storage pools that it is assigned to.
 * @throws InUseError where it is the last one: without any, every node would have the pool
 */
export async function leavePools(tx: Tx, viewer: Viewer, nodeId: string): Promise<Change[]> {
  const usedBy = await usesOf(tx, viewer, {
    StoragePool: { assignedNodeIds: { equals: [nodeId] } },
  });
  if (usedBy.length > 0) throw new InUseError('HypervisorNode', usedBy);
  const entity = entityCalled('StoragePool');
  const pools = await tx.storagePool.findMany({ where: { assignedNodeIds: { has: nodeId } } });
  const changes: Change[] = [];
  for (const before of pools) {
    const assignedNodeIds = before.assignedNodeIds.filter((id) => id !== nodeId);
    const after = await updateVersioned(tx, entity, before, { assignedNodeIds });
    changes.push({ type: entity.type, id: before.id, before, after });
  }
  return changes;
}
