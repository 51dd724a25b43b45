/** The response cache of two instances on one PostgreSQL, etcd and Redis: one execution for both, and nothing stale, whoever dies or is cut off. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { asSystem } from '../../src/cli/as-system.js';
import type { Config } from '../../src/config/model.js';
import { execute } from '../../src/core/execute.js';
import { type FeedFollower, followFeed } from '../../src/core/feed-follower.js';
import type { Data } from '../../src/data/client.js';
import { openData } from '../../src/data/open.js';
import { ephemeralKeys, ephemeralTtlMs } from '../../src/ephemeral/keys.js';
import { createLogger } from '../../src/log.js';
import { updateCluster } from '../../src/modules/cluster/commands.js';
import { type Forwarder, forward } from '../e2e/forward.js';
import { createTestApp, postgresConfig, type TestApp } from '../support/app.js';
import { ask } from '../support/caching.js';
import type { Client } from '../support/client.js';
import { mutate } from '../support/mutations.js';
import { healed, lost, redisOptions } from '../support/redis-config.js';
import { startEtcd } from '../support/services/etcd.js';
import { freePorts, LOOPBACK } from '../support/services/ports.js';
import { type RedisHandle, startRedis } from '../support/services/redis.js';
import type { ServerHandle } from '../support/services/server.js';
import { until } from '../support/until.js';

const CLUSTERS = '{ clusters { nodes { id description } } }';

let redis: RedisHandle;
let etcd: ServerHandle;
/** Between the first instance and Redis. */
let cable: Forwarder;
let port: number;
let config: Config;
let datas: Data[];
let here: TestApp;
let there: TestApp;
let writer: Client;
let reader: Client;
let cluster: string;
/** Stands for a follower of the change feed that finds nothing: what is seen here is told by the cache's own means. */
let stopFollowing: () => Promise<void>;
const follow = (): void => {
  const stopping = new AbortController();
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      for (const { app } of [here, there]) await (await app.services.settling.look())();
      await sleep(200, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  };
  const running = run();
  stopFollowing = async () => {
    stopping.abort();
    await running;
  };
};

beforeAll(async () => {
  const [server, coordinator, made, [free = 0]] = await Promise.all([
    startRedis(),
    startEtcd(),
    postgresConfig(),
    freePorts(1),
  ]);
  redis = server;
  config = made;
  etcd = coordinator;
  port = free;
  cable = await forward(port, redis);
  const log = createLogger({ level: 'silent' });
  datas = [await openData(config, log), await openData(config, log)];
  const open = (data: Data | undefined, to: Pick<RedisHandle, 'host' | 'port' | 'password'>) =>
    createTestApp({
      data: data as Data,
      config: {
        mode: 'production',
        redis: redisOptions(to),
        etcd: { endpoints: [`http://${LOOPBACK}:${etcd.port}`] },
        auth: { jwtSecret: 'x'.repeat(32) },
      },
    });
  here = await open(datas[0], { ...redis, host: redis.host, port, password: redis.password });
  there = await open(datas[1], redis);
  await here.seed.user('ADMIN', { username: 'ada' });
  writer = await here.signIn('ada');
  reader = there.withToken(writer.token ?? '');
  cluster = (await here.seed.cluster()).id;
  follow();
}, 120_000);
afterAll(async () => {
  await stopFollowing?.();
  await cable?.close();
  await Promise.all([here, there].map((app) => app?.stop()));
  await Promise.all((datas ?? []).map((data) => data.close()));
  await Promise.all([redis, etcd].map((server) => server?.dispose()));
});

const describing = (client: Client, description: string) =>
  mutate(client, 'updateCluster', { id: cluster, description });
const seen = async (client: Client) => {
  const { data, cache, errors } = await ask(client, CLUSTERS);
  expect(errors).toEqual([]);
  const { clusters } = data as { clusters: { nodes: { description: string }[] } };
  return { description: clusters.nodes[0]?.description, hit: cache?.hit ?? false };
};

/** How often the clusters are read from PostgreSQL, by either instance, while `work` runs. */
async function readings(work: () => Promise<unknown>): Promise<number> {
  let count = 0;
  const stops = datas.map((data) =>
    data.onStatement((sql) => {
      if (/FROM "public"."clusters"/.test(sql)) count += 1;
    }),
  );
  await work();
  for (const stop of stops) stop();
  return count;
}

