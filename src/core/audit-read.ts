/** Reads entries and seals from the database as they are hashed and exported: by position, a bounded part at a time, as text, whatever the driver makes of types. */
import type { Db, Tx } from '../data/client.js';
import type { Seal, SealedEntry } from './audit-format.js';

/** An entry with what the hash leaves out. */
export interface StoredEntry {
  readonly entry: SealedEntry;
  /** The link to its user: null, or who `actorId` is. */
  readonly userId: string | null;
}

interface EntryRow extends Omit<SealedEntry, 'createdAt' | 'details'> {
  readonly createdAt: Date;
  readonly details: string;
  readonly userId: string | null;
}

interface SealRow extends Omit<Seal, 'sealedAt' | 'removedAt'> {
  readonly sealedAt: Date;
  readonly removedAt: Date | null;
}

function entryOf({ userId, ...row }: EntryRow): StoredEntry {
  const { createdAt, details } = row;
  const entry = { ...row, createdAt: createdAt.toISOString(), details: JSON.parse(details) };
  return { entry, userId };
}

function sealOf(row: SealRow): Seal {
  const { sealedAt, removedAt } = row;
  return {
    ...row,
    sealedAt: sealedAt.toISOString(),
    removedAt: removedAt?.toISOString() ?? null,
  };
}

/**
 * Entries behind `after`, up to and including `to`, the first `limit` of them.
 * Ordered by the column, not by its text, which has the same name here.
 */
export async function readEntries(
  db: Db | Tx,
  after: bigint,
  to: bigint,
  limit: number,
): Promise<StoredEntry[]> {
  const rows = await db.$queryRaw<EntryRow[]>`
    SELECT id::text, seq::text, tx_id::text AS "txId", created_at AS "createdAt", status::text, action,
      actor_id::text AS "actorId", username, credential_kind::text AS "credentialKind", credential_id AS "credentialId",
      host(ip_address) AS "ipAddress", user_agent AS "userAgent", request_id AS "requestId", resource_type AS "resourceType",
      resource_id::text AS "resourceId", resource_name AS "resourceName", project_id::text AS "projectId",
      seen_before::text[] AS "seenBefore", seen_after::text[] AS "seenAfter", details::text, user_id::text AS "userId"
    FROM audit_log WHERE seq > ${after}::bigint AND seq <= ${to}::bigint ORDER BY audit_log.seq LIMIT ${limit}::int`;
  return rows.map(entryOf);
}

/** The seals behind `after` by number, the first `limit` of them; their manifests may be long. */
export async function readSeals(db: Db | Tx, after: bigint, limit: number): Promise<Seal[]> {
  const rows = await db.$queryRaw<SealRow[]>`
    SELECT number::text, from_seq::text AS "fromSeq", to_seq::text AS "toSeq", entries, sealed_at AS "sealedAt", manifest,
      manifest_hash AS "manifestHash", previous, hash, removed_at AS "removedAt"
    FROM audit_seals WHERE number > ${after}::bigint ORDER BY audit_seals.number LIMIT ${limit}::int`;
  return rows.map(sealOf);
}

export async function lastSeal(db: Db | Tx): Promise<Seal | null> {
  const [row] = await db.$queryRaw<SealRow[]>`
    SELECT number::text, from_seq::text AS "fromSeq", to_seq::text AS "toSeq", entries, sealed_at AS "sealedAt", NULL AS manifest,
      manifest_hash AS "manifestHash", previous, hash, removed_at AS "removedAt"
    FROM audit_seals ORDER BY audit_seals.number DESC LIMIT 1`;
  return row ? sealOf(row) : null;
}
