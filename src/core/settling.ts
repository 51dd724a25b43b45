/**
 * The moments in which instances do not agree yet whether Redis is there: one has lost it (or found it again) before another, or alone.
 * - After it was lost here, others may still answer from what they keep, unaware of what is written here. So it is said among the members,
 *   and whoever writes waits until all go by that, or Redis is back, with all that was written.
 * - As long as the members cannot be told, or not yet, each writer waits until all others have read of its write in the change feed;
 *   unless the database knows of no others.
 * - While a member says that it is without Redis, what is kept is not used here; nor while it is not known what they say, nor while
 *   the change feed has not been read of late.
 * - After it is back here, another instance may not be there yet, and go on writing unheard. So nothing that is kept is used then.
 */
import { type Coordination, HEARD_MS } from '../coordination/coordination.js';
import type { Data } from '../data/client.js';
import type { Ephemeral } from '../ephemeral/ephemeral.js';

/** Within this every instance has noticed, and has read the change feed: see the pauses in ephemeral/ and feed-follower.ts. */
const SETTLING_MS = 3_000;
/** So long after a commit all who use what they keep have read of it in the change feed. */
export const FEED_MS = 2_500;
/** Ends before the wait of others does, however their timers are. */
const TRUST_MS = FEED_MS - 100;
/** Those who could not be told may be within reach again. */
const RETRY_MS = 2_000;

export interface Settling {
  /** Whether what is kept may be used. */
  readonly settled: boolean;
  /** To be waited for after a commit, and before anybody hears of it. At once but for the moments after a loss, and for whom nobody hears. */
  othersKnow(): Promise<void>;
  /** All that was committed by then, on the monotonic clock, has been read and told here. */
  feedWasRead(at: number): void;
  close(): void;
}

export interface SettlingOptions {
  readonly data: Pick<Data, 'alone'>;
  readonly ephemeral: Pick<Ephemeral, 'degraded' | 'onInterruption'>;
  readonly coordination: Pick<Coordination, 'advertise' | 'everybodyHasRedis'>;
  /** Milliseconds that only ever rise. */
  readonly monotonic: () => number;
}

export function openSettling(options: SettlingOptions): Settling {
  const { data, ephemeral, coordination, monotonic } = options;
  let settledAt = 0;
  let readAt = Number.NEGATIVE_INFINITY;
  /** Redis is away, and not everybody goes by that. Aborted when it is back, or everybody does. */
  let loss: AbortController | null = null;

  async function lose(): Promise<void> {
    const own = new AbortController();
    loss = own;
    const { signal } = own;
    while (!(await coordination.advertise({ redis: false }))) {
      await pause(RETRY_MS, signal);
      if (signal.aborted) return;
    }
    await pause(HEARD_MS, signal);
    forget(own);
  }

  function forget(known = loss): void {
    known?.abort();
    if (loss === known) loss = null;
  }

  /** Resolves at once when nobody else is there to be told. */
  async function readByOthers(signal: AbortSignal): Promise<void> {
    if (await data.alone().catch(() => false)) return;
    await pause(FEED_MS, signal);
  }

  const stop = ephemeral.onInterruption({
    interrupted: () => void lose(),
    restored() {
      settledAt = monotonic() + SETTLING_MS;
      forget();
      void coordination.advertise({ redis: true });
    },
  });
  if (ephemeral.degraded) void lose();

  return {
    get settled() {
      const now = monotonic();
      return now >= settledAt && now - readAt < TRUST_MS && coordination.everybodyHasRedis();
    },
    async othersKnow() {
      if (loss) await readByOthers(loss.signal);
    },
    feedWasRead(at) {
      readAt = at;
    },
    close() {
      stop();
      forget();
    },
  };
}

/** At once when `signal` is aborted. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', go);
      resolve();
    };
    const timer = setTimeout(go, ms).unref();
    signal.addEventListener('abort', go);
    if (signal.aborted) go();
  });
}