describe('many who ask two instances the same at once', () => {
  it('cause one execution, and all get its answer', async () => {
    await describing(writer, 'crowded');
    await Promise.all([writer, reader].map((client) => ask(client, '{ viewer { __typename } }')));
    const count = await readings(async () => {
      const crowd = Array.from({ length: 20 }, (_, i) => seen(i % 2 ? writer : reader));
      for (const answer of await Promise.all(crowd)) expect(answer.description).toBe('crowded');
    });
    expect(count).toBe(1);
  });

  it('are answered all the same when the one who began it has died', async () => {
    await describing(writer, 'orphaned');
    const { ephemeral } = there.app.services;
    const claimed = ephemeral.claim.bind(here.app.services.ephemeral);
    // Everything is claimed by somebody who never answers.
    ephemeral.claim = async (key, value, ttlMs) => {
      if (!key.startsWith('cache:api:flight:')) return claimed(key, value, ttlMs);
      await claimed(key, 'dead', ttlMs);
      return claimed(key, value, ttlMs);
    };
    try {
      expect(await seen(reader)).toEqual({ description: 'orphaned', hit: false });
    } finally {
      ephemeral.claim = claimed;
    }
  });
});

describe('an instance that is cut off from Redis alone', () => {
  const HAVE_REDIS = '{ server { members { redis } } }';
  /** Who has had a transaction open for a while, and does nothing in it. */
  const holding = () => (datas[1] as Data).db.$queryRaw`
    SELECT pid, query FROM pg_stat_activity WHERE datname = current_database()
      AND state = 'idle in transaction' AND state_change < clock_timestamp() - interval '300 ms'`;
  const inUse = async () => {
    const text = await (await there.anonymous.raw({ path: '/metrics' })).text();
    return /^quantix_response_cache_in_use (.*)$/m.exec(text)?.[1];
  };

  it('writes nothing that others answer without, at once or ever, and they say why', async () => {
    await describing(writer, 'connected');
    await until('it is kept', async () => (await seen(reader)).hit);
    await cable.close();
    await lost(here.app.services.ephemeral);
    const writing = describing(writer, 'cut off');
    await sleep(1_000);
    expect(await holding()).toEqual([]); // it waits, and locks nothing meanwhile
    await writing;
    expect(await seen(reader)).toEqual({ description: 'cut off', hit: false });
    // No follower of the change feed runs in this test, and this writer waits for nobody any more.
    await describing(writer, 'still cut off');
    expect(await seen(reader)).toEqual({ description: 'still cut off', hit: false });
    const { data } = await ask(reader, HAVE_REDIS);
    const { members } = (data as { server: { members: { redis: boolean }[] } }).server;
    expect(members.map((member) => member.redis).sort()).toEqual([false, true]);
    expect((await seen(reader)).hit).toBe(false);
    expect(await inUse()).toBe('0');

    cable = await forward(port, redis);
    await healed(here.app.services.ephemeral);
    await until('answers are kept again', async () => (await seen(reader)).hit);
    expect((await seen(reader)).description).toBe('still cut off');
    expect(await inUse()).toBe('1');
  });

  it('signs somebody out everywhere, at once', async () => {
    const eve = await there.signIn('ada');
    expect((await ask(eve, CLUSTERS)).errors).toEqual([]);
    const eveHere = here.withToken(eve.token ?? '');
    await cable.close();
    await lost(here.app.services.ephemeral);
    await mutate(eveHere, 'logout', {});
    expect((await ask(eve, CLUSTERS)).errors).not.toEqual([]);
    cable = await forward(port, redis);
    await healed(here.app.services.ephemeral);
    await until('answers are kept again', async () => (await seen(reader)).hit);
  });
});

it('what is kept is used without etcd, too', async () => {
  const { coordination } = there.app.services;
  etcd.pause();
  await until('etcd is away', () => !coordination.available());
  await until('it is kept', async () => (await seen(reader)).hit);
  etcd.resume();
  await until('etcd is back', () => coordination.available());
});

