/** Verifies the audit log where it is: each sealed entry against its seal, and the seals against each other. */
import type { Db } from '../data/client.js';
import { AuditChain, type ChainOptions, type ChainReport } from './audit-chain.js';
import type { Seal } from './audit-format.js';
import { readEntries, readSeals, type StoredEntry } from './audit-read.js';

/** Beyond the range of a seal there is nothing else in it, unless somebody put it there. */
const PART = 1_000;

/** The greatest position there can be. */
const END = 2n ** 63n - 1n;

/**
 * Reads all seals and entries once, a part at a time, changing nothing; the program may go on writing, sealing and removing meanwhile.
 *
 * Answers what it saw, and the first faults: an entry that was changed, deleted, inserted or moved is named by its id and position, a seal by its
 * number. `faultCount` 0: everything that was ever sealed is there as it was, or was removed for its age. Entries behind the last seal (`unsealed`)
 * cannot be judged yet. That somebody wrote the whole chain anew, or cut off its end, shows only by comparison with something that was kept elsewhere:
 * pass the hash of a seal that you saw earlier as `anchor`, and keep `last.hash` for the next time.
 *
 * @param db a client of the database, the root client as a rule
 * @throws the database's own errors; faults of the audit log are in the answer
 */
export async function verifyAudit(db: Db, options: ChainOptions = {}): Promise<ChainReport> {
  const chain = new AuditChain(options);
  for await (const record of auditRecords(db)) {
    if ('seal' in record) chain.seal(record.seal);
    else chain.entry(record.entry, record.userId);
  }
  return chain.end();
}

export type AuditRecord = { readonly seal: Seal } | StoredEntry;

/** Positions, both inclusive. */
export interface Positions {
  readonly from: bigint;
  readonly to: bigint;
}

/** Where nothing is. */
export const NOWHERE: Positions = { from: END, to: 0n };

/** Seals that reach into these positions, each followed by all entries in its range; then, if they go beyond, what is not sealed yet. */
export async function* auditRecords(
  db: Db,
  { from, to }: Positions = { from: 0n, to: END },
): AsyncGenerator<AuditRecord> {
  const before = await sealBefore(db, from);
  let number = before?.number ?? 0n;
  // From the least there can be: nothing of ours is below 1, and what somebody put there must be seen.
  let position = before?.toSeq ?? -END;
  for (;;) {
    const [seal] = await readSeals(db, number, 1);
    if (!seal) break;
    if (BigInt(seal.fromSeq) > to) return;
    number = BigInt(seal.number);
    const end = BigInt(seal.toSeq);
    yield* sealWithEntries(db, seal, position, end);
    if (end > position) position = end;
  }
  if (to > position) yield* entriesBetween(db, position, END);
}

/** Where the entries of a time are; null: there are none. */
export async function positionsOf(
  db: Db,
  from: Date | null,
  to: Date | null,
): Promise<Positions | null> {
  const createdAt = { ...(from ? { gte: from } : {}), ...(to ? { lte: to } : {}) };
  const { _min, _max } = await db.auditEntry.aggregate({
    where: { createdAt },
    _min: { seq: true },
    _max: { seq: true },
  });
  if (_min.seq === null || _max.seq === null) return null;
  return { from: _min.seq, to: _max.seq };
}

function sealBefore(db: Db, position: bigint) {
  return db.auditSeal.findFirst({
    where: { toSeq: { lt: position } },
    select: { number: true, toSeq: true },
    orderBy: { number: 'desc' },
  });
}

async function* sealWithEntries(db: Db, seal: Seal, after: bigint, to: bigint) {
  const part = await readEntries(db, after, to, PART);
  // Removed for its age since it was read: the entries are rightly gone, and the seal says so by now.
  const missing = seal.removedAt === null && part.length < seal.entries;
  const [now = seal] = missing ? await readSeals(db, BigInt(seal.number) - 1n, 1) : [];
  yield { seal: now };
  if (now.removedAt !== null && seal.removedAt === null) return;
  yield* part;
  const last = part.at(-1);
  if (part.length === PART && last) yield* entriesBetween(db, BigInt(last.entry.seq), to);
}

async function* entriesBetween(db: Db, after: bigint, to: bigint): AsyncGenerator<StoredEntry> {
  for (let position = after; ; ) {
    const part = await readEntries(db, position, to, PART);
    yield* part;
    const last = part.at(-1);
    if (part.length < PART || !last) return;
    position = BigInt(last.entry.seq);
  }
}
