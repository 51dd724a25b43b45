/** The coordination port on etcd. */
import type { Logger } from '../log.js';
import type { Coordination, Instance } from './coordination.js';
import { type EtcdConnection, openEtcdClient } from './etcd-client.js';
import { openElection } from './etcd-election.js';
import { openLocks } from './etcd-locks.js';
import { listMembers } from './etcd-members.js';
import { openSession } from './etcd-session.js';
import { openSettings } from './etcd-settings.js';
import { coordinationKeys, one } from './keys.js';

export { isRefusal } from './etcd-client.js';

export interface EtcdOptions extends EtcdConnection {
  /** How long a silent instance keeps what it has, in milliseconds; at least 2 s. */
  readonly leaseTtlMs: number;
}

export interface Surroundings {
  readonly instance: Instance;
  /** Whether this instance may lead at present, e.g. not while its database is one of memory. */
  readonly mayLead: () => boolean;
  readonly now: () => Date;
  readonly log: Logger;
}

/**
 * Begins a session with etcd, candidacy included.
 * @throws {CoordinationUnavailableError} etcd does not answer
 */
export async function openEtcdCoordination(
  options: EtcdOptions,
  { instance, mayLead, now, log }: Surroundings,
): Promise<Coordination> {
  const client = openEtcdClient(options);
  const ttl = Math.max(2, Math.round(options.leaseTtlMs / 1000));
  try {
    await client.range(one(coordinationKeys.leader));
  } catch (error) {
    client.close();
    throw error;
  }
  let self = instance;
  const session = openSession(client, { ttl, instance: () => self, log });
  const election = openElection(client, { ttl, instance: () => self, mayLead, log });
  const locks = openLocks(client, session, { instanceId: instance.id, now });
  const settings = openSettings(client);
  let closed: Promise<void> | null = null;

  async function closeAll(): Promise<void> {
    locks.close();
    settings.close();
    await Promise.all([election.close(), session.close()]);
    client.close();
  }

  return {
    kind: 'etcd',
    id: instance.id,
    available: session.available,
    lock: locks.lock,
    leadership: election.leadership,
    members: () => listMembers(client),
    advertise(about) {
      self = { ...self, ...about };
      session.advertise();
    },
    settings,
    close() {
      closed ??= closeAll();
      return closed;
    },
  };
}
