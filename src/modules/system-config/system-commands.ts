/** What the control plane itself does about shared settings: it audits what nobody else has. Given by the controller settings-audit. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import type { Db, Tx } from '../../data/client.js';
import { LOCK, type SettingRow } from './change.js';
import { PERMISSION, RESOURCE_TYPE } from './queries.js';

/** By key: what the audit says that was shared last. */
export async function lastAudited(db: Db | Tx): Promise<ReadonlyMap<string, SettingRow>> {
  const rows = await db.$queryRaw<{ key: string; row: SettingRow }[]>`
    SELECT DISTINCT ON (resource_name) resource_name AS key, details -> 'after' AS row
    FROM audit_log
    WHERE resource_type = ${RESOURCE_TYPE} AND resource_id IS NULL AND status = 'SUCCEEDED'
      AND details -> 'after' IS NOT NULL
    ORDER BY resource_name, seq DESC`;
  return new Map(rows.map(({ key, row }) => [key, row]));
}

/** Looks again inside the transaction, under the lock of all changes: whoever audited the change meanwhile wins. */
export const noticeSystemConfig = defineCommand({
  name: 'systemConfig.notice',
  resourceType: RESOURCE_TYPE,
  permission: PERMISSION,
  input: z.object({
    key: z.string(),
    value: z.string().nullable(),
    version: z.number().int(),
    updatedBy: z.string().nullable(),
    changeRequestId: z.string().nullable(),
  }),
  errors: [],
  lock: () => [LOCK],
  label: (input) => input.key,
  audit: 'changes',
  async run({ tx }, { key, ...found }) {
    const before = (await lastAudited(tx)).get(key) ?? { value: null, version: 0 };
    const result = { key };
    if (before.value === found.value) return { result, changed: [] };
    return {
      result,
      changed: [{ type: RESOURCE_TYPE, id: key, name: key, before, after: found }],
    };
  },
});
