/**
 * Claims and releases on a project's quota: one conditional UPDATE on the project's own row, in the transaction that creates or deletes.
 * PostgreSQL re-checks the condition after waiting for a concurrent claim, so a limit is never passed and nobody is refused while there is room.
 */
import type { Tx } from '../../data/client.js';
import { NotFoundError, QuotaExceededError } from '../../errors.js';
import { type Amounts, findShortage, type Quota, type UsageRow } from './rules.js';

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
  const claimed = await tx.$executeRaw`
    UPDATE projects SET
      used_virtual_machines = used_virtual_machines + ${virtualMachines}::int,
      used_vcpus = used_vcpus + ${vcpus}::int,
      used_memory_mib = used_memory_mib + ${memoryMib}::int,
      used_storage_gib = used_storage_gib + ${storageGib}::int,
      used_volumes = used_volumes + ${volumes}::int,
      used_snapshots = used_snapshots + ${snapshots}::int
    WHERE id = ${projectId}::uuid
      AND (${virtualMachines}::int <= 0 OR quota->>'virtualMachines' IS NULL OR used_virtual_machines + ${virtualMachines}::int <= (quota->>'virtualMachines')::int)
      AND (${vcpus}::int <= 0 OR quota->>'vcpus' IS NULL OR used_vcpus + ${vcpus}::int <= (quota->>'vcpus')::int)
      AND (${memoryMib}::int <= 0 OR quota->>'memoryMib' IS NULL OR used_memory_mib + ${memoryMib}::int <= (quota->>'memoryMib')::int)
      AND (${storageGib}::int <= 0 OR quota->>'storageGib' IS NULL OR used_storage_gib + ${storageGib}::int <= (quota->>'storageGib')::int)
      AND (${volumes}::int <= 0 OR quota->>'volumes' IS NULL OR used_volumes + ${volumes}::int <= (quota->>'volumes')::int)
      AND (${snapshots}::int <= 0 OR quota->>'snapshots' IS NULL OR used_snapshots + ${snapshots}::int <= (quota->>'snapshots')::int)`;
  if (claimed === 1) return;

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
