/** This instance's lease: its locks and its place among the members hang on it, and go with it. Renewed when it is lost. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../log.js';
import { CoordinationUnavailableError, type Instance } from './coordination.js';
import type { EtcdClient } from './etcd-client.js';
import { type Lease, openLease } from './etcd-lease.js';
import { coordinationKeys, one } from './keys.js';

export interface Session {
  /** The lease, waited for if there is none. Throws CoordinationUnavailableError after the request timeout. */
  lease(): Promise<Lease>;
  /** Whether etcd answers, as far as is known. */
  available(): boolean;
  /** Calls `listener` whenever the lease is over, and with it all that hung on it. */
  onLost(listener: () => void): void;
  /** What this instance says of itself has changed: it is written anew as soon as that can be done. */
  advertise(): void;
  close(): Promise<void>;
}

export interface SessionOptions {
  /** In seconds. */
  readonly ttl: number;
  /** What it says of itself now. */
  readonly instance: () => Instance;
  readonly log: Logger;
}

const RETRY_MS = 200;

export function openSession(client: EtcdClient, options: SessionOptions): Session {
  const { ttl, instance, log } = options;
  const closing = new AbortController();
  let lost = false;
  let current: Lease | null = null;
  const listeners = new Set<() => void>();
  const waiting = new Set<(lease: Lease) => void>();

  let turn: Promise<unknown> = Promise.resolve();
  /** One word after the other, the newest last: what was said before and had no answer may still arrive, and then finds that it is too late. */
  const say = (lease: Lease): Promise<void> => {
    const said = turn.then(async () => {
      const { id, ...about } = instance();
      const name = coordinationKeys.member(id);
      const key = Buffer.from(name);
      const before = (await client.range(one(name))).kvs[0]?.mod_revision ?? '0';
      const value = Buffer.from(JSON.stringify(about));
      const { succeeded } = await client.txn({
        compare: [{ key, target: 'Mod', result: 'Equal', mod_revision: before }],
        success: [{ request_put: { key, value, lease: lease.id } }],
      });
      if (!succeeded) throw new CoordinationUnavailableError('something older arrived just now');
    });
    turn = said.catch(() => undefined);
    return said;
  };

  let untold = false;
  let telling = false;
  /** One at a time, however often there is news; without a lease it waits for the next one, with which all is said. */
  const tell = async (): Promise<void> => {
    if (telling) return;
    telling = true;
    while (untold && current && !closing.signal.aborted) {
      untold = false;
      await say(current).catch(() => {
        untold = true;
        return pause();
      });
    }
    telling = false;
  };

  const begin = async (): Promise<void> => {
    const lease = await openLease(client, ttl);
    if (closing.signal.aborted) return lease.end();
    untold = false;
    try {
      await say(lease);
    } catch (error) {
      await lease.end();
      throw error;
    }
    if (closing.signal.aborted) return lease.end();
    current = lease;
    for (const give of waiting) give(lease);
    waiting.clear();
    void tell(); // what changed while that was said
    if (lost) log.info('etcd is back: in session again');
    else log.debug({ lease: lease.id }, 'etcd: in session');
    lost = false;
    await lease.ended;
    current = null;
    for (const listener of listeners) listener();
    if (closing.signal.aborted) return;
    lost = true;
    log.warn('etcd: the lease of this instance is lost, its locks with it');
    void lease.end(); // in case that only we think so
  };

  const pause = (): Promise<void> => {
    const ms = RETRY_MS * (0.5 + Math.random());
    return sleep(ms, undefined, { signal: closing.signal, ref: false }).catch(() => undefined);
  };

  const run = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      await begin().catch((err: unknown) => log.debug({ err }, 'etcd: no session'));
      await pause();
    }
  };
  const running = run();

  return {
    async lease() {
      if (current?.valid()) return current;
      return new Promise((resolve, reject) => {
        const give = (lease: Lease): void => {
          clearTimeout(timer);
          resolve(lease);
        };
        const timer = setTimeout(() => {
          waiting.delete(give);
          reject(new CoordinationUnavailableError('etcd does not answer'));
        }, client.requestTimeoutMs);
        waiting.add(give);
      });
    },
    available: () => current?.answering() ?? false,
    onLost: (listener) => void listeners.add(listener),
    advertise() {
      untold = true;
      void tell();
    },
    async close() {
      closing.abort();
      await current?.end();
      await running; // it may be opening a lease at this moment
    },
  };
}
