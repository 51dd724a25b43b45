/**
 * Hints: "this object changed". A hint carries no data: whoever hears one reads the object again, with its own eyes.
 * They wake subscriptions; losing one delays until the feed's follower notices (feed-follower.ts), it never misinforms.
 */
import { LRUCache } from 'lru-cache';
import type { Ephemeral, Unsubscribe } from '../ephemeral/ephemeral.js';
import { ephemeralChannels } from '../ephemeral/keys.js';
import type { Logger } from '../log.js';

export interface ChangeHint {
  readonly type: string;
  readonly id: string;
  readonly projectId: string | null;
  readonly kind: 'CREATED' | 'UPDATED' | 'DELETED';
  /** The audit entry that tells of it; none for figures that follow from another change. By it a change that is told twice is heard once. */
  readonly entry?: string | undefined;
}

export interface HintBus {
  announce(hints: readonly ChangeHint[]): Promise<void>;
  /** Tells the listeners of this process alone. What they have heard of already, or hear of later, is not repeated. */
  deliver(hints: readonly ChangeHint[]): void;
  /** Whether the listeners of this process were told of the change with this entry, lately. */
  hasHeard(entry: string): boolean;
  /** Calls back for every hint that any instance announces. Local and cheap: one port subscription serves all. */
  listen(
    listener: (hint: ChangeHint) => void,
    onLeave?: () => void,
    /** Hints of others may have been missed: what is shown may be old. */
    onGap?: () => void,
  ): () => void;
  listeners(): number;
  /** This process is about to stop: tells those who wait for a hint (`onLeave`) not to wait any longer. */
  leave(): void;
  close(): Promise<void>;
}

type Told = (() => void) | undefined;

/** More than any instance hears while the follower pauses; of what is forgotten, subscribers may hear twice. */
const REMEMBERED = 20_000;

/** One subscription on the port, fanned out within this process. */
export async function openHintBus(ephemeral: Ephemeral, log: Logger): Promise<HintBus> {
  const listeners = new Map<(hint: ChangeHint) => void, { onLeave?: Told; onGap?: Told }>();
  const heard = new LRUCache<string, true>({ max: REMEMBERED });
  let leaving = false;
  const deliver = (hints: readonly ChangeHint[]): void => {
    for (const hint of hints) {
      if (hint.entry !== undefined) {
        if (heard.has(hint.entry)) continue;
        heard.set(hint.entry, true);
      }
      for (const listener of listeners.keys()) listener(hint);
    }
  };
  const unsubscribe: Unsubscribe = await ephemeral.subscribe(
    ephemeralChannels.changes,
    (message) => {
      let hints: ChangeHint[];
      try {
        hints = JSON.parse(message) as ChangeHint[];
      } catch (error) {
        log.warn({ err: error }, 'a change hint could not be read');
        return;
      }
      deliver(hints);
    },
  );
  const stopWatching = ephemeral.onInterruption({
    restored() {
      for (const { onGap } of listeners.values()) onGap?.();
    },
  });
  return {
    announce: (hints) => ephemeral.publish(ephemeralChannels.changes, JSON.stringify(hints)),
    deliver,
    hasHeard: (entry) => heard.has(entry),
    listen(listener, onLeave, onGap) {
      const own = (hint: ChangeHint): void => listener(hint);
      listeners.set(own, { onLeave, onGap });
      if (leaving) onLeave?.();
      return () => void listeners.delete(own);
    },
    listeners: () => listeners.size,
    leave() {
      leaving = true;
      for (const { onLeave } of listeners.values()) onLeave?.();
    },
    async close() {
      stopWatching();
      listeners.clear();
      await unsubscribe();
    },
  };
}
