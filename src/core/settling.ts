/**
 * The moments in which instances do not agree yet whether Redis is there: one has lost it (or found it again) before another.
 * - After it was lost here, others may still answer from what they keep, unaware of what is written here. So whoever writes then waits,
 *   until they have been told (Redis is back, with all that was written) or keep nothing any more.
 * - After it is back here, another instance may not be there yet, and go on writing unheard. So nothing that is kept is used then.
 */
import type { Ephemeral } from '../ephemeral/ephemeral.js';

/** Within this every instance has noticed, and has read the change feed: see the pauses in ephemeral/ and feed-follower.ts. */
const SETTLING_MS = 3_000;

export interface Settling {
  /** Whether what is kept may be used again. */
  readonly settled: boolean;
  /** To be waited for after a commit, and before anybody hears of it. At once but for the moments after a loss. */
  othersKnow(): Promise<void>;
  close(): void;
}

/** @param monotonic milliseconds that only ever rise */
export function openSettling(ephemeral: Ephemeral, monotonic: () => number): Settling {
  let settledAt = 0;
  let lostAt: number | null = null;
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const go of [...waiting]) go();
  };
  const stop = ephemeral.onInterruption({
    interrupted() {
      lostAt = monotonic();
    },
    restored() {
      lostAt = null;
      settledAt = monotonic() + SETTLING_MS;
      wake();
    },
  });
  return {
    get settled() {
      return monotonic() >= settledAt;
    },
    async othersKnow() {
      const left = lostAt === null ? 0 : lostAt + SETTLING_MS - monotonic();
      if (left <= 0) return;
      await new Promise<void>((resolve) => {
        const go = (): void => {
          clearTimeout(timer);
          waiting.delete(go);
          resolve();
        };
        const timer = setTimeout(go, left);
        waiting.add(go);
      });
    },
    close() {
      stop();
      lostAt = null;
      wake();
    },
  };
}
