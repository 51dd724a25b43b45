/** etcd goes away: killed, frozen, cut off. What waits is refused in time, the lead ends before the lease, and all heals by itself. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type Coordination,
  CoordinationUnavailableError,
  LockBusyError,
} from '../../src/coordination/coordination.js';
import { openEtcdCoordination } from '../../src/coordination/etcd.js';
import { openEtcdClient } from '../../src/coordination/etcd-client.js';
import { under } from '../../src/coordination/keys.js';
import { openCoordination } from '../../src/coordination/open.js';
import { type Forwarder, forward } from '../e2e/forward.js';
import { createTestApp } from '../support/app.js';
import { startEtcd } from '../support/services/etcd.js';
import { freePorts } from '../support/services/ports.js';
import type { ServerHandle } from '../support/services/server.js';
import { createTestAgent } from '../support/test-agent.js';
import { until } from '../support/until.js';
import { connectionTo, LEASE_MS, surroundings } from './etcd-fixtures.js';

const REQUEST_MS = 500;

let etcd: ServerHandle;
const opened: Coordination[] = [];
beforeAll(async () => {
  etcd = await startEtcd();
}, 120_000);
afterAll(() => etcd.dispose());
afterEach(async () => {
  await Promise.all(opened.splice(0).map((member) => member.close()));
});

async function open(name: string, port = etcd.port): Promise<Coordination> {
  const connection = { ...connectionTo(port), requestTimeoutMs: REQUEST_MS };
  const member = await openEtcdCoordination(connection, surroundings(name));
  opened.push(member);
  await until('it is in session', () => member.available());
  return member;
}

const ask = (holder: string, waitMs = 0) => ({ holder, waitMs });
const failed = (attempt: Promise<unknown>): Promise<unknown> =>
  attempt.then(
    () => 'it was done',
    (error: unknown) => error,
  );
/** What is left of locks in etcd. */
async function locksLeft(): Promise<string[]> {
  const client = openEtcdClient(connectionTo(etcd.port));
  try {
    const { kvs } = await client.range(under('/quantix/locks/'));
    return kvs.map(({ key }) => key.toString());
  } finally {
    client.close();
  }
}

describe.each([
  ['frozen', () => etcd.pause(), () => etcd.resume()],
  ['killed', () => etcd.kill(), () => etcd.restart()],
])('while etcd is %s', (how, goAway, comeBack) => {
  it('locks are refused in time, the lead ends before the lease, and it heals by itself', async () => {
    const one = await open('one');
    const term = await until('it leads', () => one.leadership());
    const lock = await one.lock(`vm/${how}`, ask('first'));
    const waiter = failed(one.lock(`vm/${how}`, ask('second', 60_000)));
    const told: number[] = [];
    const stop = one.settings.watch((all) => told.push(all.size));
    await until('settings are heard', () => told.length > 0);

    const away = performance.now();
    await goAway();
    try {
      const asked = performance.now();
      expect(await failed(one.lock('vm/other', ask('late')))).toBeInstanceOf(
        CoordinationUnavailableError,
      );
      expect(performance.now() - asked).toBeLessThan(3 * REQUEST_MS);
      // etcd itself may let the lease go LEASE_MS after the last renewal, which was before it went away
      await until('it is nearly so', () => performance.now() > away + 0.8 * LEASE_MS);
      expect([term.valid(), one.leadership()]).toEqual([false, null]);
      await until('it is known', () => !one.available());
      for (let n = 1; n <= 20; n += 1) one.advertise({ address: `10.0.0.${n}:8443` });
      expect(await waiter).toBeInstanceOf(CoordinationUnavailableError);
      await lock.release();
    } finally {
      await comeBack();
    }

    const next = await until('it leads again', () => one.leadership());
    expect(next.fencingToken).toBeGreaterThan(term.fencingToken);
    expect(next.cluster).toBe(term.cluster);
    await until('it is available', () => one.available());
    await until('locks are to be had', async () => {
      const again = await one.lock(`vm/${how}`, ask('third')).catch(() => null);
      await again?.release();
      return again;
    });
    await one.settings.put(`after.${how}`, 'heard');
    await until('settings are heard again', () => (told.at(-1) ?? 0) > (told[0] ?? 0));
    stop();
    await until('the others know what it said last', async () => {
      const [member] = await one.members();
      return member?.address === '10.0.0.20:8443';
    });
    await until('nothing is left behind', async () => (await locksLeft()).length === 0);
  });
});

