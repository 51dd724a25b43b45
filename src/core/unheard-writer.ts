/**
 * The writer's side of unheard.ts: while Redis is away, this instance says so in the database, and nothing is committed here before all go by that.
 * That is a wait of FEED_MS in the first moments, and none later.
 */
import { setMaxListeners } from 'node:events';
import type { Data } from '../data/client.js';
import { DataUnavailableError } from '../data/errors.js';
import { newId } from '../ids.js';
import type { Logger } from '../log.js';
import { FEED_MS, RELY_MS, sayUnheard, unsayUnheard } from './unheard.js';

/** How often it is said: several times in RELY_MS. */
const BEAT_MS = 2_000;
/** How often it is tried, and looked for, where it could not be said. */
const RETRY_MS = 200;
/** A database that has not taken a word for so long takes no commit either. */
const PATIENCE_MS = 2 * FEED_MS;

export interface UnheardWriter {
  /** Redis is away from now on. */
  begin(): void;
  /** It is back, or this instance closes. Resolves when nothing is said any more; never rejects. */
  end(): Promise<void>;
  /**
   * To be waited for before a commit, best before its transaction begins: then nobody goes by what he kept before it. At once while Redis is there.
   * @throws {DataUnavailableError} it cannot be said
   */
  beforeCommit(): Promise<void>;
}

export interface UnheardWriterOptions {
  readonly data: Pick<Data, 'kind' | 'db' | 'available'>;
  /** Where this instance can be reached, for those who look after it. */
  readonly address: string;
  /** Milliseconds that only ever rise. */
  readonly monotonic: () => number;
  readonly log: Logger;
}

interface Outage {
  readonly id: string;
  readonly over: AbortController;
  /** When what was said last began to be said, and from when on all go by it as long as it is repeated. */
  saidAt: number;
  knownFrom: number;
}

export function openUnheardWriter(options: UnheardWriterOptions): UnheardWriter {
  const { data, address, monotonic, log } = options;
  let outage: Outage | null = null;
  let telling: Promise<void> = Promise.resolve();

  async function say(own: Outage): Promise<boolean> {
    const begun = monotonic();
    // Nobody else reads what is in memory; and it is not said any more when PostgreSQL takes its place.
    if (data.kind === 'memory') {
      own.saidAt = Number.NEGATIVE_INFINITY;
      return false;
    }
    const times = await sayUnheard(data.db, own.id, address);
    const now = monotonic();
    if (times === 1n || now - own.saidAt >= RELY_MS) own.knownFrom = now + FEED_MS;
    own.saidAt = begun;
    return true;
  }

  async function tell(own: Outage): Promise<void> {
    const { signal } = own.over;
    while (!signal.aborted) {
      const said = await say(own).catch((err: unknown) => {
        log.debug({ err }, 'it cannot be said that this instance is without Redis');
        return false;
      });
      await pause(said ? BEAT_MS : RETRY_MS, signal);
    }
    // Where this fails, it is over all the same when it was not repeated for a while.
    if (data.available) await unsayUnheard(data.db, own.id).catch(() => undefined);
  }

  /** How long until it is known; 0: it is. */
  function untilKnown({ saidAt, knownFrom }: Outage): number {
    const now = monotonic();
    return now - saidAt < RELY_MS ? Math.max(0, knownFrom - now) : RETRY_MS;
  }

  return {
    begin() {
      const [id, over] = [newId(), new AbortController()];
      setMaxListeners(0, over.signal); // each commit that waits listens
      outage = { id, over, saidAt: Number.NEGATIVE_INFINITY, knownFrom: 0 };
      telling = tell(outage);
    },
    end() {
      outage?.over.abort();
      outage = null;
      return telling;
    },
    async beforeCommit() {
      const deadline = monotonic() + PATIENCE_MS;
      while (outage && data.kind !== 'memory') {
        const left = untilKnown(outage);
        if (left === 0) return;
        if (!data.available || monotonic() >= deadline)
          throw new DataUnavailableError(
            'connection',
            'Redis is away, and PostgreSQL does not take word of that to the other instances.',
          );
        await pause(Math.min(left, FEED_MS), outage.over.signal);
      }
    },
  };
}

/** At once when `signal` is aborted. By the timers that a test's clock moves, which those of node:timers/promises are not. */
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
