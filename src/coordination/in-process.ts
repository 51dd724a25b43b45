/** Coordination within one process: for `--dev`, and for a single instance without etcd. */
import { type Coordination, type Lock, LockBusyError, type LockRequest } from './coordination.js';

interface Waiter {
  request: LockRequest;
  grant: () => void;
  giveUp: () => void;
}

interface Held {
  holder: string;
  since: Date;
  waiters: Waiter[];
}

export function openInProcessCoordination(now: () => Date = () => new Date()): Coordination {
  const held = new Map<string, Held>();

  function release(resource: string): void {
    const entry = held.get(resource);
    const next = entry?.waiters.shift();
    if (!entry || !next) {
      held.delete(resource);
      return;
    }
    entry.holder = next.request.holder;
    entry.since = now();
    next.grant();
  }

  function lockOf(resource: string): Lock {
    let released = false;
    return {
      async release() {
        if (released) return; // a second release must not free the next holder's lock
        released = true;
        release(resource);
      },
    };
  }

  function wait(resource: string, entry: Held, request: LockRequest): Promise<Lock> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        request.signal?.removeEventListener('abort', giveUp);
      };
      const giveUp = (): void => {
        settle();
        const index = entry.waiters.indexOf(waiter);
        if (index >= 0) entry.waiters.splice(index, 1);
        reject(new LockBusyError(resource, entry.holder, entry.since));
      };
      const waiter: Waiter = {
        request,
        grant: () => {
          settle();
          resolve(lockOf(resource));
        },
        giveUp,
      };
      const timer = setTimeout(giveUp, request.waitMs);
      request.signal?.addEventListener('abort', giveUp, { once: true });
      entry.waiters.push(waiter);
    });
  }

  return {
    kind: 'in-process',
    async lock(resource, request) {
      const entry = held.get(resource);
      if (!entry) {
        held.set(resource, { holder: request.holder, since: now(), waiters: [] });
        return lockOf(resource);
      }
      if (request.waitMs <= 0 || request.signal?.aborted) {
        throw new LockBusyError(resource, entry.holder, entry.since);
      }
      return wait(resource, entry, request);
    },
    leadership: () => ({ fencingToken: 1n, valid: () => true }), // alone, therefore leading
    async close() {
      for (const { waiters } of held.values()) for (const waiter of [...waiters]) waiter.giveUp();
      held.clear();
    },
  };
}
