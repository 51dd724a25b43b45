/** What the control plane itself does about shared settings: it audits what nobody else has. Given by the controller settings-audit. */
import { z } from 'zod';
import { defineCommand, type RunContext } from '../../core/command.js';
import type { Call } from '../../core/context.js';
import { NEVER_SET, readSetting } from '../../core/stored-setting.js';
import type { Db, Tx } from '../../data/client.js';
import { LOCK, type SettingRow } from './change.js';
import { PERMISSION, RESOURCE_TYPE } from './queries.js';

/** What is there now, with what it says of its author and of the request that changed it. */
interface NoticedRow extends SettingRow {
  readonly updatedBy?: string | null;
  readonly changeRequestId?: string | null;
}

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

/** Looks again, in etcd and in the audit, under the lock of all changes: whoever audited the change meanwhile wins. */
export const noticeSystemConfig = defineCommand({
  name: 'systemConfig.notice',
  resourceType: RESOURCE_TYPE,
  permission: PERMISSION,
  input: z.object({ key: z.string() }),
  errors: [],
  lock: () => [LOCK],
  label: (input) => input.key,
  audit: 'changes',
  beside: {
    async write({ services }: Call, { key }: { key: string }): Promise<NoticedRow> {
      const found = (await services.coordination.settings.list()).find((one) => one.key === key);
      if (!found) return { value: null, version: NEVER_SET.version };
      const { value, version, updatedBy, requestId } = readSetting(found);
      return { value, version, updatedBy, changeRequestId: requestId };
    },
    async undo() {
      // It only read.
    },
  },
  async run({ tx, prepared: after }: RunContext<NoticedRow>, { key }: { key: string }) {
    const before = (await lastAudited(tx)).get(key) ?? { value: null, version: NEVER_SET.version };
    const result = { key };
    if (before.value === after.value) return { result, changed: [] };
    return { result, changed: [{ type: RESOURCE_TYPE, id: key, name: key, before, after }] };
  },
});
