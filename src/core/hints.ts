/**
 * Hints: "this object changed". A hint carries no data: whoever hears one reads the object again, with its own eyes.
 * They wake subscriptions; losing one delays, it never misinforms.
 */
import type { Ephemeral, Unsubscribe } from '../ephemeral/ephemeral.js';
import { ephemeralChannels } from '../ephemeral/keys.js';
import type { Logger } from '../log.js';

export interface ChangeHint {
  readonly type: string;
  readonly id: string;
  readonly projectId: string | null;
  readonly kind: 'CREATED' | 'UPDATED' | 'DELETED';
}

export interface HintBus {
  announce(hints: readonly ChangeHint[]): Promise<void>;
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

/** One subscription on the port, fanned out within this process. */
export async function openHintBus(ephemeral: Ephemeral, log: Logger): Promise<HintBus> {
  const listeners = new Map<(hint: ChangeHint) => void, { onLeave?: Told; onGap?: Told }>();
  let leaving = false;
  const unsubscribe: Unsubscribe = await ephemeral.subscribe(
    ephemeralChannels.changes,
    (message) => {
      if (listeners.size === 0) return;
      let hints: ChangeHint[];
      try {
        hints = JSON.parse(message) as ChangeHint[];
      } catch (error) {
        log.warn({ err: error }, 'a change hint could not be read');
        return;
      }
      for (const hint of hints) for (const listener of listeners.keys()) listener(hint);
    },
  );
  const stopWatching = ephemeral.onInterruption({
    restored() {
      for (const { onGap } of listeners.values()) onGap?.();
    },
  });
  return {
    announce: (hints) => ephemeral.publish(ephemeralChannels.changes, JSON.stringify(hints)),
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