it('what changes while an instance joins is told as well', async () => {
  const seer = await open('seer');
  const joining = await openEtcdCoordination(connectionTo(etcd.port), surroundings('joining'));
  opened.push(joining);
  let port = 0;
  for (; !joining.available(); await nextTurn()) {
    port += 1;
    joining.advertise({ address: `10.0.0.7:${port}` });
  }
  expect(port).toBeGreaterThan(1);
  await until('the last word is known', async () => {
    const members = await seer.members();
    return members.some(({ id, address }) => id === joining.id && address === `10.0.0.7:${port}`);
  });
});

it('callers are told: changes are UNAVAILABLE, reads, sign-ins and reports go on, and it says what is missing', async () => {
  const config = {
    mode: 'production',
    etcd: {
      ...{ endpoints: [`http://${etcd.host}:${etcd.port}`] },
      ...{ requestTimeoutMs: REQUEST_MS, leaseTtlMs: LEASE_MS },
    },
  } as const;
  const world = await createTestApp({ config });
  await world.seed.user('ADMIN', { username: 'ada' });
  const ada = await world.signIn('ada');
  const cluster = await world.seed.cluster();
  const agent = await createTestAgent(world, await world.seed.node(cluster));
  const update = (description: string) =>
    ada.answer(
      `mutation ($input: UpdateClusterInput!) {
        updateCluster(input: $input) { ... on UpdateClusterPayload { cluster { description } } }
      }`,
      { input: { id: cluster.id, description } },
    );
  const degraded = async () => {
    const { data } = await ada.answer('{ server { degraded } clusters { totalCount } }');
    expect(data).toMatchObject({ clusters: { totalCount: 1 } });
    return (data as { server: { degraded: string[] } }).server.degraded;
  };
  const missing = async () => {
    const text = await (await world.anonymous.raw({ path: '/metrics' })).text();
    return /^quantix_degraded\{server="etcd"\} (.*)$/m.exec(text)?.[1];
  };
  await until('all is well', async () => !(await degraded()).includes('etcd'));
  expect(await missing()).toBe('0');
  expect((await update('before')).errors).toEqual([]);
  etcd.pause();
  const { errors } = await update('meanwhile');
  expect(errors[0]?.extensions).toMatchObject({ code: 'UNAVAILABLE', retryable: true });
  const created = await ada.answer(
    'mutation { createCluster(input: { name: "claimed" }) { __typename } }',
  );
  expect(created.errors[0]?.extensions).toMatchObject({ code: 'UNAVAILABLE' });
  expect(await world.signIn('ada')).toHaveProperty('token', expect.any(String));
  expect(await agent.report()).toMatchObject({ accepted: true });
  await until('it says so', async () => (await degraded()).includes('etcd'));
  expect(await missing()).toBe('1');
  const answer = await ada.answer('{ clusters { totalCount } }');
  expect(answer).toMatchObject({ status: 200, errors: [] });
  expect(answer.extensions.degraded).toContain('etcd');
  expect((await world.anonymous.raw({ path: '/healthz' })).status).toBe(200);
  etcd.resume();
  await until('all is well again', async () => !(await degraded()).includes('etcd'));
  expect(await update('after')).toMatchObject({
    errors: [],
    data: { updateCluster: { cluster: { description: 'after' } } },
  });
  await world.stop();
});

