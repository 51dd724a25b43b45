/**
 * Locks in etcd. Free, and nobody in line: one transaction takes it. Otherwise the same transaction takes a place in the
 * line, and whoever is first in line when the lock goes takes it with a second one. Nobody overtakes: a newcomer finds the
 * line. All of it hangs on the instance's lease, so a crash leaves nothing.
 */
import { randomUUID } from 'node:crypto';
import {
  CoordinationUnavailableError,
  type Lock,
  LockBusyError,
  type LockRequest,
} from './coordination.js';
import { type EtcdClient, LeaseGoneError } from './etcd-client.js';
import type { Lease } from './etcd-lease.js';
import { openLines } from './etcd-lines.js';
import { advance, begin, holderIn, leave, placeIn, revisionIfOurs } from './etcd-lock-steps.js';
import type { Session } from './etcd-session.js';
import { type Claim, openStrays } from './etcd-strays.js';
import { coordinationKeys } from './keys.js';

export interface Locks {
  lock(resource: string, request: LockRequest): Promise<Lock>;
  close(): void;
}

export interface LocksOptions {
  readonly instanceId: string;
  readonly now: () => Date;
}

export function openLocks(client: EtcdClient, session: Session, options: LocksOptions): Locks {
  const { instanceId, now } = options;
  const strays = openStrays(client);
  const lines = openLines(client);
  session.onLost(lines.wake);

  const claimOf = (
    resource: string,
    lease: Lease,
    holder: string,
    id: string = randomUUID(),
  ): Claim => {
    const value = { holder, instance: instanceId, since: now().toISOString(), id };
    return { resource, id, lease, value: Buffer.from(JSON.stringify(value)) };
  };

  const held = (claim: Claim, createRevision: bigint): Lock => {
    const key = Buffer.from(coordinationKeys.lock(claim.resource));
    let released = false;
    return {
      async release() {
        if (released) return; // a second release must not free the next holder's lock
        released = true;
        const isOurs = {
          key,
          target: 'Create',
          result: 'Equal',
          create_revision: String(createRevision),
        } as const;
        await client
          .txn({ compare: [isOurs], success: [{ request_delete_range: { key } }] })
          .catch(() => strays.add(claim));
      },
    };
  };

  /** It went in the moment in which we gave up. */
  const nobody = (resource: string) => new LockBusyError(resource, 'another operation', now());

  const asked = new Set<() => void>();
  /** Closing ends what is on its way, too; what that leaves in etcd goes with the lease. */
  const lock = (resource: string, request: LockRequest): Promise<Lock> =>
    new Promise((resolve, reject) => {
      const end = (): void => reject(nobody(resource));
      asked.add(end);
      const done = (): void => void asked.delete(end);
      acquire(resource, request).then(resolve, reject).finally(done);
    });

  async function acquire(resource: string, request: LockRequest): Promise<Lock> {
    const patient = request.waitMs > 0 && !request.signal?.aborted;
    const deadline = performance.now() + request.waitMs;
    for (let attempt = 1; ; attempt += 1) {
      const lease = await session.lease();
      const claim = claimOf(resource, lease, request.holder);
      try {
        const answer = await begin(client, claim, patient);
        const ours = revisionIfOurs(answer, claim);
        if (ours !== null) {
          // Heard twice: the second time we queued behind ourselves.
          if (!answer.succeeded) strays.add({ ...claim, value: null });
          return held(claim, ours);
        }
        if (!patient) throw holderIn(answer, resource) ?? nobody(resource);
        return await waitInLine(claim, placeIn(answer), deadline, request);
      } catch (error) {
        if (error instanceof LockBusyError) throw error;
        strays.add(claim);
        if (!(error instanceof LeaseGoneError)) throw error;
        if (attempt > 1)
          throw new CoordinationUnavailableError('the lease of this instance is lost');
        await lease.end(); // the session begins another one
      }
    }
  }

  async function waitInLine(
    claim: Claim,
    place: bigint,
    deadline: number,
    { holder, signal }: LockRequest,
  ): Promise<Lock> {
    const { resource, id, lease } = claim;
    const line = lines.join(resource);
    try {
      for (;;) {
        const turn = line.turn(id, place);
        if (turn === 'gone' || !lease.valid()) {
          throw new CoordinationUnavailableError('the place in the line for a lock is lost');
        }
        if (turn === 'ours') {
          const taken = claimOf(resource, lease, holder, id);
          try {
            const answer = await advance(client, taken, place);
            const ours = revisionIfOurs(answer, taken);
            if (ours !== null) return held(taken, ours);
          } catch (error) {
            strays.add(taken);
            throw error;
          }
        }
        const why = await line.change(deadline, signal);
        if (why === 'changed') continue;
        const known = line.holder() ?? nobody(resource);
        if (why === 'late') throw holderIn(await leave(client, claim), resource) ?? known;
        strays.add(claim); // whoever has gone does not wait for us to tidy up
        throw known;
      }
    } finally {
      line.leave();
    }
  }

  return {
    lock,
    close() {
      for (const end of asked) end();
      lines.close();
      strays.close();
    },
  };
}
