/** Three instances on one PostgreSQL, etcd and Redis, under load, while everything is killed, frozen or emptied in turn: they behave as one. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { defaultConfig } from '../../src/config/load.js';
import { openData } from '../../src/data/open.js';
import type { ReportNodeInput } from '../../src/gen/api/graphql.js';
import { silent } from '../services/data-fixtures.js';
import { violations } from '../support/invariants.js';
import { HARDWARE } from '../support/mutations.js';
import { type TestAgent, testAgent } from '../support/test-agent.js';
import { until } from '../support/until.js';
import { figures } from './expectations.js';
import { type Follower, feedBegin, follow } from './instances-feed.js';
import { controllerWrites, done, names, terms, told, WITNESS } from './instances-judge.js';
import { Ledger, reader, writer } from './instances-load.js';
import { LEASE_MS, leaderSeenBy, openSite, type Site, whole } from './instances-site.js';
import { createCluster, createProject, enrolNode } from './operations.js';

vi.setConfig({ testTimeout: 120_000 });

const INSTANCES = 3;
const PLACES = Array.from({ length: INSTANCES }, (_, place) => place);
/** What it may take us to see it, on a machine that is busy with other things. */
const MEASURING_MS = 1_000;
/** An agent's interval; the controllers call silence what is ten times as long. */
const REPORT_MS = 100;

let site: Site;
const ledger = new Ledger();
const followers: Follower[] = [];
const load: Promise<void>[] = [];
const agents: Promise<void>[] = [];
let writing = true;
let reporting = true;

/** Reports to one instance after the other; a report that fails is only late. */
async function report(agent: TestAgent, pause: () => Promise<unknown>): Promise<void> {
  while (reporting) {
    await agent.report().catch(() => undefined);
    await pause();
  }
}

async function enrol(
  clusterId: string,
  hostname: string,
): Promise<{ agent: TestAgent; id: string }> {
  const { nodeId, token } = await enrolNode(await site.client(0), clusterId, hostname);
  let turn = 0;
  const agent = testAgent(token, { id: nodeId, name: hostname }, async (request) => {
    turn += 1;
    const { url } = site.instances[turn % INSTANCES] ?? { url: '' };
    const { method, headers } = request;
    const body = await request.text();
    return fetch(`${url}/graphql`, { method, headers, body, signal: AbortSignal.timeout(1_000) });
  });
  return { agent, id: nodeId };
}

beforeAll(async () => {
  site = await openSite(INSTANCES, WITNESS);
  const admin = await site.client(0);
  const begin = await feedBegin(site);
  for (const place of PLACES) followers.push(follow(site, place, begin));
  const [cluster, apart] = [
    await createCluster(admin, 'busy'),
    await createCluster(admin, 'apart'),
  ];
  const projectId = await createProject(admin, 'fire');
  for (const n of [1, 2, 3]) {
    const { agent } = await enrol(cluster, `node-${n}`);
    await agent.report({ spec: HARDWARE as ReportNodeInput['spec'] });
    agents.push(report(agent, () => sleep(REPORT_MS)));
  }
  // One that always falls silent, so that whoever leads has something to write.
  const { agent, id } = await enrol(apart, 'sleepy');
  const isSilent = async (): Promise<boolean> => {
    const query = 'query ($id: ID!) { hypervisorNode(id: $id) { phase } }';
    type Seen = { hypervisorNode: { phase: string } };
    const { data } = await site.ask<Seen>(Math.floor(Math.random() * INSTANCES), query, { id });
    return data?.hypervisorNode.phase === 'NOT_READY';
  };
  agents.push(
    report(agent, () =>
      until('it is called silent', async () => !reporting || (await isSilent()), 5_000).catch(
        () => undefined,
      ),
    ),
  );
  for (const n of PLACES) {
    load.push(writer(site, ledger, `w${n}`, projectId, () => writing));
    load.push(writer(site, ledger, `x${n}`, projectId, () => writing));
    load.push(reader(site, ledger, n, () => writing));
  }
  // Awaited when it is quiet; until then a failure of theirs shows as load that does not go on.
  for (const one of load) one.catch((error: unknown) => ledger.strange.push(String(error)));
});
afterAll(async () => {
  writing = false;
  reporting = false;
  const stopped = followers.map((follower) => follower.stop());
  await site?.dispose();
  await Promise.allSettled([...stopped, ...load, ...agents]);
});

/** The load goes on: so many further changes are acknowledged, and controllers write. */
async function goesOn(changes = 12): Promise<void> {
  const before = ledger.changes;
  await until('the load goes on', () => ledger.changes >= before + changes, 30_000);
}

async function controllersWrite(): Promise<void> {
  const sum = async () => (await controllerWrites(site)).reduce((all, { count }) => all + count, 0);
  const before = await sum();
  await until('a controller writes', async () => (await sum()) > before, 30_000);
}

const allWhole = () => Promise.all(PLACES.map((place) => whole(site, place)));

