/**
 * Who leads: whoever made the leader key, for as long as the lease on it lives. A follower watches the key and lists it
 * every so often, because watches die unnoticed. Every candidacy has a lease of its own: a key never outlives its term.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../log.js';
import type { Instance, Leadership } from './coordination.js';
import type { EtcdClient } from './etcd-client.js';
import { readEpoch, replaceEpoch } from './etcd-epoch.js';
import { type Lease, openLease } from './etcd-lease.js';
import { type Entry, openMirror } from './etcd-mirror.js';
import { coordinationKeys, one } from './keys.js';

export interface Election {
  leadership(): Leadership | null;
  close(): Promise<void>;
}

export interface ElectionOptions {
  /** In seconds. */
  readonly ttl: number;
  readonly instance: () => Instance;
  /** Whether this instance may lead at present. */
  readonly mayLead: () => boolean;
  readonly log: Logger;
}

interface Term extends Leadership {
  readonly lease: Lease;
}

/** So far apart candidates try, lest they all come at once. */
const JITTER_MS = 50;
const PAUSE_MS = 200;
const PUT_BACK =
  'etcd was put back to an earlier state: the database knows a term that etcd has not counted to. Terms have a new name from now on; nothing is left to be done';
const KEY = Buffer.from(coordinationKeys.leader);

export function openElection(client: EtcdClient, options: ElectionOptions): Election {
  const { ttl, instance, mayLead, log } = options;
  const closing = new AbortController();
  const { signal } = closing;
  let term: Term | null = null;
  let noticed = (): void => undefined;

  const leader = (): Entry | null | undefined => {
    const entries = mirror.entries();
    return entries === null ? undefined : (entries.get(coordinationKeys.leader) ?? null);
  };
  const mirror = openMirror(client, {
    range: one(coordinationKeys.leader),
    relistMs: (ttl * 1000) / 2,
    onChange: () => {
      // Somebody took the key away, or it went with a lease that we thought alive.
      const gone =
        term !== null &&
        mirror.revision() >= term.fencingToken &&
        leader()?.createRevision !== term.fencingToken;
      if (gone) term?.end();
      noticed();
    },
  });

  /** The term, if the key was to be had. */
  const campaign = async (): Promise<Term | null> => {
    const lease = await openLease(client, ttl);
    try {
      const won = await take(client, lease, instance());
      if (won) return termOf(lease, won);
    } catch (error) {
      await lease.end(); // and with it the key, if we have it unawares
      throw error;
    }
    await lease.end();
    return null;
  };

  const termOf = (lease: Lease, { token, clusterId, epoch }: Won): Term => ({
    fencingToken: token,
    cluster: `${clusterId}/${epoch}`,
    lease,
    valid: lease.valid,
    end: () => void lease.end(),
    async disavow(later) {
      const replaced = await replaceEpoch(client, { epoch, term: token, later });
      if (replaced) log.warn({ term: String(token), later: String(later) }, PUT_BACK);
      return replaced;
    },
  });

  const lead = async (won: Term): Promise<void> => {
    term = won;
    log.info({ term: String(won.fencingToken) }, 'leading');
    await won.lease.ended;
    term = null;
    log.warn({ term: String(won.fencingToken) }, 'not leading any more');
    await won.lease.end();
  };

  const change = (): Promise<void> =>
    new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(done, PAUSE_MS);
      timer.unref();
      noticed = done;
    });

  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      if (leader() !== null || !mayLead()) {
        await change();
        continue;
      }
      await sleep(Math.random() * JITTER_MS, undefined, { signal, ref: false }).catch(() => {});
      if (signal.aborted || leader() !== null) continue;
      try {
        const won = await campaign();
        if (won && !signal.aborted) await lead(won);
        else await won?.lease.end();
      } catch (err) {
        log.debug({ err }, 'a candidacy failed');
      }
      await sleep(PAUSE_MS * Math.random(), undefined, { signal, ref: false }).catch(() => {});
    }
  };
  const running = run();

  return {
    leadership: () => (term?.valid() ? term : null),
    async close() {
      closing.abort();
      mirror.close();
      noticed();
      await term?.lease.end();
      await running; // a candidacy may be under way
    },
  };
}

interface Won {
  readonly token: bigint;
  readonly clusterId: string;
  readonly epoch: string;
}

/** Makes the leader key if there is none. An attempt that etcd heard twice counts as one: the value is our own. */
async function take(client: EtcdClient, lease: Lease, instance: Instance): Promise<Won | null> {
  const value = JSON.stringify({ id: instance.id, address: instance.address, lease: lease.id });
  const epoch = await readEpoch(client);
  const put = { key: KEY, value: Buffer.from(value), lease: lease.id };
  const { header, succeeded, responses } = await client.txn({
    compare: [{ key: KEY, target: 'Create', result: 'Equal', create_revision: '0' }],
    success: [{ request_put: put }],
    failure: [{ request_range: { key: KEY } }],
  });
  const counted = { clusterId: header.cluster_id, epoch };
  if (succeeded) return { token: BigInt(header.revision), ...counted };
  const found = responses[0]?.response_range.kvs[0];
  if (found?.value.toString() !== value) return null;
  return { token: BigInt(found.create_revision), ...counted };
}
