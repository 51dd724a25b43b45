/**
 * A port that serves while its server cannot be reached at start, until the server's own port takes its place: once, and for good.
 * Those who listen to the one listen to the other from then on.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from './log.js';

interface Closeable {
  close(): Promise<void>;
}

export interface StandInOptions<T extends Closeable> {
  readonly standIn: T;
  /** Tries to open the real one; rejects while that fails. */
  reconnect(): Promise<T>;
  readonly retryMs: number;
  readonly log: Logger;
  /** What the log calls the server. */
  readonly server: string;
  /** Called when the real one is there, before the stand-in is closed. */
  onReturn(real: T): void;
}

export interface StandIn<T> {
  /** Ask at each use, never keep it. */
  readonly current: T;
  /** Does this to what is there now and to what takes its place; returns how to undo it. */
  follow(attach: (port: T) => () => void): () => void;
  close(): Promise<void>;
}

export function withStandIn<T extends Closeable>(options: StandInOptions<T>): StandIn<T> {
  const { standIn, reconnect, retryMs, log, server } = options;
  const closing = new AbortController();
  const followers = new Map<object, { attach: (port: T) => () => void; detach: () => void }>();
  let current = standIn;

  const adopt = async (real: T): Promise<void> => {
    current = real;
    for (const follower of followers.values()) {
      follower.detach();
      follower.detach = follower.attach(real);
    }
    options.onReturn(real);
    await standIn.close();
  };

  const watch = async (): Promise<void> => {
    for (;;) {
      await sleep(retryMs, undefined, { signal: closing.signal, ref: false });
      const real = await reconnect().catch((error: unknown) => {
        log.error({ err: error }, `still without ${server}`);
      });
      if (!real) continue;
      if (closing.signal.aborted) return real.close();
      return adopt(real);
    }
  };
  const watching = watch().catch((error: unknown) => {
    if (!closing.signal.aborted) log.error({ err: error }, `the return to ${server} failed`);
  });

  return {
    get current() {
      return current;
    },
    follow(attach) {
      const key = {};
      followers.set(key, { attach, detach: attach(current) });
      return () => {
        followers.get(key)?.detach();
        followers.delete(key);
      };
    },
    async close() {
      closing.abort();
      await watching; // it may be opening the server at this moment
      await current.close();
    },
  };
}