/** How long it took since `from`, in milliseconds, until an instance other than `old` says that it leads. */
async function successor(old: number, from: number): Promise<number> {
  const asked = PLACES.filter((place) => place !== old);
  await until('another one leads', async () => {
    const seen = await Promise.all(asked.map((at) => leaderSeenBy(site, at).catch(() => null)));
    return seen.some((leader) => leader !== null && leader !== old);
  });
  return performance.now() - from;
}

/** Asks until somebody leads: an instance on a busy machine can lose its lease for a moment. */
async function leader(): Promise<number> {
  const seen = await until('somebody leads', async () => {
    const place = await leaderSeenBy(site, 0);
    return place === null ? null : { place };
  });
  return seen.place;
}

describe('under load', () => {
  it('the work gets done, and answers come from the cache', async () => {
    await goesOn();
    await controllersWrite();
    await until('answers from the cache', () => ledger.hits > 0);
  });

  it('the leader is killed: another one leads within one and a half leases', async () => {
    const old = await leader();
    const from = performance.now();
    site.instances[old]?.program.signal('SIGKILL');
    const ms = await successor(old, from);
    await goesOn();
    await controllersWrite();
    await site.replace(old);
    await allWhole();
    expect(ms).toBeLessThan(1.5 * LEASE_MS + MEASURING_MS);
  });

  it('the leader is frozen for longer than its lease: another one leads, and nothing counts that it writes when it goes on', async () => {
    const old = await leader();
    const from = performance.now();
    site.instances[old]?.program.signal('SIGSTOP');
    const ms = await successor(old, from);
    await controllersWrite();
    await until('its lease is over', () => performance.now() > from + 1.5 * LEASE_MS);
    site.instances[old]?.program.signal('SIGCONT');
    await site.instances[old]?.program.logged('not leading any more');
    await site.instances[old]?.program.logged('etcd is back: in session again');
    await goesOn();
    await allWhole();
    expect(ms).toBeLessThan(1.5 * LEASE_MS + MEASURING_MS);
  });

  it('Redis comes back empty', async () => {
    await site.redis.kill();
    for (const { program } of site.instances)
      await program.logged(
        'Redis cannot be used: going on without it, each instance for itself, until it is back',
      );
    await goesOn(6);
    await site.redis.restart();
    await goesOn();
    await allWhole();
  });

  it.each([
    ['is restarted', () => site.postgres.stop()],
    ['is killed', () => site.postgres.kill()],
    ['is frozen', async () => site.postgres.pause()],
  ])('PostgreSQL %s', async (how, goAway) => {
    await goAway();
    await until('somebody was told so', async () => !(await site.ready(0)).ready);
    if (how === 'is frozen') site.postgres.resume();
    else await site.postgres.restart();
    await goesOn();
    await controllersWrite();
    await allWhole();
  });
});

describe('when it is quiet again', () => {
  beforeAll(async () => {
    writing = false;
    await Promise.all(load);
    reporting = false;
    await Promise.all(agents);
  });

  it('nobody saw what nobody should see', () => {
    expect(ledger.strange).toEqual([]);
  });

  it('every acknowledged change is there, done once, and nothing else', async () => {
    const entries = (counts: ReadonlyMap<string, number>) => [...counts].sort();
    expect(entries(await done(site))).toEqual(entries(ledger.acknowledged));
    const all = await names(site);
    expect(all.map(({ name }) => name)).toEqual([...ledger.names.values()].sort());
    const deleted = [...ledger.floor].filter(([, known]) => known === 'deleted');
    expect(all.filter((vm) => vm.deleted).map(({ name }) => name)).toEqual(
      deleted.map(([id]) => ledger.names.get(id)).sort(),
    );
    expect(ledger.refused.length).toBeGreaterThan(0);
  });

  it('every follower saw every change once, those of a machine in their order', async () => {
    const expected = await told(site);
    const count = [...expected.values()].flat().length;
    for (const follower of followers) {
      await until('it has caught up', () => follower.count() >= count);
      expect(follower.resyncs).toEqual([]);
      expect(follower.seen).toEqual(expected);
      expect(follower.moves()).toBeGreaterThan(0);
    }
  });

  it('there was one leader at a time: terms rise, and in each of them only its own leader wrote', async () => {
    const claimed = await terms(site);
    const tokens = claimed.map(({ token }) => Number(token));
    expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b));
    expect(tokens.length).toBeGreaterThanOrEqual(3);
    const writes = await controllerWrites(site);
    expect(writes.length).toBeGreaterThanOrEqual(3);
    for (const { token, instance } of writes) expect(claimed).toContainEqual({ token, instance });
    await until('one of them leads', async () => {
      const leading = await Promise.all(
        site.instances.map(async ({ url }) => (await figures(url)).get('quantix_leading')),
      );
      return leading.sort().join() === '0,0,1';
    });
  });

  it('the figures add up, and all instances are whole', async () => {
    const { host, port, user, password } = site.postgres;
    const database = { ...{ host, port, user, password }, database: site.installation.database };
    const data = await openData(defaultConfig({ mode: 'production', database }), silent);
    expect(await violations(data.db)).toEqual([]);
    await data.close();
    await allWhole();
    for (const { program } of site.instances) expect(program.stderr).toBe('');
  });
});
