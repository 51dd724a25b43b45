/**
 * Claims and releases of a node's capacity: one conditional UPDATE on the node's own row, in the transaction that places.
 * Whoever loses a race gets false and chooses again; nothing is ever claimed twice.
 */
import type { Tx } from '../../data/client.js';
import type { Capacity, Overcommit } from './rules.js';

/** Takes `wanted` from the node if it fits and the node is in service; false when it does not. */
export async function claimCapacity(
  tx: Tx,
  nodeId: string,
  wanted: Capacity,
  overcommit: Overcommit,
): Promise<boolean> {
  const { vcpus, memoryMib, storageGib } = wanted;
  const claimed = await tx.$executeRaw`
    UPDATE nodes SET allocated = jsonb_build_object(
      'vcpus', COALESCE((allocated->>'vcpus')::bigint, 0) + ${vcpus}::bigint,
      'memoryMib', COALESCE((allocated->>'memoryMib')::bigint, 0) + ${memoryMib}::bigint,
      'storageGib', COALESCE((allocated->>'storageGib')::bigint, 0) + ${storageGib}::bigint)
    WHERE id = ${nodeId}::uuid AND phase = 'READY' AND intent = 'IN_SERVICE'
      AND COALESCE((allocated->>'vcpus')::bigint, 0) + ${vcpus}::bigint <= floor(COALESCE((allocatable->>'vcpus')::numeric, 0) * ${overcommit.cpu}::float8::numeric)
      AND COALESCE((allocated->>'memoryMib')::bigint, 0) + ${memoryMib}::bigint <= floor(COALESCE((allocatable->>'memoryMib')::numeric, 0) * ${overcommit.memory}::float8::numeric)
      AND COALESCE((allocated->>'storageGib')::bigint, 0) + ${storageGib}::bigint <= COALESCE((allocatable->>'storageGib')::bigint, 0)`;
  return claimed === 1;
}

/** Counts what a node turns out to hold, whether or not there was room: what runs, runs, and nothing else may be placed there. */
export async function admitCapacity(tx: Tx, nodeId: string, held: Capacity): Promise<void> {
  const { vcpus, memoryMib, storageGib } = held;
  await releaseCapacity(tx, nodeId, {
    vcpus: -vcpus,
    memoryMib: -memoryMib,
    storageGib: -storageGib,
  });
}

/** Gives back what was claimed. A CHECK refuses to go below zero: that would be a bug, and loud. */
export async function releaseCapacity(tx: Tx, nodeId: string, held: Capacity): Promise<void> {
  await tx.$executeRaw`
    UPDATE nodes SET allocated = jsonb_build_object(
      'vcpus', COALESCE((allocated->>'vcpus')::bigint, 0) - ${held.vcpus}::bigint,
      'memoryMib', COALESCE((allocated->>'memoryMib')::bigint, 0) - ${held.memoryMib}::bigint,
      'storageGib', COALESCE((allocated->>'storageGib')::bigint, 0) - ${held.storageGib}::bigint)
    WHERE id = ${nodeId}::uuid`;
}
