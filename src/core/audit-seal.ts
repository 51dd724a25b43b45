/**
 * Seals the audit log, so that writing an entry pays nothing for it: the leader does it behind the writers, some seconds later.
 *
 * A seal covers all positions (`seq`) up to its end, so it may reach only as far as nothing can come in any more. Positions are drawn before the commit:
 * a smaller one can show up later. But all up to the greatest that a snapshot shows were drawn by transactions that had begun by then (core/feed.ts says
 * why); when all those have ended, nothing is added to them. So the end of the feed is remembered, and sealed once it is that old.
 */
import type { Db, Tx } from '../data/client.js';
import { hashOfSeal, manifestLine, NO_SEAL, sha256 } from './audit-format.js';
import { lastSeal, readEntries } from './audit-read.js';
import { feedEnd } from './feed.js';

/** Of one seal. What is read and hashed at a time is bounded by it. */
const MAX_ENTRIES = 500;

export interface Horizon {
  readonly top: bigint;
  /** All transactions that can have drawn a position up to `top` have smaller ids. */
  readonly next: bigint;
}

export async function readHorizon(db: Db): Promise<Horizon> {
  const { from } = await feedEnd(db, '');
  return { top: BigInt(from.top), next: BigInt(from.next) };
}

/** Whether all that began before the horizon was read has ended. */
export async function isSettled(db: Db, { next }: Horizon): Promise<boolean> {
  const [row] = await db.$queryRaw<{ oldest: bigint }[]>`
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest`;
  return row !== undefined && row.oldest >= next;
}

/**
 * Seals what follows the last seal, up to and including `top`; null: nothing does.
 * @param options for tests: another number of entries, and another time than the database's, whose trigger compares it with its own
 */
export async function sealNext(
  tx: Tx,
  top: bigint,
  { at, limit = MAX_ENTRIES }: { readonly at?: Date | undefined; readonly limit?: number } = {},
): Promise<{ number: string; hash: string; more: boolean } | null> {
  const last = await lastSeal(tx);
  const after = BigInt(last?.toSeq ?? 0);
  const stored = await readEntries(tx, after, top, limit);
  const end = stored.at(-1)?.entry.seq;
  if (end === undefined) return null;
  const sealedAt = at ?? (await databaseTime(tx));
  const manifest = stored.map(({ entry }) => manifestLine(entry)).join('');
  const seal = {
    number: String(BigInt(last?.number ?? 0) + 1n),
    fromSeq: String(after + 1n),
    toSeq: end,
    entries: stored.length,
    sealedAt: sealedAt.toISOString(),
    manifestHash: sha256(manifest),
    previous: last?.hash ?? NO_SEAL,
  };
  const hash = hashOfSeal(seal);
  const { number, fromSeq, toSeq } = seal;
  const positions = { number: BigInt(number), fromSeq: BigInt(fromSeq), toSeq: BigInt(toSeq) };
  await tx.auditSeal.create({ data: { ...seal, ...positions, sealedAt, manifest, hash } });
  return { number, hash, more: stored.length === limit };
}

async function databaseTime(tx: Tx): Promise<Date> {
  const [row] = await tx.$queryRaw<{ now: Date }[]>`SELECT now()::timestamptz(3) AS now`;
  if (!row) throw new Error('the database does not tell the time');
  return row.now;
}
