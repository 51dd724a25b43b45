/** The ephemeral port within one process: a bounded map with expiry, and an emitter. */
import { EventEmitter } from 'node:events';
import { LRUCache } from 'lru-cache';
import type { Counted, Ephemeral, Mark, Spending } from './ephemeral.js';

/** Beyond this many keys the least recently used are forgotten, as Redis would evict. */
const MAX_KEYS = 100_000;

/** @param monotonic milliseconds by which lifetimes are measured, for tests */
export function openInProcessEphemeral(monotonic?: () => number): Ephemeral {
  const now = monotonic ?? (() => performance.now());
  const values = new LRUCache<string, string>({
    max: MAX_KEYS,
    ttlAutopurge: false,
    ...(monotonic ? { perf: { now: monotonic }, ttlResolution: 0 } : {}),
  });
  const bus = new EventEmitter().setMaxListeners(0);
  const count = (
    key: string,
    ttlMs: number,
    { by, most = Number.POSITIVE_INFINITY }: Spending = { by: 1 },
  ): Counted => {
    const known = values.get(key);
    const before = Number(known ?? 0);
    const ttl = known === undefined ? ttlMs : Math.max(1, values.getRemainingTTL(key));
    const granted = before + by <= most;
    if (granted) values.set(key, String(before + by), { ttl });
    return { count: granted ? before + by : before, remainingMs: Math.ceil(ttl), granted };
  };
  /** Until when who is at work, by the key of the mark. */
  const working = new Map<string, Map<string, number>>();
  const mark = (key: string, said: Mark): void => {
    const writers = working.get(key) ?? new Map<string, number>();
    if (said.working) writers.set(said.writer, now() + said.unsettledMs);
    else writers.delete(said.writer);
    for (const [writer, until] of writers) if (until <= now()) writers.delete(writer);
    if (writers.size === 0) {
      working.delete(key);
      values.set(key, said.settled, { ttl: said.ttlMs });
      return;
    }
    working.set(key, writers);
    values.set(key, said.unsettled, { ttl: Math.max(...writers.values()) - now() });
  };
  return {
    kind: 'in-process',
    degraded: false,
    get: async (key) => values.get(key) ?? null,
    getMany: async (keys) => keys.map((key) => values.get(key) ?? null),
    async set(key, value, ttlMs) {
      values.set(key, value, { ttl: ttlMs });
    },
    async mark(keys, said) {
      for (const key of keys) mark(key, said);
    },
    async claim(key, value, ttlMs) {
      if (values.get(key) !== undefined) return false;
      values.set(key, value, { ttl: ttlMs });
      return true;
    },
    async delete(key) {
      const wasThere = values.get(key) !== undefined; // the map alone would also count what has expired
      values.delete(key);
      return wasThere;
    },
    count: async (key, ttlMs, spending) => count(key, ttlMs, spending),
    async publish(channel, message) {
      bus.emit(channel, message);
    },
    async subscribe(channel, listener) {
      // A wrapper of its own, so that subscribing one function twice makes two subscriptions.
      const own = (message: string): void => listener(message);
      bus.on(channel, own);
      return async () => {
        bus.off(channel, own);
      };
    },
    onInterruption: () => () => {},
    async close() {
      bus.removeAllListeners();
      values.clear();
      working.clear();
    },
  };
}