it('nothing that is kept is used while a transaction has been writing for nobody knows how long, and nothing of before afterwards', async () => {
  const { host, port: at, user, password, database } = config.database;
  const client = new pg.Client({ host, port: at, user, password: password ?? '', database });
  await client.connect();
  await until('it is kept', async () => (await seen(reader)).hit);
  const before = await seen(reader);
  await client.query('BEGIN');
  await client.query('UPDATE clusters SET description = $1', ['written slowly']);
  expect(await seen(reader)).toEqual(before);
  await stopFollowing();
  await until('nothing is used', async () => !(await seen(reader)).hit);
  follow();
  await sleep(1_000);
  expect(await seen(reader)).toEqual({ ...before, hit: false });
  await client.query('COMMIT');
  await client.end();
  expect((await seen(reader)).description).toBe('written slowly');
  await until('it is used again', async () => (await seen(reader)).hit);
  expect((await seen(reader)).description).toBe('written slowly');
});

it('a Redis that comes back with what it had saved brings no answer back that is older than what was seen', async () => {
  await describing(writer, 'saved');
  await until('it is kept', async () => (await seen(reader)).hit);
  const client = new Redis({ ...redis });
  await client.save();
  client.disconnect();
  await describing(writer, 'written since');
  expect((await seen(reader)).description).toBe('written since');
  await redis.kill();
  await redis.restart();
  await Promise.all([here, there].map(({ app }) => healed(app.services.ephemeral)));
  await until('answers are kept again', async () => {
    const { hit, description } = await seen(reader);
    expect(description).toBe('written since');
    return hit;
  });
});

it('whoever cannot read the change feed goes by nothing that is kept, until it can', async () => {
  await until('it is kept', async () => (await seen(reader)).hit);
  await stopFollowing();
  await until('nothing is used', async () => !(await seen(reader)).hit);
  follow();
  await until('it is used again', async () => (await seen(reader)).hit);
});

it('whoever was told of a change forgets no more than that when it reads of it', async () => {
  const { services } = there.app;
  const raise = vi.spyOn(services.generations, 'raise');
  await stopFollowing();
  const follower = followFeed(services);
  try {
    await here.signIn('ada');
    await describing(writer, 'told');
    await mutate(here.anonymous, 'login', { username: 'ada', password: 'not hers' });
    await mutate(reader, 'updateCluster', { id: cluster, description: 'told here' });
    await sleep(2_500);
    const types = raise.mock.calls.flatMap(([raised]) => [...raised]);
    expect(new Set(types)).toEqual(new Set(['AuditEntry']));
  } finally {
    raise.mockRestore();
    await follower.stop();
    follow();
  }
});

describe('an instance that has neither Redis nor etcd', () => {
  let data: Data;
  let lonely: TestApp;
  let follower: FeedFollower;
  beforeAll(async () => {
    const log = createLogger({ level: 'silent' });
    data = await openData(config, log);
    const [nobody = 0, nowhere = 0] = await freePorts(2);
    lonely = await createTestApp({
      data,
      config: {
        mode: 'production',
        redis: redisOptions({ ...redis, port: nobody }, { connectTimeoutMs: 200 }),
        etcd: { endpoints: [`http://${LOOPBACK}:${nowhere}`], dialTimeoutMs: 200 },
        auth: { jwtSecret: 'x'.repeat(32) },
      },
    });
    await stopFollowing();
    follower = followFeed(there.app.services);
  });
  afterAll(async () => {
    await follower?.stop();
    await lonely?.stop();
    await data?.close();
    follow();
  });

  it('writes nothing that others answer without, and nothing is kept elsewhere', async () => {
    const alone = lonely.withToken(writer.token ?? '');
    for (const description of ['said to nobody', 'and once more']) {
      expect((await describing(alone, description)).__typename).toBe('UpdateClusterPayload');
      expect(await seen(reader)).toEqual({ description, hit: false });
    }
  });

  it('lets the audit log show at once who could not sign in', async () => {
    const refused = `{ auditEntries(first: 1, filter: { action: { eq: "user.login" } }, orderBy: { field: CREATED_AT, direction: DESC }) { nodes { resourceName status } } }`;
    const last = async () => {
      const { data, errors } = await ask(reader, refused);
      expect(errors).toEqual([]);
      return (data as { auditEntries: { nodes: object[] } }).auditEntries.nodes[0];
    };
    await last();
    const input = { username: 'mallory', password: 'not a password of hers' };
    await mutate(lonely.anonymous, 'login', input);
    expect(await last()).toEqual({ resourceName: 'mallory', status: 'FAILED' });
  });
});

