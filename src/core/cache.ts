/**
 * Generations: one mark per type, replaced after every commit that wrote to one of its tables. What was made under another mark is stale.
 *
 * - A mark is random and never comes back. A counter would: it expires or is evicted, begins again, and meets an old answer.
 * - Whoever wants to keep what it reads takes the marks before it reads. A mark that is missing is made then.
 * - Replaced after the commit and before anybody hears of it, see `onWrite` in data/client.ts: no writer can forget it.
 */

import type { Ephemeral } from '../ephemeral/ephemeral.js';
import { ephemeralKeys, ephemeralTtlMs } from '../ephemeral/keys.js';
import { newId } from '../ids.js';
import type { Logger } from '../log.js';
import type { Metrics } from './metrics.js';

async function replace(ephemeral: Ephemeral, type: string): Promise<string> {
  const mark = newId();
  await ephemeral.set(ephemeralKeys.generation(type), mark, ephemeralTtlMs.generation);
  return mark;
}

export interface Generations {
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

export function openGenerations({
  ephemeral,
  metrics,
  log,
  isShared,
}: GenerationsOptions): Generations {
  const owed = new Set<string>();
  /** Of marks that are missing: those who find so at the same time are to get the same. */
  const making = new Map<string, Promise<string>>();
  let retry: NodeJS.Timeout | undefined;
  let closed = false;

  async function raise(types: ReadonlySet<string>): Promise<void> {
    if (types.size === 0) return;
    const all = new Set([...types, ...owed]);
    try {
      await Promise.all([...all].map((type) => replace(ephemeral, type)));
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

  function make(type: string): Promise<string> {
    const known = making.get(type);
    if (known) return known;
    const made = replace(ephemeral, type).finally(() => making.delete(type));
    making.set(type, made);
    return made;
  }

  return {
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
      return { marks, values };
    },
    close() {
      closed = true;
      clearTimeout(retry);
    },
  };
}
