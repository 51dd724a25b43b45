/** Pools as verdicts on nodes speak of them: by name to those who see them, for a machine or an image may be in one of another project. */
import type { Viewer } from '../../core/authz.js';
import type { Db, Tx } from '../../data/client.js';
import type { Prisma } from '../../gen/client/client.js';
import { StoragePoolEntity } from './queries.js';

export interface CalledPool {
  /** "the storage pool fast", or less. */
  readonly name: string;
  /** The nodes that it is assigned to; none: all. */
  readonly nodeIds: readonly string[];
}

export interface PoolRow {
  readonly name: string;
  readonly projectId: string | null;
  readonly assignedNodeIds: readonly string[];
}

export function calledPool(viewer: Viewer, pool: PoolRow): CalledPool {
  const seen = StoragePoolEntity.visibility.sees(viewer, { projectId: pool.projectId });
  const name = seen ? `the storage pool ${pool.name}` : 'a storage pool that you do not see';
  return { name, nodeIds: pool.assignedNodeIds };
}

/** By their ids. */
export async function poolsCalled(
  { tx, viewer }: { readonly tx: Db | Tx; readonly viewer: Viewer },
  where: Prisma.StoragePoolWhereInput,
): Promise<Map<string, CalledPool>> {
  const rows = await tx.storagePool.findMany({
    where,
    select: { id: true, name: true, projectId: true, assignedNodeIds: true },
    orderBy: { name: 'asc' },
  });
  return new Map(rows.map(({ id, ...pool }) => [id, calledPool(viewer, pool)]));
}
