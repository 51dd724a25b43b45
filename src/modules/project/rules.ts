/** Quota: what a project may use, and what it does use. Pure. */
import { z } from 'zod';
import { ValidationError } from '../../errors.js';

/** Every resource with a quota, and the column that counts its use. Units are in the names. */
export const QUOTA_COLUMNS = {
  virtualMachines: 'usedVirtualMachines',
  vcpus: 'usedVcpus',
  memoryMib: 'usedMemoryMib',
  storageGib: 'usedStorageGib',
  volumes: 'usedVolumes',
  snapshots: 'usedSnapshots',
} as const;

export type QuotaResource = keyof typeof QUOTA_COLUMNS;
export const QUOTA_RESOURCES = Object.keys(QUOTA_COLUMNS) as QuotaResource[];

/** Null or absent: unlimited. */
export type Quota = { readonly [R in QuotaResource]?: number | null | undefined };
export type Amounts = { readonly [R in QuotaResource]?: number };
export type UsageRow = { readonly [R in QuotaResource as (typeof QUOTA_COLUMNS)[R]]: number };

/** What a counter can count: the limit where no quota sets a lower one. */
export const MAX_USE = 2_147_483_647;

const limit = z.number().int().min(0).max(MAX_USE).nullish();
export const quotaInput = z.object({
  virtualMachines: limit,
  vcpus: limit,
  memoryMib: limit,
  storageGib: limit,
  volumes: limit,
  snapshots: limit,
});

/** What is stored: the limits that are set, nothing else. */
export function normalizeQuota(quota: Quota): Record<string, number> {
  const set = QUOTA_RESOURCES.flatMap((r) => (quota[r] == null ? [] : [[r, quota[r]] as const]));
  return Object.fromEntries(set);
}

/** A quota below what is in use would be broken from the start. Throws ValidationError with the figures. */
export function checkQuotaCoversUse(quota: Quota, usage: UsageRow): void {
  const issues = QUOTA_RESOURCES.flatMap((resource) => {
    const allowed = quota[resource];
    const used = usage[QUOTA_COLUMNS[resource]];
    if (allowed == null || allowed >= used) return [];
    return [
      {
        path: ['quota', resource],
        message: `${used} are in use; the quota cannot be lowered to ${allowed}`,
      },
    ];
  });
  if (issues.length > 0) throw new ValidationError(issues);
}

/** The first resource of which there is not enough, or null. */
export function findShortage(
  quota: Quota,
  usage: UsageRow,
  wanted: Amounts,
): { resource: QuotaResource; limit: number; used: number; requested: number } | null {
  for (const resource of QUOTA_RESOURCES) {
    const limit = quota[resource] ?? MAX_USE;
    const used = usage[QUOTA_COLUMNS[resource]];
    const requested = wanted[resource] ?? 0;
    if (requested > 0 && used + requested > limit)
      return { resource, limit, used, requested: Math.min(requested, MAX_USE) };
  }
  return null;
}
