/**
 * Generations: one mark per type, replaced after every commit that wrote to one of its tables. What was made under another mark is stale.
 *
 * - A mark is random and never comes back. A counter would: it expires or is evicted, begins again, and meets an old answer.
 * - Whoever wants to keep what it reads takes the marks before it reads. A mark that is missing is made then.
 * - Replaced after the commit and before anybody hears of it, see `onWrite` in data/client.ts: no writer can forget it.
 * - Just before the commit the mark is made an unsettled one, under which nothing is kept or used: whoever dies in its commit, or
 *   is cut off, cannot leave a mark behind that speaks for what was before. Nor can somebody else end that, who writes the same type at the
 *   same time: the mark settles with the last of its writers, or when that one's time is over. A commit that is still to come then is known of
 *   by other means (unheard.ts).
 */

import type { Ephemeral } from '../ephemeral/ephemeral.js';
import { ephemeralKeys, ephemeralTtlMs } from '../ephemeral/keys.js';
import { newId } from '../ids.js';
import type { Logger } from '../log.js';
import type { Metrics } from './metrics.js';

/** What an unsettled mark begins with, and no other. */
const UNSETTLED = '?';
/** In place of an unsettled mark one that is nobody's and does not come again: what is kept under it is not found. */
const usable = (mark: string | null): string =>
  mark === null || mark.startsWith(UNSETTLED) ? newId() : mark;

export interface Generations {
  /** Before a commit; `settle` must follow. Never rejects: without Redis nothing is kept anyway. */
  unsettle(types: ReadonlySet<string>): Promise<void>;
  /** After it: as `raise`. `inDoubt`: the answer to the COMMIT was lost, and it may still be to come; when it takes long, see unheard.ts. */
  settle(types: ReadonlySet<string>, inDoubt?: boolean): Promise<void>;
  /** Never rejects. What could not be replaced is tried again until it is. */
  raise(types: ReadonlySet<string>): Promise<void>;
  /**
   * The marks of these types in their order, and the values of `keys`, in one round trip. The marks are null for as long as
   * this process owes one: what others have kept may be stale. Throws what the port throws.
   */
  read(
    types: readonly string[],
    keys?: readonly string[],
  ): Promise<{ marks: readonly string[] | null; values: (string | null)[] }>;
  /** Whether every instance shares these marks; otherwise they speak for the writes of this one alone. */
  readonly shared: boolean;
  close(): void;
}

const RETRY_MS = 500;

export interface GenerationsOptions {
  readonly ephemeral: Ephemeral;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly isShared: () => boolean;
}

export function openGenerations(options: GenerationsOptions): Generations {
  const { ephemeral, metrics, log, isShared } = options;
  const writer = newId();
  const owed = new Set<string>();
  /** Of marks that are missing: those who find so at the same time are to get the same. */
  const making = new Map<string, Promise<string | null>>();
  async function setMarks(types: readonly string[], working: boolean): Promise<void> {
    if (types.length === 0) return;
    await ephemeral.mark(types.map(ephemeralKeys.generation), {
      ...{ writer, working, settled: newId(), unsettled: `${UNSETTLED}${newId()}` },
      ttlMs: ephemeralTtlMs.generation,
      unsettledMs: ephemeralTtlMs.unsettledGeneration,
    });
  }
  /** How many commits of this process are under way, by type. */
  const committing = new Map<string, number>();
  const doubts = new Set<NodeJS.Timeout>();
  let retry: NodeJS.Timeout | undefined;
  let closed = false;

  async function unsettle(types: ReadonlySet<string>): Promise<void> {
    for (const type of types) committing.set(type, (committing.get(type) ?? 0) + 1);
    // In one process nobody is left to be told when it dies. Where Redis is away it is told late, and may be back before the commit.
    if (ephemeral.kind !== 'redis' && !ephemeral.degraded) return;
    await setMarks([...types], true).catch((err: unknown) =>
      log.warn({ err }, 'cached answers cannot be told of a coming change'),
    );
  }

  async function settle(types: ReadonlySet<string>, inDoubt = false): Promise<void> {
    if (inDoubt) {
      await raise(types); // unsettled for as long again, as it counts as being under way
      if (closed) return;
      const timer = setTimeout(() => {
        doubts.delete(timer);
        void settle(types);
      }, ephemeralTtlMs.unsettledGeneration).unref();
      doubts.add(timer);
      return;
    }
    for (const type of types) {
      const others = (committing.get(type) ?? 1) - 1;
      if (others > 0) committing.set(type, others);
      else committing.delete(type);
    }
    await raise(types);
  }

  async function raise(types: ReadonlySet<string>): Promise<void> {
    if (types.size === 0) return;
    const all = new Set([...types, ...owed]);
    try {
      // Another commit of ours may be under way: that one settles it.
      const under = [...all].filter((type) => committing.has(type));
      const over = [...all].filter((type) => !committing.has(type));
      await Promise.all([setMarks(under, true), setMarks(over, false)]);
      for (const type of all) owed.delete(type);
    } catch (err) {
      for (const type of all) owed.add(type);
      if (closed) return;
      metrics.afterCommitFailures.inc();
      log.error(
        { err, types: [...all] },
        'cached answers cannot be told of a committed change yet',
      );
      retry ??= setTimeout(() => {
        retry = undefined;
        void raise(new Set(owed));
      }, RETRY_MS).unref();
    }
  }

  /** Somebody else may be quicker, and may be about to commit: theirs counts. */
  async function makeAnew(type: string): Promise<string | null> {
    const key = ephemeralKeys.generation(type);
    const mark = newId();
    const made = await ephemeral.claim(key, mark, ephemeralTtlMs.generation);
    return made ? mark : ephemeral.get(key);
  }

  function make(type: string): Promise<string | null> {
    const known = making.get(type);
    if (known) return known;
    const made = makeAnew(type).finally(() => making.delete(type));
    making.set(type, made);
    return made;
  }

  return {
    unsettle,
    settle,
    raise,
    get shared() {
      return isShared();
    },
    async read(types, keys = []) {
      const found = await ephemeral.getMany([
        ...types.map((type) => ephemeralKeys.generation(type)),
        ...keys,
      ]);
      const values = found.slice(types.length);
      if (owed.size > 0) return { marks: null, values };
      const marks = await Promise.all(types.map((type, i) => found[i] ?? make(type)));
      return { marks: marks.map(usable), values };
    },
    close() {
      closed = true;
      clearTimeout(retry);
      for (const timer of doubts) clearTimeout(timer);
    },
  };
}
