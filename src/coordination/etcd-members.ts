/**
 * The instances that live, and whether all of them have Redis: others must know before they go by what they keep. A watch that is silent
 * proves nothing, so members are listed every so often, and a listing counts for less than HEARD_MS from when it was asked for. Whoever waits for so long
 * after etcd has its word can be sure that all have heard it, or go by nothing because they hear nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../log.js';
import { HEARD_MS, type Instance, type Member } from './coordination.js';
import type { EtcdClient } from './etcd-client.js';
import { coordinationKeys, one, under } from './keys.js';

export interface Members {
  list(): Promise<readonly Member[]>;
  everybodyHasRedis(): boolean;
  close(): Promise<void>;
}

const POLL_MS = HEARD_MS / 4;
/** Ends before the wait of others does, however their timers are. */
const TRUST_MS = HEARD_MS - 100;
/** An instance that was without Redis and is gone has told nobody what it wrote last: the change feed does, by then. */
const AFTERMATH_MS = 3_000;
const PREFIX = coordinationKeys.member('');

export function openMembers(client: EtcdClient, log: Logger): Members {
  const closing = new AbortController();
  const { signal } = closing;
  let askedAt = Number.NEGATIVE_INFINITY;
  let lackedAt = Number.NEGATIVE_INFINITY;
  let lacking = false;

  async function instances(): Promise<Instance[]> {
    const { kvs } = await client.range(under(PREFIX));
    return kvs.map(({ key, value }) => memberIn(key.toString().slice(PREFIX.length), value));
  }

  async function look(): Promise<void> {
    const now = performance.now();
    const without = (await instances()).filter(({ redis }) => !redis);
    askedAt = now;
    if (without.length > 0) lackedAt = performance.now();
    if (without.length > 0 === lacking || signal.aborted) return;
    lacking = !lacking;
    const addresses = without.map(({ address }) => address);
    if (lacking)
      log.warn(
        { instances: addresses },
        'an instance is without Redis: no kept answers are used, as nobody hears at once what it writes',
      );
    else log.info('no instance is without Redis any more');
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      await look().catch((err: unknown) => log.debug({ err }, 'the members cannot be listed'));
      await sleep(POLL_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }
  const running = run();

  return {
    async list() {
      const [found, leader] = await Promise.all([
        instances(),
        client.range(one(coordinationKeys.leader)),
      ]);
      const leaderId = idIn(leader.kvs[0]?.value);
      return found
        .map((instance) => ({ ...instance, leader: instance.id === leaderId }))
        .sort((a, b) => a.startedAt.getTime() - b.startedAt.getTime());
    },
    everybodyHasRedis() {
      const now = performance.now();
      return now - askedAt < TRUST_MS && now - lackedAt >= AFTERMATH_MS;
    },
    async close() {
      closing.abort();
      await running;
    },
  };
}

/** What an instance says of itself, as it is written down. Versions of before say nothing of Redis. */
export function memberIn(id: string, value: Buffer): Instance {
  const said = JSON.parse(value.toString()) as Partial<Record<keyof Instance, string | boolean>>;
  return {
    id,
    address: String(said.address ?? ''),
    version: String(said.version ?? ''),
    startedAt: new Date(String(said.startedAt ?? 0)),
    redis: said.redis !== false,
  };
}

function idIn(value: Buffer | undefined): string | null {
  return value ? (JSON.parse(value.toString()) as { id: string }).id : null;
}
