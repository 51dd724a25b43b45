/**
 * The change feed's epoch. Transaction ids begin anew in a cluster that a dump was restored into, and diverge after a recovery
 * to an earlier time or when a standby takes over: whoever follows the feed must be told, and old entries kept out of its way.
 */
import type { MigrationSession } from './migration-session.js';

const FOREIGN = `SELECT 1 AS foreign FROM change_feed WHERE cluster <> change_feed_cluster()`;

/**
 * Nobody writes entries meanwhile: what is committed by then is of the earlier epoch, what comes later of the new one.
 * The condition is tried again under the lock, so that of two processes one begins it.
 */
const BEGIN = `BEGIN;
  LOCK TABLE audit_log IN SHARE MODE;
  UPDATE change_feed SET epoch = epoch + 1, cluster = change_feed_cluster(), begun_at = clock_timestamp(),
    begun_seq = (SELECT coalesce(max(seq), 0) FROM audit_log)
  WHERE cluster <> change_feed_cluster();
  COMMIT`;

/** For a database in memory, whose cluster is the same in every process. */
export const BEGIN_IN_MEMORY = `UPDATE change_feed SET epoch = epoch + 1, begun_at = clock_timestamp()`;

/** Begins a new epoch if this is another cluster than last time. At the same cluster it only reads. Returns whether it did. */
export async function followCluster(session: MigrationSession): Promise<boolean> {
  const [table] = await session.query<{ present: boolean }>(
    `SELECT to_regclass('public.change_feed') IS NOT NULL AS present`,
  );
  if (!table?.present || (await session.query(FOREIGN)).length === 0) return false;
  await session.script(BEGIN);
  return true;
}
