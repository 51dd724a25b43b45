/** The lines that this instance stands in: one copy for each resource, however many callers wait for it here. */
import type { LockBusyError } from './coordination.js';
import type { EtcdClient } from './etcd-client.js';
import { lockedBy } from './etcd-lock-steps.js';
import { type Mirror, openMirror } from './etcd-mirror.js';
import { coordinationKeys, lineOf } from './keys.js';

/** One caller's view of the line. */
export interface Line {
  /** `place`: the revision at which the caller came. gone: the place is no more, with the lease that held it. */
  turn(id: string, place: bigint): 'ours' | 'wait' | 'gone';
  /** What ends the waiting: something changed, `deadline` (monotonic) came, or nobody waits any more. */
  change(deadline: number, signal: AbortSignal | undefined): Promise<'changed' | 'late' | 'over'>;
  holder(): LockBusyError | null;
  leave(): void;
}

interface Shared {
  readonly mirror: Mirror;
  readonly wake: Set<() => void>;
  members: number;
}

/** Watches can die unnoticed. */
const RELIST_MS = 2_000;

export function openLines(client: EtcdClient) {
  const shared = new Map<string, Shared>();
  let closed = false;

  const wakeAll = (line: Shared): void => {
    for (const wake of [...line.wake]) wake();
  };
  const open = (resource: string): Shared => {
    const wake = new Set<() => void>();
    const range = lineOf(resource);
    const mirror = openMirror(client, {
      range,
      relistMs: RELIST_MS,
      onChange: () => wakeAll(line),
    });
    const line: Shared = { mirror, wake, members: 0 };
    shared.set(resource, line);
    return line;
  };

  function join(resource: string): Line {
    const line = shared.get(resource) ?? open(resource);
    const { mirror } = line;
    line.members += 1;
    return {
      turn(id, place) {
        const entries = mirror.entries();
        if (!entries || mirror.revision() < place) return 'wait';
        if (!entries.has(coordinationKeys.waiter(resource, id))) return 'gone';
        if (entries.has(coordinationKeys.lock(resource))) return 'wait';
        const first = [...entries.values()].every(({ createRevision }) => createRevision >= place);
        return first ? 'ours' : 'wait';
      },
      change: (deadline, signal) =>
        new Promise((resolve) => {
          if (closed || signal?.aborted) return resolve('over');
          const done = (why: 'changed' | 'late' | 'over'): void => {
            clearTimeout(timer);
            line.wake.delete(wake);
            signal?.removeEventListener('abort', over);
            resolve(why);
          };
          const over = () => done('over');
          const wake = () => done(closed ? 'over' : 'changed');
          const timer = setTimeout(() => done('late'), Math.max(0, deadline - performance.now()));
          line.wake.add(wake);
          signal?.addEventListener('abort', over, { once: true });
        }),
      holder() {
        const [first] = [...(mirror.entries()?.values() ?? [])].sort((a, b) =>
          a.key < b.key ? -1 : 1,
        );
        return first ? lockedBy(resource, first.value) : null;
      },
      leave() {
        line.members -= 1;
        if (line.members > 0) return;
        mirror.close();
        shared.delete(resource);
      },
    };
  }

  return {
    join,
    /** For when the leases may be over on which places hang. */
    wake() {
      for (const line of shared.values()) wakeAll(line);
    },
    close() {
      closed = true;
      for (const line of shared.values()) {
        line.mirror.close();
        wakeAll(line);
      }
    },
  };
}
