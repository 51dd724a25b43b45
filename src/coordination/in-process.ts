/** Coordination within one process: for `--dev`, and for a single instance without etcd. */
import {
  type Coordination,
  type Instance,
  type Leadership,
  type Lock,
  LockBusyError,
  type LockRequest,
} from './coordination.js';
import { inProcessSettings } from './in-process-settings.js';

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

export interface InProcessOptions {
  readonly instance: Instance;
  readonly now?: () => Date;
  /** Whether this instance may lead at present. */
  readonly mayLead?: () => boolean;
}

export function openInProcessCoordination(options: InProcessOptions): Coordination {
  const { now = () => new Date(), mayLead = () => true } = options;
  let self = options.instance;
  let over = false;
  // Alone, therefore leading: until the database says that there is somebody else after all, which then stays the leader.
  const term: Leadership = {
    fencingToken: 1n,
    cluster: `in-process:${self.id}`,
    valid: () => !over && mayLead(),
    end: () => {
      over = true;
    },
    disavow: async () => false, // nobody else counts in its cluster, and its count ends with this process
  };
  const leadership = () => (term.valid() ? term : null);
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
    id: self.id,
    available: () => true,
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
    leadership,
    members: async () => [{ ...self, leader: leadership() !== null }],
    advertise(about) {
      self = { ...self, ...about };
    },
    settings: inProcessSettings(),
    async close() {
      over = true;
      for (const { waiters } of held.values()) for (const waiter of [...waiters]) waiter.giveUp();
      held.clear();
    },
  };
}
