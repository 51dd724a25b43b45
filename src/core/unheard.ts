/**
 * Whom nobody hears at once. An instance that is without Redis says so in the database, and goes on saying it; whoever uses what it keeps looks there
 * before each reading of the change feed. It also looks for transactions that have been writing for long: the mark that their COMMIT was announced
 * with may be over before they end (see cache.ts), and their writer may be dead.
 *
 * All times are of one process's monotonic clock, and nobody compares clocks: what changes is alive, and how long it has not changed is seen here.
 */
import type { Db } from '../data/client.js';
import { ephemeralTtlMs } from '../ephemeral/keys.js';

/** So long after a commit all who use what they keep have read of it in the change feed. */
export const FEED_MS = 2_500;
/** So long after the beginning of a reading what is kept may be used. Ends before the wait of others does, however their timers are. */
export const TRUST_MS = FEED_MS - 100;
/** An instance that has not repeated itself for so long is gone. */
const GONE_MS = 10_000;
/** What it wrote is void for everybody after this at the latest: marks of the cache do not live so long. */
const VOID_MS = 60 * 60_000;
/** So long after the beginning of what it said an instance can be sure that nobody takes it for gone; and that it will not be so while a writer waits. */
export const RELY_MS = GONE_MS - FEED_MS;
/** Noticed at the second reading after this: before the mark is over that was there when the COMMIT was sent. */
const LONG_MS = ephemeralTtlMs.unsettledGeneration - 2 * TRUST_MS - 1_000;

export interface Judgement {
  readonly unheard: readonly Found[];
  /** Instances that have died. */
  readonly gone: readonly Found[];
  /** Those of them whose writes nobody can miss any more. */
  readonly void: readonly Found[];
}

interface Found {
  readonly kind: 'instance' | 'transaction';
  readonly id: string;
  /** Of the instance, or the process id of the transaction's session. */
  readonly place: string;
  readonly beat: bigint;
}

/** Says it, or says it again. Returns how often it was said without a break. */
export async function sayUnheard(db: Db, id: string, address: string): Promise<bigint> {
  const [row] = await db.$queryRaw<{ beat: bigint }[]>`
    INSERT /* unseen */ INTO unheard_instances AS row (id, address) VALUES (${id}::uuid, ${address})
    ON CONFLICT (id) DO UPDATE SET beat = row.beat + 1 RETURNING beat`;
  return row?.beat ?? 0n;
}

export async function unsayUnheard(db: Db, id: string): Promise<void> {
  await db.$executeRaw`DELETE /* unseen */ FROM unheard_instances WHERE id = ${id}::uuid`;
}

/** Those that may come back meanwhile are left. */
export async function removeGone(db: Db, { id, beat }: Found): Promise<void> {
  await db.$executeRaw`
    DELETE /* unseen */ FROM unheard_instances WHERE id = ${id}::uuid AND beat = ${beat}`;
}

/** Transactions of all roles: what they do is hidden from others, but not that they write. */
export function findUnheard(db: Db): Promise<Found[]> {
  return db.$queryRaw<Found[]>`
    SELECT 'instance' AS kind, id::text, address AS place, beat FROM unheard_instances
    UNION ALL
    SELECT 'transaction', backend_xid::text, pid::text, 0 FROM pg_stat_activity
    WHERE datname = current_database() AND backend_xid IS NOT NULL`;
}

const keyOf = ({ kind, id, beat }: Found): string => `${kind} ${id} ${beat}`;

/** Who of those that were found counts as unheard, by what was found before. */
export class Unheard {
  /** Since when each of those is known, by key. */
  #since: ReadonlyMap<string, number> = new Map();
  #instances: readonly Found[] = [];
  #lookedAt = Number.NEGATIVE_INFINITY;

  /** @param begun when they were looked for @param ended when they were found */
  judge(found: readonly Found[], begun: number, ended: number): Judgement {
    const before = this.#since;
    const instances = found
      .filter(({ kind }) => kind === 'instance')
      .map((one) => ({ one, since: before.get(keyOf(one)) ?? ended }));
    const older = (ms: number) =>
      instances.filter(({ since }) => begun - since >= ms).map(({ one }) => one);
    const gone = older(GONE_MS);
    const left = this.#instances.filter(({ id }) => !found.some((one) => one.id === id));
    // After a break nobody knows how long somebody has been writing; nor whether that was one who is gone, with a COMMIT on its way.
    const unknown = begun - this.#lookedAt > TRUST_MS || gone.length > 0 || left.length > 0;
    const transactions = found
      .filter(({ kind }) => kind === 'transaction')
      .map((one) => ({
        one,
        since: unknown ? Number.NEGATIVE_INFINITY : (before.get(keyOf(one)) ?? begun),
      }));
    this.#since = new Map(
      [...instances, ...transactions].map(({ one, since }) => [keyOf(one), since]),
    );
    this.#instances = instances.map(({ one }) => one);
    this.#lookedAt = begun;
    return {
      unheard: [
        ...this.#instances.filter((one) => !gone.includes(one)),
        ...transactions.filter(({ since }) => begun - since >= LONG_MS).map(({ one }) => one),
      ],
      gone,
      void: older(VOID_MS),
    };
  }
}
