/**
 * The moments in which instances do not agree yet whether Redis is there: one has lost it (or found it again) before another, or alone.
 * - After it was lost here, others may still answer from what they keep, unaware of what is written here. So it is said among the members,
 *   and whoever writes waits until all go by that, or Redis is back, with all that was written.
 * - While a member says that it is without Redis, what is kept is not used here; nor while it is not known what they say.
 * - After it is back here, another instance may not be there yet, and go on writing unheard. So nothing that is kept is used then.
 */
import { type Coordination, HEARD_MS } from '../coordination/coordination.js';
import type { Ephemeral } from '../ephemeral/ephemeral.js';

/** Within this every instance has noticed, and has read the change feed: see the pauses in ephemeral/ and feed-follower.ts. */
const SETTLING_MS = 3_000;
/** Nobody waits longer, though etcd may not have answered yet. */
const LONGEST_MS = 5_000;

export interface Settling {
  /** Whether what is kept may be used. */
  readonly settled: boolean;
  /** To be waited for after a commit, and before anybody hears of it. At once but for the moments after a loss. */
  othersKnow(): Promise<void>;
  close(): void;
}

export interface SettlingOptions {
  readonly ephemeral: Pick<Ephemeral, 'degraded' | 'onInterruption'>;
  readonly coordination: Pick<Coordination, 'advertise' | 'everybodyHasRedis'>;
  /** Milliseconds that only ever rise. */
  readonly monotonic: () => number;
}

export function openSettling(options: SettlingOptions): Settling {
  const { ephemeral, coordination, monotonic } = options;
  let settledAt = 0;
  let loss: { readonly waitUntil: number; timer?: NodeJS.Timeout } | null = null;
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const go of [...waiting]) go();
  };
  const forget = (): void => {
    clearTimeout(loss?.timer);
    loss = null;
    wake();
  };

  /** @param untold how long to wait when nobody can be told, in milliseconds */
  async function lose(untold: number): Promise<void> {
    const own: NonNullable<typeof loss> = { waitUntil: monotonic() + LONGEST_MS };
    loss = own;
    const told = await coordination.advertise({ redis: false });
    if (loss !== own) return;
    own.timer = setTimeout(forget, told ? HEARD_MS : untold).unref();
  }

  const stop = ephemeral.onInterruption({
    // Whom we cannot tell loses it, too, or hears of our writes from the change feed.
    interrupted: () => void lose(SETTLING_MS),
    restored() {
      settledAt = monotonic() + SETTLING_MS;
      forget();
      void coordination.advertise({ redis: true });
    },
  });
  // Where it was away before we came, those whom we cannot tell have long noticed, or would not by waiting.
  if (ephemeral.degraded) void lose(0);

  return {
    get settled() {
      return monotonic() >= settledAt && coordination.everybodyHasRedis();
    },
    async othersKnow() {
      const left = loss === null ? 0 : loss.waitUntil - monotonic();
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
      forget();
    },
  };
}
