/**
 * Goes on alone while etcd cannot be reached at start, and returns to it by itself. Locks, leadership and settings of the
 * meantime hold within this process only; whatever must not be done twice is guarded by the database.
 */
import type { Logger } from '../log.js';
import { withStandIn } from '../stand-in.js';
import type { About, Coordination } from './coordination.js';

export interface ReturnOptions {
  readonly alone: Coordination;
  /** Tries to open etcd; rejects while that fails. */
  reconnect(): Promise<Coordination>;
  readonly retryMs: number;
  readonly log: Logger;
}

/** A coordination port whose parts are in-process at first, and etcd's once that answers. Locks that are held then can still be released. */
export function withReturn({ alone, reconnect, retryMs, log }: ReturnOptions): Coordination {
  let said: About = {};
  const place = withStandIn<Coordination>({
    ...{ standIn: alone, reconnect, retryMs, log, server: 'etcd' },
    onReturn(etcd) {
      etcd.advertise(said);
      log.warn('etcd is back: this instance is one of its members now');
    },
  });
  return {
    get kind() {
      return place.current.kind;
    },
    id: alone.id,
    available: () => place.current.available(),
    lock: (resource, request) => place.current.lock(resource, request),
    leadership: () => place.current.leadership(),
    members: () => place.current.members(),
    advertise(about) {
      said = { ...said, ...about };
      place.current.advertise(about);
    },
    settings: {
      list: () => place.current.settings.list(),
      put: (...args) => place.current.settings.put(...args),
      delete: (...args) => place.current.settings.delete(...args),
      watch: (listener) => place.follow(({ settings }) => settings.watch(listener)),
    },
    close: () => place.close(),
  };
}
