/** A leader whose term is over, and who does not know it, writes nothing: on real etcd and PostgreSQL, two apps in one process. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Controller, startControllers } from '../../src/controllers/runner.js';
import { systemCall } from '../../src/controllers/system-call.js';
import { retention } from '../../src/controllers/task-keeper.js';
import type { Leadership } from '../../src/coordination/coordination.js';
import { openCoordination } from '../../src/coordination/open.js';
import { execute } from '../../src/core/execute.js';
import { claimTerm, requireTerm, StaleLeaderError } from '../../src/core/fencing.js';
import type { Data } from '../../src/data/client.js';
import { markSilentNode } from '../../src/modules/node/system-commands.js';
import { forward } from '../e2e/forward.js';
import { createTestApp, openTestData, type TestApp } from '../support/app.js';
import { startEtcd } from '../support/services/etcd.js';
import { freePorts, LOOPBACK } from '../support/services/ports.js';
import type { ServerHandle } from '../support/services/server.js';
import { until } from '../support/until.js';
import { LEASE_MS, surroundings } from './etcd-fixtures.js';

let etcd: ServerHandle;
let data: Data;
const apps: TestApp[] = [];
beforeAll(async () => {
  [etcd, data] = await Promise.all([startEtcd(), openTestData('postgres')]);
}, 120_000);
afterAll(async () => {
  await Promise.all(apps.map((app) => app.stop()));
  await data.close();
  await etcd.dispose();
});

async function openApp(port: number): Promise<TestApp> {
  const endpoints = [`http://${LOOPBACK}:${port}`];
  const app = await createTestApp({
    data,
    config: {
      mode: 'production',
      etcd: { endpoints, leaseTtlMs: LEASE_MS, requestTimeoutMs: 500 },
    },
  });
  apps.push(app);
  return app;
}

/** A term that is over only when the database says so, as for somebody who was paused and has not looked at a clock. */
function term(cluster: string, fencingToken: bigint): Leadership & { ended: boolean } {
  const made = {
    ...{ cluster, fencingToken, ended: false },
    valid: () => !made.ended,
    end: () => {
      made.ended = true;
    },
    disavow: async () => false,
  };
  return made;
}
const claim = (of: Leadership, holder = 'somebody') => claimTerm(data.db, of, holder, new Date());
const write = (of: Leadership) => data.transaction((tx) => requireTerm(tx, of));

it('a leader that was cut off past its lease and goes on writes nothing', async () => {
  const [port = 0] = await freePorts(1);
  const wire = await forward(port, etcd);
  const first = await openApp(port);
  first.app.startControllers();
  const before = await until('the first one leads', () =>
    first.app.services.coordination.leadership(),
  );
  const second = await openApp(etcd.port);
  const node = await first.seed.node(await first.seed.cluster(), {
    lastHeartbeat: new Date(Date.now() - 3_600_000),
  });
  await data.db.idempotencyKey.create({
    data: {
      ...{ principal: 'p', key: 'old', command: 'c', requestHash: 'h' },
      expiresAt: new Date(0),
    },
  });

  // The round is in the middle of its work, and asks nobody any more whether it still leads.
  let goOn = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  let entered = false;
  const outcomes: unknown[] = [];
  const paused: Controller = {
    name: 'paused',
    intervalMs: 1,
    async run(services, _stillLeading, signal) {
      entered = true;
      await held;
      if (outcomes.length > 0) return;
      const call = systemCall(services, 'paused', signal);
      const attempts = [
        () => execute(markSilentNode, { nodeId: node.uuid }, call),
        () => retention.run(services, () => true, signal, new Date(0)),
      ];
      for (const attempt of attempts) {
        outcomes.push(await attempt().catch((error: unknown) => error));
      }
    },
  };
  const runner = startControllers(first.app.services, [paused]);
  await until('the round has begun', () => entered);

  await wire.close();
  second.app.startControllers();
  const next = await until('the second one leads', () =>
    second.app.services.coordination.leadership(),
  );
  await until('it has claimed its term', async () => {
    const row = await data.db.leadership.findFirst();
    return row?.holder === second.app.services.coordination.id;
  });
  expect(next.fencingToken).toBeGreaterThan(before.fencingToken);
  expect(next.cluster).toBe(before.cluster);
  const back = await forward(port, etcd); // it can lock again, and still believes to lead
  await until('it has etcd again', () => first.app.services.coordination.available());
  expect(await before.disavow(next.fencingToken)).toBe(false); // another one has come, etcd was not put back
  goOn();
  await until('it has tried', () => outcomes.length === 2);
  expect(outcomes.map((outcome) => (outcome as Error).name)).toEqual([
    'StaleLeaderError',
    'StaleLeaderError',
  ]);
  expect(await data.db.node.findUnique({ where: { id: node.uuid } })).toMatchObject({
    phase: 'READY',
  });
  expect(await data.db.auditEntry.count({ where: { resourceId: node.uuid } })).toBe(0);
  expect(await data.db.idempotencyKey.count()).toBe(1);
  await runner.stop();

  // the same command of the one who leads is done
  const { services } = second.app;
  const call = systemCall({ ...services, term: next }, 'leader', new AbortController().signal);
  await execute(markSilentNode, { nodeId: node.uuid }, call);
  expect(await data.db.node.findUnique({ where: { id: node.uuid } })).toMatchObject({
    phase: 'DISCONNECTED',
  });
  await back.close();
});

