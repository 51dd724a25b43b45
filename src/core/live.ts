/**
 * Bounded queues between what happens and one subscriber. Keyed, latest value wins:
 * however slow the client is, it costs one slot for each object, and it always gets the newest next.
 */

/** What the subscriber takes: the newest value of one key. */
export interface Coalesced<V> {
  readonly key: string;
  readonly value: V;
  /** How many earlier values of this key were replaced before the subscriber took one; for a notice of overflow, all that were forgotten. */
  readonly dropped: number;
}

export interface LatestQueue<V> extends AsyncIterableIterator<Coalesced<V>> {
  /** Never waits and never throws. A known key is replaced in place; a new one joins the end. */
  push(key: string, value: V): void;
  end(): void;
  size(): number;
}

/**
 * @param maxKeys beyond this many different waiting keys all of them are forgotten: `overflow` makes the notice that says so
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

  /** All that waits and the value that did not fit. A notice that waits already is nothing that happened. */
  const forgotten = (noticeKey: string): number => {
    let count = 1;
    for (const { key, dropped } of waiting.values()) count += dropped + (key === noticeKey ? 0 : 1);
    return count;
  };

  return {
    push(key, value) {
      if (ended) return;
      const old = waiting.get(key);
      if (!old && waiting.size >= options.maxKeys) {
        const notice = options.overflow();
        waiting = new Map([[notice.key, { ...notice, dropped: forgotten(notice.key) }]]);
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
