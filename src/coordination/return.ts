/**
 * Goes on alone while etcd cannot be reached at start, and returns to it by itself. Locks, leadership and settings of the
 * meantime hold within this process only; whatever must not be done twice is guarded by the database.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../log.js';
import type { Coordination, SettingsListener } from './coordination.js';

export interface ReturnOptions {
  readonly alone: Coordination;
  /** Tries to open etcd; rejects while that fails. */
  reconnect(): Promise<Coordination>;
  readonly retryMs: number;
  readonly log: Logger;
}

/** A coordination port whose parts are in-process at first, and etcd's once that answers. */
export function withReturn({ alone, reconnect, retryMs, log }: ReturnOptions): Coordination {
  const closing = new AbortController();
  const watches = new Map<SettingsListener, () => void>();
  let current = alone;
  let address: string | null = null;

  const adopt = async (etcd: Coordination): Promise<void> => {
    current = etcd;
    if (address !== null) etcd.advertise(address);
    for (const [listener, stop] of watches) {
      stop();
      watches.set(listener, etcd.settings.watch(listener));
    }
    log.warn('etcd is back: this instance is one of its members now');
    await alone.close(); // ends its term; held locks can still be released
  };

  const watch = async (): Promise<void> => {
    for (;;) {
      await sleep(retryMs, undefined, { signal: closing.signal, ref: false });
      const etcd = await reconnect().catch((error: unknown) => {
        log.warn({ err: error }, 'still without etcd');
      });
      if (!etcd) continue;
      if (closing.signal.aborted) return etcd.close();
      return adopt(etcd);
    }
  };
  const watching = watch().catch((error: unknown) => {
    if (!closing.signal.aborted) log.error({ err: error }, 'the return to etcd failed');
  });

  return {
    get kind() {
      return current.kind;
    },
    id: alone.id,
    available: () => current.available(),
    lock: (resource, request) => current.lock(resource, request),
    leadership: () => current.leadership(),
    members: () => current.members(),
    advertise(to) {
      address = to;
      current.advertise(to);
    },
    settings: {
      list: () => current.settings.list(),
      put: (...args) => current.settings.put(...args),
      delete: (...args) => current.settings.delete(...args),
      watch(listener) {
        watches.set(listener, current.settings.watch(listener));
        return () => {
          watches.get(listener)?.();
          watches.delete(listener);
        };
      },
    },
    async close() {
      closing.abort();
      await watching; // it may be opening etcd at this moment
      await current.close();
    },
  };
}
