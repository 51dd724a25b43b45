/** Audit entries on their way into the table: made in audit.ts, and here in one place for all who write some. */
import type { Tx } from '../data/client.js';
import type { AuditCredentialKind, AuditStatus } from '../gen/client/enums.js';
import type { Json } from './json.js';

/** What an entry says; the database adds its place in the order of all. */
export interface NewEntry {
  readonly id: string;
  readonly userId?: string | null;
  readonly actorId?: string | null;
  readonly username: string;
  readonly credentialKind?: AuditCredentialKind | null;
  readonly credentialId?: string | null;
  readonly action: string;
  readonly resourceType: string;
  readonly resourceId?: string | null;
  readonly resourceName: string;
  readonly projectId?: string | null;
  readonly details: Json;
  readonly ipAddress?: string | null;
  readonly userAgent?: string;
  readonly requestId?: string;
  readonly status: AuditStatus;
  readonly createdAt: Date;
  /** Who saw the object before and after: see audience.ts. */
  readonly seenBefore?: readonly string[];
  readonly seenAfter?: readonly string[];
}

/**
 * One statement, however many they are; those that are there already are left as they are. In SQL, because Prisma plans each `createMany` anew, on the
 * thread that serves everybody: for half a millisecond with one entry, for forty with a hundred.
 */
export async function insertEntries(tx: Tx, entries: readonly NewEntry[]): Promise<void> {
  if (entries.length === 0) return;
  await tx.$executeRaw`
    INSERT INTO audit_log (
      id, user_id, actor_id, username, credential_kind, credential_id, action, resource_type, resource_id, resource_name,
      project_id, details, ip_address, user_agent, request_id, status, created_at, seen_before, seen_after
    )
    SELECT
      id, user_id, actor_id, username, credential_kind, credential_id, action, resource_type, resource_id, resource_name,
      project_id, details, ip_address, user_agent, request_id, status, created_at, seen_before, seen_after
    FROM json_populate_recordset(NULL::audit_log, ${JSON.stringify(entries.map(rowOf), wellFormed)}::json)
    ON CONFLICT (id) DO NOTHING`;
}

const rowOf = (entry: NewEntry) => ({
  id: entry.id,
  user_id: entry.userId,
  actor_id: entry.actorId,
  username: entry.username,
  credential_kind: entry.credentialKind,
  credential_id: entry.credentialId,
  action: entry.action,
  resource_type: entry.resourceType,
  resource_id: entry.resourceId,
  resource_name: entry.resourceName,
  project_id: entry.projectId,
  details: entry.details,
  ip_address: entry.ipAddress,
  user_agent: entry.userAgent ?? '',
  request_id: entry.requestId ?? '',
  status: entry.status,
  created_at: entry.createdAt,
  seen_before: entry.seenBefore ?? [],
  seen_after: entry.seenAfter ?? [],
});

/** A text that was cut within a character is none for PostgreSQL. */
function wellFormed(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? value.toWellFormed() : value;
}