it('whoever is cut off loses the lead, and another one has it within one and a half leases', async () => {
  const [port = 0] = await freePorts(1);
  const wire: Forwarder = await forward(port, etcd);
  const cut = await open('cut', port);
  const term = await until('it leads', () => cut.leadership());
  const other = await open('other');
  const lock = await cut.lock('vm/held', ask('cut off'));
  expect(await failed(other.lock('vm/held', ask('other')))).toMatchObject({ holder: 'cut off' });

  const away = performance.now();
  await wire.close();
  const next = await until('the other one leads', () => {
    const leads = other.leadership();
    // never both: the first term has ended by the time that the second one begins
    if (leads) expect(term.valid()).toBe(false);
    return leads;
  });
  expect(performance.now() - away).toBeLessThan(1.5 * LEASE_MS);
  expect(next.fencingToken).toBeGreaterThan(term.fencingToken);
  // its locks went with its lease
  await until('the lock is free', () =>
    other.lock('vm/held', ask('other')).then(
      (held) => held.release().then(() => true),
      (error: unknown) => (error instanceof LockBusyError ? false : Promise.reject(error)),
    ),
  );
  expect((await other.members()).map(({ id }) => id)).toEqual([other.id]);
  await lock.release();

  const back = await forward(port, etcd);
  await until('it is a member again', async () => (await other.members()).length === 2);
  expect(cut.leadership()).toBeNull();
  await cut.close();
  await back.close();
});

it('who was cut off while settings changed, and their history was thrown away, sees them as they are', async () => {
  const [port = 0] = await freePorts(1);
  const wire = await forward(port, etcd);
  const [cut, other] = [await open('cut', port), await open('other')];
  await other.settings.put('gone', 'soon');
  const seen: string[] = [];
  cut.settings.watch((all) => seen.push([...all.keys()].join()));
  await until('it sees it', () => seen.at(-1)?.includes('gone'));
  await wire.close();
  await other.settings.delete('gone');
  const revision = await other.settings.put('new', 'value');
  const compacted = await fetch(`http://${etcd.host}:${etcd.port}/v3/kv/compaction`, {
    method: 'POST',
    body: JSON.stringify({ revision: String(revision) }),
  });
  expect(compacted.status).toBe(200);
  const back = await forward(port, etcd);
  await until('it sees what is', () => seen.at(-1)?.includes('new'));
  expect(seen.at(-1)).not.toContain('gone');
  await cut.close();
  await back.close();
});

it('requests that were given up leave nothing, even if etcd does them later', async () => {
  const one = await open('one');
  await (await one.lock('vm/warm', ask('warm'))).release();
  etcd.pause();
  const attempts = Array.from({ length: 20 }, (_, i) =>
    failed(one.lock(`vm/given-up/${i % 4}`, ask('given up', 5_000))),
  );
  const outcomes = await Promise.all(attempts);
  etcd.resume();
  for (const outcome of outcomes) expect(outcome).toBeInstanceOf(CoordinationUnavailableError);
  await until('nothing is left behind', async () => (await locksLeft()).length === 0);
  // and it stays so once everything that was sent has been done
  await until('etcd has done what it was sent', () => one.available());
  expect(await locksLeft()).toEqual([]);
});

it('without etcd at start it goes on alone, and returns to etcd by itself', async () => {
  await etcd.stop();
  const config = {
    mode: 'production',
    etcd: {
      ...{ endpoints: [`http://${etcd.host}:${etcd.port}`], dialTimeoutMs: 100 },
      ...{ requestTimeoutMs: REQUEST_MS, leaseTtlMs: LEASE_MS, user: '', password: null },
      ...{ caFile: null, certFile: null, keyFile: null },
    },
  } as const;
  const alone = await openCoordination(config, surroundings('alone'), { retryMs: 50 });
  opened.push(alone);
  expect(alone.kind).toBe('in-process');
  const term = alone.leadership();
  expect(term?.valid()).toBe(true);
  const lock = await alone.lock('vm/alone', ask('alone'));
  const sizes: number[] = [];
  alone.settings.watch((all) => sizes.push(all.size));
  await etcd.restart();
  await until('it is back', () => alone.kind === 'etcd');
  expect(term?.valid()).toBe(false);
  await lock.release();
  const next = await until('it leads for real', () => alone.leadership());
  expect(next.cluster).not.toBe(term?.cluster);
  const heard = sizes.length;
  await alone.settings.put('after.return', 'heard');
  await until('its watch came along', () => sizes.length > heard);
});
