/**
 * Claims and releases on a project's quota: one conditional UPDATE on the project's own row, in the transaction that creates or deletes.
 * Summed as bigint, so that a claim beyond what a counter can hold is refused like any other instead of overflowing.
 * PostgreSQL re-checks the condition after waiting for a concurrent claim, so a limit is never passed and nobody is refused while there is room.
 */
import { noteQuota, type QuotaChange } from '../../core/effects.js';
import type { Tx } from '../../data/client.js';
import { NotFoundError, QuotaExceededError } from '../../errors.js';
import {
  type Amounts,
  findShortage,
  MAX_USE,
  QUOTA_COLUMNS,
  QUOTA_RESOURCES,
  type Quota,
  type UsageRow,
} from './rules.js';

/** Takes `amounts` (negative ones give back) or throws QuotaExceededError with limit and usage; then nothing was taken. */
export async function claimQuota(tx: Tx, projectId: string, amounts: Amounts): Promise<void> {
  const {
    virtualMachines = 0,
    vcpus = 0,
    memoryMib = 0,
    storageGib = 0,
    volumes = 0,
    snapshots = 0,
  } = amounts;
  const [claimed] = await tx.$queryRaw<(UsageRow & { quota: Quota })[]>`
    UPDATE projects SET
      used_virtual_machines = used_virtual_machines + ${virtualMachines}::bigint,
      used_vcpus = used_vcpus + ${vcpus}::bigint,
      used_memory_mib = used_memory_mib + ${memoryMib}::bigint,
      used_storage_gib = used_storage_gib + ${storageGib}::bigint,
      used_volumes = used_volumes + ${volumes}::bigint,
      used_snapshots = used_snapshots + ${snapshots}::bigint
    WHERE id = ${projectId}::uuid
      AND (${virtualMachines}::bigint <= 0 OR used_virtual_machines + ${virtualMachines}::bigint <= COALESCE((quota->>'virtualMachines')::bigint, ${MAX_USE}::bigint))
      AND (${vcpus}::bigint <= 0 OR used_vcpus + ${vcpus}::bigint <= COALESCE((quota->>'vcpus')::bigint, ${MAX_USE}::bigint))
      AND (${memoryMib}::bigint <= 0 OR used_memory_mib + ${memoryMib}::bigint <= COALESCE((quota->>'memoryMib')::bigint, ${MAX_USE}::bigint))
      AND (${storageGib}::bigint <= 0 OR used_storage_gib + ${storageGib}::bigint <= COALESCE((quota->>'storageGib')::bigint, ${MAX_USE}::bigint))
      AND (${volumes}::bigint <= 0 OR used_volumes + ${volumes}::bigint <= COALESCE((quota->>'volumes')::bigint, ${MAX_USE}::bigint))
      AND (${snapshots}::bigint <= 0 OR used_snapshots + ${snapshots}::bigint <= COALESCE((quota->>'snapshots')::bigint, ${MAX_USE}::bigint))
    RETURNING quota, used_virtual_machines AS "usedVirtualMachines", used_vcpus AS "usedVcpus", used_memory_mib AS "usedMemoryMib",
      used_storage_gib AS "usedStorageGib", used_volumes AS "usedVolumes", used_snapshots AS "usedSnapshots"`;
  if (claimed) {
    noteQuota(tx, quotaChanges(projectId, claimed.quota, claimed, amounts));
    return;
  }

  const row = await tx.project.findUnique({ where: { id: projectId } });
  if (!row) throw new NotFoundError('Project', ['projectId']);
  const shortage = findShortage(row.quota as Quota, row satisfies UsageRow, amounts);
  // Between the claim and this reading somebody may have given back; the refusal was right when it was made.
  const { resource, limit, used, requested } = shortage ?? {
    resource: 'quota',
    limit: 0,
    used: 0,
    requested: 0,
  };
  throw new QuotaExceededError(resource, limit, used, requested);
}

export function releaseQuota(tx: Tx, projectId: string, amounts: Amounts): Promise<void> {
  const negated = Object.entries(amounts).map(([resource, amount]) => [resource, -(amount ?? 0)]);
  return claimQuota(tx, projectId, Object.fromEntries(negated) as Amounts);
}

/** What a claim changes, resource by resource; `usage`: with the claim in it. */
function quotaChanges(
  projectId: string,
  quota: Quota,
  usage: UsageRow,
  amounts: Amounts,
): QuotaChange[] {
  return QUOTA_RESOURCES.filter((resource) => (amounts[resource] ?? 0) !== 0).map((resource) => ({
    projectId,
    resource,
    change: amounts[resource] ?? 0,
    used: usage[QUOTA_COLUMNS[resource]],
    limit: quota[resource] ?? null,
  }));
}
