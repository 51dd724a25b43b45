/**
 * When what is kept may be used, though an instance can lose Redis before another, or alone, and others are not told then of what it writes.
 * Not while somebody is unheard (unheard.ts), nor where the change feed has not been read of late; and when that is over, or Redis was away, all that is kept
 * is void first: not all that was written is in the change feed, and Redis may have gone back to what it had saved.
 */
import type { Coordination } from '../coordination/coordination.js';
import type { Ephemeral } from '../ephemeral/ephemeral.js';
import { findUnheard, removeGone, TRUST_MS, Unheard } from './unheard.js';
import {
  openUnheardWriter,
  type UnheardWriter,
  type UnheardWriterOptions,
} from './unheard-writer.js';

export interface Settling extends Pick<UnheardWriter, 'beforeCommit'> {
  /** Whether what is kept may be used. */
  readonly settled: boolean;
  /** To be called before the change feed is read; and what it resolves to, when all that was committed by then is told here. */
  look(): Promise<() => Promise<void>>;
  /** Nobody waits any more, and this instance is gone for the others. */
  close(): Promise<void>;
}

export interface SettlingOptions extends UnheardWriterOptions {
  readonly ephemeral: Pick<Ephemeral, 'degraded' | 'onInterruption'>;
  readonly coordination: Pick<Coordination, 'advertise'>;
  /** Makes all void that is kept anywhere. Never rejects. */
  readonly forgetAll: () => Promise<void>;
}

export function openSettling(options: SettlingOptions): Settling {
  const { data, ephemeral, coordination, forgetAll, monotonic, log } = options;
  const writer = openUnheardWriter(options);
  /** Begun anew with each connection to Redis: what was to be marked there at that moment may not be. */
  let known = new Unheard();
  let readAt = Number.NEGATIVE_INFINITY;
  let wary = true;
  let warned = false;

  function lose(): void {
    writer.begin();
    coordination.advertise({ redis: false });
  }

  function warn(places: readonly string[]): void {
    if (places.length > 0 === warned) return;
    warned = !warned;
    if (warned)
      log.warn(
        { places },
        'an instance is without Redis, or a transaction takes long: no kept answers are used, as nobody hears at once what is written there',
      );
    else log.info('all instances hear at once what is written');
  }

  const stop = ephemeral.onInterruption({
    interrupted: lose,
    restored() {
      known = new Unheard();
      wary = true;
      void writer.end();
      coordination.advertise({ redis: true });
    },
  });
  if (ephemeral.degraded) lose();

  return {
    beforeCommit: writer.beforeCommit,
    get settled() {
      return !wary && monotonic() - readAt < TRUST_MS;
    },
    async look() {
      const [mine, begun] = [known, monotonic()];
      const judged = mine.judge(await findUnheard(data.db), begun, monotonic());
      warn(judged.unheard.map(({ kind, place }) => `${kind} ${place}`));
      const calm = judged.unheard.length === 0;
      wary ||= !calm;
      return async () => {
        // Without Redis it would be gone before what it wrote is void for those who have not seen it.
        const over = ephemeral.degraded ? judged.void : judged.gone;
        if (over.length > 0 || (wary && calm)) await forgetAll();
        for (const one of over) await removeGone(data.db, one);
        if (mine !== known) return; // Redis was away meanwhile
        wary = !calm;
        readAt = begun;
      };
    },
    async close() {
      stop();
      await writer.end();
    },
  };
}
