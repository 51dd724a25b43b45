/**
 * Bounded queues between what happens and one subscriber. Keyed, latest value wins:
 * however slow the client is, it costs one slot for each object, and it always gets the newest next.
 */

/** What a full queue forgot: the subscriber should read afresh. */
export interface Coalesced<V> {
  readonly key: string;
  readonly value: V;
  /** How many earlier values of this key were replaced before the subscriber took one. */
  readonly dropped: number;
}

export interface LatestQueue<V> extends AsyncIterableIterator<Coalesced<V>> {
  /** Never waits and never throws. A known key is replaced in place; a new one joins the end. */
  push(key: string, value: V): void;
  end(): void;
  size(): number;
}

/**
 * @param maxKeys beyond this many different waiting keys the queue is given up: `overflow` makes the last value to be delivered
 * @param onEnd called once, when either side ends it: the place to free what feeds the queue
 */
export function latestQueue<V>(options: {
  maxKeys: number;
  overflow: () => { key: string; value: V };
  onEnd: () => void;
}): LatestQueue<V> {
  let waiting = new Map<string, Coalesced<V>>();
  let wake: (() => void) | null = null;
  let ended = false;

  const notify = (): void => {
    wake?.();
    wake = null;
  };
  const end = (): void => {
    if (ended) return;
    ended = true;
    options.onEnd();
    notify();
  };

  return {
    push(key, value) {
      if (ended) return;
      const old = waiting.get(key);
      if (!old && waiting.size >= options.maxKeys) {
        const last = options.overflow();
        waiting = new Map([[last.key, { ...last, dropped: waiting.size }]]);
      } else {
        waiting.set(key, { key, value, dropped: old ? old.dropped + 1 : 0 });
      }
      notify();
    },
    end,
    size: () => waiting.size,
    async next() {
      for (;;) {
        const [first] = waiting;
        if (first && !ended) {
          waiting.delete(first[0]);
          return { done: false, value: first[1] };
        }
        if (ended) return { done: true, value: undefined };
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    async return() {
      waiting.clear();
      end();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
