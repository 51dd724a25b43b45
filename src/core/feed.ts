/**
 * Reads the change feed: the audit log, in an order in which no change is missed, told twice, or told before an earlier one of its object.
 *
 * Neither `seq` nor transaction ids alone give that order: both are drawn before the commit, and a transaction with an early id may wait
 * for the row lock of a later one. So the feed is read in windows between two snapshots, and within a window in order of `seq`. Proof:
 * 1. A window holds what is committed in its end's snapshot and not in its beginning's; the next one begins where it ends. So each entry
 *    is in exactly one, and what a window holds never changes: any instance reads the same, as often as it likes.
 * 2. Of two changes of one object the second transaction waited for the first one's row lock, which is let go after its commit shows in
 *    snapshots: whoever sees the second sees the first, so it is in the same window or in an earlier one.
 * 3. In the same window `seq` decides: it is drawn when the entry is written, under the row lock, so the later change has the greater one.
 *
 * A window ends behind the last transaction that it shows, however far the snapshot reaches: a crash of PostgreSQL takes all traces of
 * those that were undone last, and gives their ids to others, whose changes are still to be told.
 *
 * What makes it fast: `seq` is drawn after the transaction's id (their columns are in this order), so that transactions which began after a
 * snapshot have greater ones than all that it shows, `top`. They are read along the index on `seq`; the few that had begun, by their ids.
 */
import type { Db } from '../data/client.js';
import { kindFor, type ObjectChangeKind } from './audience.js';
import type { FeedCursor, Snapshot } from './feed-cursor.js';

/** An entry of the feed, and the place behind it. */
export interface FeedEntry {
  readonly cursor: FeedCursor;
  /** The audit entry's. */
  readonly id: string;
  readonly kind: ObjectChangeKind;
  readonly type: string;
  readonly objectId: string;
  readonly projectId: string | null;
  readonly seenBefore: readonly string[];
  readonly action: string;
  readonly requestId: string;
  readonly userId: string | null;
  readonly username: string;
  readonly version: number | null;
  readonly createdAt: Date;
}

export interface FeedQuery {
  /** Whose changes: see core/audience.ts. */
  readonly ids: readonly string[];
  readonly types: readonly string[];
  /** At most so many entries. */
  readonly first: number;
}

/** Why a cursor cannot be followed: the database is another one or has gone back in time, or entries behind it are deleted. */
export type Stale = 'RESTORED' | 'EXPIRED';

export interface FeedPage {
  readonly entries: readonly FeedEntry[];
  /** Where to read on. */
  readonly end: FeedCursor;
  /** Whether there may be more right now. A page can be short, even empty, and yet not the last. */
  readonly more: boolean;
}

/** One statement looks at no more entries than this, however few of them are for the reader. */
const SCANNED = 1_000;

interface Row {
  era: string;
  valid: boolean | null;
  restored: boolean;
  xmax: bigint;
  ahead: number;
  running: string;
  top: bigint;
  scanned: bigint;
  last: bigint | null;
  seq: bigint | null;
  id: string;
  resource_type: string;
  resource_id: string;
  project_id: string | null;
  seen_before: string[];
  seen_after: string[];
  action: string;
  request_id: string;
  user_id: string | null;
  username: string;
  version: number | null;
  created_at: Date;
}

/** The present end of the feed. */
export async function feedEnd(db: Db, rights: string): Promise<FeedCursor> {
  const [row] = await readRows(db, null, { ids: [], types: [], first: 1 });
  return endOf(row as Row, rights);
}

/**
 * What follows a cursor; one statement. Never within a transaction: the snapshot and what had begun by then must be of the same moment.
 * For a cursor that cannot be followed, the reason, and the present end to go on from after a look at everything.
 */
export async function readFeed(
  db: Db,
  after: FeedCursor,
  query: FeedQuery,
): Promise<FeedPage | { readonly stale: Stale; readonly end: FeedCursor }> {
  const rows = await readRows(db, after, query);
  const head = rows[0] as Row;
  const now = endOf(head, after.rights);
  if (!head.valid) return { stale: head.restored ? 'RESTORED' : 'EXPIRED', end: now };
  const to = after.to ?? now.from;
  const found = rows.filter(({ seq }) => seq !== null);
  const at = (seq: bigint): FeedCursor => ({ ...after, to, seq: Number(seq) });
  const entries = found.slice(0, query.first).map((row) => entryOf(row, at, query.ids));
  const last = entries.at(-1);
  if (found.length > query.first && last) return { entries, end: last.cursor, more: true };
  if (head.scanned >= SCANNED) return { entries, end: at(head.last ?? 0n), more: true };
  const more = after.to !== null && JSON.stringify(to) !== JSON.stringify(now.from);
  return { entries, end: { ...after, from: to, to: null, seq: 0 }, more };
}

function endOf({ era, xmax, ahead, running, top }: Row, rights: string): FeedCursor {
  const from: Snapshot = {
    xmax: Number(xmax),
    next: Number(xmax) + ahead,
    running: running === '' ? [] : running.split(',').map(Number),
    top: Number(top),
  };
  return { era, rights, from, to: null, seq: 0 };
}

function entryOf(row: Row, at: (seq: bigint) => FeedCursor, ids: readonly string[]): FeedEntry {
  const { seen_before: seenBefore, seen_after: seenAfter, version } = row;
  return {
    cursor: at(row.seq ?? 0n),
    id: row.id,
    // The statement found it by the same lists.
    kind: kindFor(ids, seenBefore, seenAfter) as ObjectChangeKind,
    type: row.resource_type,
    objectId: row.resource_id,
    projectId: row.project_id,
    seenBefore,
    action: row.action,
    requestId: row.request_id,
    userId: row.user_id,
    username: row.username,
    version,
    createdAt: row.created_at,
  };
}

