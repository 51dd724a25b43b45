/** The ephemeral port within one process: a bounded map with expiry, and an emitter. */
import { EventEmitter } from 'node:events';
import { LRUCache } from 'lru-cache';
import type { Counted, Ephemeral } from './ephemeral.js';

/** Beyond this many keys the least recently used are forgotten, as Redis would evict. */
const MAX_KEYS = 100_000;

export function openInProcessEphemeral(): Ephemeral {
  const values = new LRUCache<string, string>({ max: MAX_KEYS, ttlAutopurge: false });
  const bus = new EventEmitter().setMaxListeners(0);
  const count = (key: string, ttlMs: number): Counted => {
    const next = Number(values.get(key) ?? 0) + 1;
    const ttl = next === 1 ? ttlMs : Math.max(1, values.getRemainingTTL(key));
    values.set(key, String(next), { ttl });
    return { count: next, remainingMs: Math.ceil(ttl) };
  };
  return {
    kind: 'in-process',
    degraded: false,
    get: async (key) => values.get(key) ?? null,
    getMany: async (keys) => keys.map((key) => values.get(key) ?? null),
    async set(key, value, ttlMs) {
      values.set(key, value, { ttl: ttlMs });
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
    count: async (key, ttlMs) => count(key, ttlMs),
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
    },
  };
}