describe('a command of the command line', () => {
  const described = (description: string, redis: Partial<Config> = {}) => {
    const log = createLogger({ level: 'silent' });
    return asSystem({ config: { ...config, ...redis }, log }, { command: 'test' }, (call) =>
      execute(updateCluster as never, { id: cluster, description }, call),
    );
  };

  it('tells all by Redis', async () => {
    await until('it is kept', async () => (await seen(reader)).hit);
    await described('written from outside', { redis: redisOptions(redis) });
    // No follower of the change feed runs here.
    expect((await seen(reader)).description).toBe('written from outside');
  });

  it('ends when all go by what it wrote, where it has no Redis', async () => {
    await stopFollowing();
    const follower = followFeed(there.app.services);
    try {
      await until('it is kept', async () => (await seen(reader)).hit);
      await described('read of');
      expect((await seen(reader)).description).toBe('read of');
    } finally {
      await follower.stop();
      follow();
    }
  });
});

describe('a writer that is gone between its COMMIT and the marks of the cache', () => {
  it('leaves no answer that shows what was before, though another writer of the type came and went meanwhile', async () => {
    const second = (await here.seed.cluster()).id;
    await describing(writer, 'untouched');
    let goOn = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const letGo = (datas[0] as Data).onWrite({ writing: () => gate, written: async () => {} });
    const client = new Redis({ ...redis });
    const { generation, writers } = ephemeralKeys;
    const working = () => client.zcard(writers(generation('Cluster')));
    try {
      const writing = describing(writer, 'late');
      await until('it is about to commit', async () => (await working()) === 1);
      await mutate(reader, 'updateCluster', { id: second, description: 'in between' });
      // Kept now, it would be of before that commit.
      await until('it is read', async () => (await seen(reader)).description === 'untouched');
      expect(await seen(reader)).toEqual({ description: 'untouched', hit: false });
      await cable.close();
      goOn();
      await until('it is committed', async () => {
        const rows = await (datas[1] as Data).db.cluster.findMany();
        return rows.some(({ description }) => description === 'late');
      });
      expect(await seen(reader)).toEqual({ description: 'late', hit: false });
      await mutate(reader, 'updateCluster', { id: second, description: 'afterwards' });
      expect(await working()).toBe(1);
      const left = await client.pttl(generation('Cluster'));
      expect(left).toBeGreaterThan(0);
      expect(left).toBeLessThanOrEqual(ephemeralTtlMs.unsettledGeneration);
      await writing;
    } finally {
      goOn();
      letGo();
      client.disconnect();
    }
    cable = await forward(port, redis);
    await healed(here.app.services.ephemeral);
    await until('answers are kept again', async () => (await seen(reader)).hit);
  });

  it('leaves no answer that shows what was before, and keeps nothing from being kept for long', async () => {
    await describing(writer, 'before');
    await seen(reader);
    expect(await seen(reader)).toEqual({ description: 'before', hit: true });
    let cut: Promise<void> | undefined;
    const stop = (datas[0] as Data).onStatement((sql) => {
      if (sql === 'COMMIT') cut ??= cable.close();
    });
    const writing = describing(writer, 'after');
    await until('it is committed, and the writer cut off', async () => {
      const rows = await (datas[1] as Data).db.cluster.findMany();
      return cut !== undefined && rows.some(({ description }) => description === 'after');
    });
    // Nobody has told this instance, and no follower of the change feed runs in this test.
    expect(await seen(reader)).toEqual({ description: 'after', hit: false });
    expect((await seen(reader)).hit).toBe(false);
    const client = new Redis({ ...redis });
    const { generation } = ephemeralKeys;
    const left = await client.pttl(generation('Cluster'));
    client.disconnect();
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(ephemeralTtlMs.unsettledGeneration);
    await writing;
    stop();
    await cut;
  });
});
