/** Three instances answer from what they keep while they lose Redis, etcd and each other; and every answer is as new as the newest that anybody has had. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePorts } from '../support/services/ports.js';
import { until } from '../support/until.js';
import { type Forwarder, forward } from './forward.js';
import { openSite, type Site, whole } from './instances-site.js';
import { createCluster } from './operations.js';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 180_000 });

const PLACES = [0, 1, 2];
const PAUSE_MS = 40;

let site: Site;
let ports: number[];
const cables: Forwarder[] = [];
let running = true;
const work: Promise<void>[] = [];
/** The newest number that was acknowledged or read, and what was wrong. */
let known = 0;
let hits = 0;
let written = 0;
const faults: string[] = [];

const plug = async (place: number): Promise<void> => {
  cables[place] = await forward(ports[place] as number, site.redis);
};

async function write(id: string): Promise<void> {
  for (let number = 1; running; number += 1) {
    const document = `mutation ($input: UpdateClusterInput!) { updateCluster(input: $input) { __typename } }`;
    type Written = { updateCluster: { __typename: string } };
    const input = { id, description: String(number) };
    const { data } = await site
      .ask<Written>(number % PLACES.length, document, { input })
      .catch(() => ({ data: null }));
    if (data?.updateCluster.__typename === 'UpdateClusterPayload') {
      known = Math.max(known, number);
      written += 1;
    }
    await sleep(PAUSE_MS * 5);
  }
}

async function read(place: number): Promise<void> {
  type Seen = { clusters: { nodes: { description: string }[] } };
  while (running) {
    const floor = known;
    const answer = await site
      .ask<Seen>(place, '{ clusters { nodes { description } } }')
      .catch(() => null);
    const seen = Number(answer?.data?.clusters.nodes[0]?.description);
    if (seen < floor) faults.push(`${place} shows ${seen} after ${floor}`);
    if (seen > known) known = seen;
    const { cache } = (answer?.extensions ?? {}) as { cache?: { hit: boolean } };
    if (cache?.hit) hits += 1;
    await sleep(PAUSE_MS);
  }
}

beforeAll(async () => {
  ports = await freePorts(PLACES.length);
  site = await openSite(PLACES.length, '', async (place, redis) => {
    cables[place] = await forward(ports[place] as number, redis);
    return { QUANTIX_REDIS_PORT: String(ports[place]) };
  });
  const id = await createCluster(await site.client(0), 'busy');
  work.push(write(id), ...PLACES.map(read));
});
afterAll(async () => {
  running = false;
  await Promise.all(work);
  await Promise.all(cables.map((cable) => cable.close()));
  await site?.dispose();
});

/** All instances keep and use answers, and changes are made. */
async function goesOn(): Promise<void> {
  await Promise.all(PLACES.map((place) => whole(site, place)));
  const [before, then] = [hits, written];
  await until(
    'answers are kept, and changed',
    () => hits > before + 20 && written > then + 3,
    45_000,
  );
}

describe('every answer is the newest', () => {
  it.each<[string, () => Promise<void>]>([
    ['all is well', async () => {}],
    [
      'one instance is cut off from Redis',
      async () => {
        await cables[0]?.close();
        await sleep(5_000);
        await plug(0);
      },
    ],
    [
      'two are, one after the other, and etcd stands still',
      async () => {
        site.etcd.pause();
        await cables[1]?.close();
        await sleep(1_000);
        await cables[2]?.close();
        await plug(1);
        await sleep(3_000);
        site.etcd.resume();
        await plug(2);
      },
    ],
    [
      'an instance dies that was cut off',
      async () => {
        await cables[1]?.close();
        await sleep(1_000);
        await site.instances[1]?.program.stop('SIGKILL');
        await plug(1);
        await site.replace(1);
      },
    ],
    [
      'Redis comes back with what it had saved',
      async () => {
        const client = new Redis({ ...site.redis });
        await client.save();
        client.disconnect();
        await sleep(1_000);
        await site.redis.kill();
        await site.redis.restart();
      },
    ],
    [
      'an instance stands still',
      async () => {
        site.instances[2]?.program.signal('SIGSTOP');
        await sleep(4_000);
        site.instances[2]?.program.signal('SIGCONT');
      },
    ],
  ])('while %s', async (_, happen) => {
    await happen();
    await goesOn();
    expect(faults).toEqual([]);
  });
});