it('a claim waits for what the leader before has begun, and refuses what comes after', async () => {
  const [old, young] = [term('waits', 5n), term('waits', 6n)];
  await claim(old);
  const order: string[] = [];
  let claiming: Promise<unknown> = Promise.resolve();
  await data.transaction(async (tx) => {
    await requireTerm(tx, old);
    claiming = claim(young).then(() => order.push('claimed'));
    await until('the claim waits', async () => {
      const [row] = await data.db.$queryRaw<{ n: bigint }[]>`
        SELECT count(*) AS n FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND query LIKE '%leadership%' AND datname = current_database()`;
      return Number(row?.n) > 0;
    });
    order.push('written');
  });
  await claiming;
  expect(order).toEqual(['written', 'claimed']);
  await expect(write(old)).rejects.toThrow(StaleLeaderError);
  expect([old.ended, young.ended]).toEqual([true, false]);
  await write(young);
});

it('an older term of the same cluster is never claimed again', async () => {
  const young = term('one cluster', 20n);
  await claim(young);
  const old = term('one cluster', 19n);
  await expect(claim(old)).rejects.toThrow(StaleLeaderError);
  expect(old.ended).toBe(true);
  await write(young);
  await claim(young); // a claim without an answer is made again
  await write(young);
});

it('an etcd that was wiped and begins to count anew locks nobody out', async () => {
  const before = term('1/before', 1_000_000n);
  await claim(before);
  const after = term('1/after', 3n);
  await claim(after);
  await write(after);
  await expect(write(before)).rejects.toThrow(StaleLeaderError);
});

it('instances that start without etcd each lead alone, one at a time counts, and with etcd one of them leads', async () => {
  await Promise.all(apps.splice(0).map((app) => app.stop()));
  await etcd.stop();
  const tls = { caFile: null, certFile: null, keyFile: null };
  const connection = {
    ...{ endpoints: [`http://${LOOPBACK}:${etcd.port}`], user: '', password: null, ...tls },
    ...{ dialTimeoutMs: 50, requestTimeoutMs: 500, leaseTtlMs: LEASE_MS },
  };
  const open = (name: string) =>
    openCoordination({ mode: 'production', etcd: connection }, surroundings(name), { retryMs: 50 });
  const both = await Promise.all([open('one'), open('other')]);
  try {
    const alone = both.map((member) => member.leadership() as Leadership);
    for (const own of alone) await claim(own);
    const [first, last] = alone as [Leadership, Leadership];
    await write(last);
    await expect(write(first)).rejects.toBeInstanceOf(StaleLeaderError);
    expect([first.valid(), last.valid()]).toEqual([false, true]);

    await etcd.restart();
    await until('both are back', () => both.every(({ kind }) => kind === 'etcd'));
    const led = () => both.flatMap((member) => member.leadership() ?? []);
    await until('one leads', () => led().length > 0);
    const [term] = led() as [Leadership];
    expect(led()).toEqual([term]);
    await claim(term);
    await write(term);
    await expect(write(last)).rejects.toBeInstanceOf(StaleLeaderError);
  } finally {
    await Promise.all(both.map((member) => member.close()));
  }
});