const list = (ids: readonly (number | string)[]): string => `{${ids.join(',')}}`;

/**
 * At least one row: all tell where the feed stands, and those with a `seq` of an entry.
 * `tx_id + 0`: no index fits that, so that the third part reads along `seq` and stops, instead of sorting a window of any size.
 */
function readRows(
  db: Db,
  after: FeedCursor | null,
  { ids, types, first }: FeedQuery,
): Promise<Row[]> {
  const { from, to, seq = 0 } = after ?? {};
  const [era, fromXmax, fromNext] = [after?.era ?? null, from?.xmax ?? 0, from?.next ?? 0];
  const fromTop = from?.top ?? 0;
  const fromRunning = list(from?.running ?? []);
  const [toXmax, toTop, toRunning] = [to?.xmax ?? null, to?.top ?? null, list(to?.running ?? [])];
  const place = to && seq > 0 ? seq : fromTop;
  return db.$queryRaw<Row[]>`
    SELECT * FROM (
      WITH here AS MATERIALIZED (
        SELECT begun_seq, pruned_seq,
          left(md5(concat_ws(' ', epoch, extract(epoch FROM begun_at), change_feed_cluster())), 10) AS era,
          certain AS xmax,
          age(pg_snapshot_xmax(taken)::xid) + (pg_snapshot_xmax(taken)::text::bigint - certain)::int AS ahead,
          ARRAY(SELECT id::text::bigint FROM pg_snapshot_xip(taken) AS id WHERE id::text::bigint < certain ORDER BY id) AS running,
          coalesce((SELECT max(seq) FROM audit_log), 0) AS top
        FROM change_feed, pg_current_snapshot() AS taken,
          LATERAL (SELECT least(pg_snapshot_xmax(taken)::text::bigint,
            coalesce((SELECT max(tx_id) FROM audit_log), 0) + 1) AS certain) AS bound
        WHERE change_feed.id = 1
      ), span AS MATERIALIZED (
        SELECT era = ${era} AND xmax >= coalesce(${toXmax}::bigint, ${fromXmax}::bigint) AND ${place}::bigint >= pruned_seq AS valid,
          era IS DISTINCT FROM ${era} OR xmax < coalesce(${toXmax}::bigint, ${fromXmax}::bigint) AS restored,
          coalesce(${toXmax}::bigint, xmax) AS xmax,
          CASE WHEN ${toXmax}::bigint IS NULL THEN running ELSE ${toRunning}::bigint[] END AS running,
          coalesce(${toTop}::bigint, top) AS top,
          greatest(${seq}::bigint, begun_seq) AS behind
        FROM here
      ), looked_at AS MATERIALIZED (
        SELECT * FROM (
          (SELECT seq, resource_type, seen_before, seen_after FROM audit_log
           WHERE (SELECT valid FROM span) AND tx_id = ANY(${fromRunning}::bigint[]) AND seq > (SELECT behind FROM span)
             AND tx_id < (SELECT xmax FROM span) AND tx_id <> ALL((SELECT running FROM span)::bigint[])
           ORDER BY seq LIMIT ${SCANNED}::int)
          UNION ALL
          (SELECT seq, resource_type, seen_before, seen_after FROM audit_log
           WHERE (SELECT valid FROM span) AND tx_id >= ${fromXmax}::bigint AND tx_id < ${fromNext}::bigint AND seq > (SELECT behind FROM span)
             AND tx_id < (SELECT xmax FROM span) AND tx_id <> ALL((SELECT running FROM span)::bigint[])
           ORDER BY seq LIMIT ${SCANNED}::int)
          UNION ALL
          (SELECT seq, resource_type, seen_before, seen_after FROM audit_log
           WHERE (SELECT valid FROM span) AND tx_id + 0 >= ${fromNext}::bigint
             AND seq > (SELECT greatest(behind, ${fromTop}::bigint) FROM span) AND seq <= (SELECT top FROM span)
             AND tx_id + 0 < (SELECT xmax FROM span) AND tx_id <> ALL((SELECT running FROM span)::bigint[])
           ORDER BY seq LIMIT ${SCANNED}::int)
        ) AS candidates ORDER BY seq LIMIT ${SCANNED}::int
      ), page AS (
        SELECT seq FROM looked_at
        WHERE resource_type = ANY(${list(types)}::text[])
          AND (seen_before && ${list(ids)}::uuid[] OR seen_after && ${list(ids)}::uuid[])
        ORDER BY seq LIMIT ${first + 1}::int
      )
      SELECT here.era, span.valid, span.restored, here.xmax, here.ahead, array_to_string(here.running, ',') AS running, here.top,
        (SELECT count(*) FROM looked_at) AS scanned, (SELECT max(seq) FROM looked_at) AS last,
        entry.seq, entry.id::text, entry.resource_type, entry.resource_id::text, entry.project_id::text,
        entry.seen_before::text[], entry.seen_after::text[], entry.action, entry.request_id, entry.user_id::text, entry.username,
        (entry.details #>> '{after,version}')::int AS version, entry.created_at
      FROM here, span LEFT JOIN (page JOIN audit_log AS entry USING (seq)) ON true
    ) AS told ORDER BY seq`;
}
