/**
 * The port on Redis, and what it does while Redis is away: this process goes on with what it can know by itself, fails at once where
 * only Redis knows, and tells Redis of all that happened when it is back. The one place that decides this; callers need no Redis of their own
 * to reason about. Redis is back when it takes writes, messages arrive from all channels, and it has been told everything: not before.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ephemeral, Interruptions, Spending } from './ephemeral.js';
import { EphemeralUnavailableError } from './errors.js';
import { openInProcessEphemeral } from './in-process.js';
import { isToldLate, type OutageRule, outageRule } from './keys.js';
import { Outbox } from './outbox.js';
import { isRefusal, openRedis } from './redis.js';
import type { RedisOptions } from './redis-connection.js';

/** Told of what happens, for metrics and the log. Must not throw. */
export interface OutageObserver {
  /** Redis cannot be used from now on; or still not, for a reason that was not told since. */
  away(error: Error): void;
  back(): void;
  /** An operation met a Redis that did not serve it. */
  failed(operation: string): void;
  /** A message that nobody will hear. */
  dropped(): void;
}

export interface OutageOptions {
  readonly observer: OutageObserver;
  /** How often to look whether a silent Redis is still there, and whether an absent one is back. */
  readonly heartbeatMs: number;
}

export interface Supervised extends Ephemeral {
  /** Whether Redis could be used at the first try; resolves to false after `ms` in any case. */
  opened(ms: number): Promise<boolean>;
}

/** Nobody needs more, should they differ in a number. */
const MOST_REASONS = 100;
const UNKNOWN: ReadonlySet<OutageRule> = new Set(['nothing', 'tell']);
const TOLD: ReadonlySet<OutageRule> = new Set(['keep', 'tell']);

export function openSupervised(redis: RedisOptions, options: OutageOptions): Supervised {
  const { observer, heartbeatMs } = options;
  const bus = openInProcessEphemeral();
  const here = openInProcessEphemeral();
  const outbox = new Outbox(() => observer.dropped());
  const listeners = new Set<Interruptions>();
  let decide: (usable: boolean) => void = () => {};
  const verdict = new Promise<boolean>((resolve) => {
    decide = resolve;
  });
  let up = false;
  let begun = false;
  let closed = false;
  let reason: string | null = null;
  /** While it is away: a client that tries again meets the same few reasons in turn, for hours. */
  const told = new Set<string>();
  let losses = 0;
  let checking: Promise<void> | null = null;

  const lose = (error: Error): void => {
    losses += 1;
    decide(false);
    if (closed) return;
    reason = error.message;
    if (!told.has(reason) && told.size < MOST_REASONS) {
      told.add(reason);
      observer.away(error);
    }
    if (!up) return;
    up = false;
    for (const listener of listeners) listener.interrupted?.();
  };
  const store = openRedis(redis, { onConnect: () => check(), onLoss: lose });

  async function comeUp(): Promise<void> {
    const before = losses;
    await store.probe();
    while (!up) {
      if (losses !== before || closed) return;
      if (outbox.empty) {
        up = true;
        reason = null;
        told.clear();
      } else await outbox.tell(store);
    }
    decide(true);
    observer.back();
    if (begun) for (const listener of listeners) listener.restored?.();
    begun = true;
  }

  /** Once at a time. A Redis that is merely slow is asked twice; one that is silent gets new connections. */
  function check(): void {
    if (checking || closed || !store.connected()) return;
    const look = async (): Promise<void> => {
      for (let attempt = 1; !closed; attempt += 1) {
        try {
          return await (up ? store.probe() : comeUp());
        } catch (error) {
          lose(error as Error);
          if (!store.connected() || isRefusal(error)) return;
          if (attempt === 2) return store.reconnect();
        }
      }
    };
    checking = look().finally(() => {
      checking = null;
    });
  }
  const heartbeat = setInterval(check, heartbeatMs).unref();

  /** Asks Redis; where it is away or fails, answers by other means. */
  async function or<T>(
    operation: string,
    ask: () => Promise<T>,
    otherwise: () => T | Promise<T>,
  ): Promise<T> {
    if (up) {
      try {
        return await ask();
      } catch (error) {
        lose(error as Error);
        check();
      }
    }
    observer.failed(operation);
    return otherwise();
  }

  const unknown = (): never => {
    throw new EphemeralUnavailableError(reason ?? undefined);
  };
  const known = (key: string): string | null => {
    const value = UNKNOWN.has(outageRule(key)) ? undefined : outbox.read(key);
    return value === undefined ? unknown() : value;
  };
  const counted = (key: string, ttlMs: number, spending?: Spending) =>
    or(
      'count',
      () => store.count(key, ttlMs, spending),
      () => here.count(key, ttlMs, spending),
    );

  return {
    get kind() {
      return up ? 'redis' : 'in-process';
    },
    get degraded() {
      return !up;
    },
    get: (key) =>
      or(
        'get',
        () => store.get(key),
        () => known(key),
      ),
    getMany: (keys) =>
      or(
        'get',
        () => store.getMany(keys),
        () =>
          keys.some((key) => UNKNOWN.has(outageRule(key)))
            ? unknown()
            : keys.map((key) => outbox.read(key) ?? null),
      ),
    set: (key, value, ttlMs) =>
      or(
        'set',
        () => store.set(key, value, ttlMs),
        () => {
          if (TOLD.has(outageRule(key))) outbox.set(key, value, ttlMs);
        },
      ),
    mark: (keys, said) =>
      or(
        'set',
        () => store.mark(keys, said),
        () => {
          for (const key of keys) if (TOLD.has(outageRule(key))) outbox.mark(key, said);
        },
      ),
    claim: (key, value, ttlMs) => or('claim', () => store.claim(key, value, ttlMs), unknown),
    delete: (key) =>
      or(
        'delete',
        () => store.delete(key),
        () => {
          const value = outbox.read(key);
          outbox.delete(key);
          return value === undefined ? unknown() : value !== null;
        },
      ),
    count: counted,
    publish: (channel, message) =>
      or(
        'publish',
        () => store.publish(channel, message),
        () => {
          if (isToldLate(channel)) outbox.publish(channel, message);
          return bus.publish(channel, message);
        },
      ),
    async subscribe(channel, listener) {
      const stopHere = await bus.subscribe(channel, listener);
      const stopThere = await store.listen(channel, listener);
      await or('subscribe', store.sync, () => {}); // otherwise with the next probe
      return async () => {
        await stopHere();
        stopThere();
      };
    },
    onInterruption(listener) {
      const own = { ...listener };
      listeners.add(own);
      return () => void listeners.delete(own);
    },
    async opened(ms) {
      const waiting = new AbortController();
      const late = sleep(ms, false, { signal: waiting.signal }).catch(() => false);
      const opened = await Promise.race([verdict, late]);
      waiting.abort();
      begun = true;
      return opened;
    },
    async close() {
      closed = true;
      up = false;
      clearInterval(heartbeat);
      store.close();
      await checking?.catch(() => {});
      await bus.close();
      await here.close();
    },
  };
}
