/** Shared settings on a real etcd and PostgreSQL: two instances, one of them behind a connection that is cut. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settingsAudit } from '../../src/controllers/settings-audit.js';
import type { Data } from '../../src/data/client.js';
import { type Forwarder, forward } from '../e2e/forward.js';
import { createTestApp, openTestData, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { mutate } from '../support/mutations.js';
import { startEtcd } from '../support/services/etcd.js';
import { freePorts } from '../support/services/ports.js';
import type { ServerHandle } from '../support/services/server.js';
import { createTestClock } from '../support/test-clock.js';
import { until } from '../support/until.js';

let etcd: ServerHandle;
let data: Data;
let near: TestApp;
let far: TestApp;
let line: Forwarder;
let linePort: number;
let admin: Client;

beforeAll(async () => {
  [etcd, data, [linePort = 0]] = await Promise.all([
    startEtcd(),
    openTestData('postgres'),
    freePorts(1),
  ]);
  line = await forward(linePort, etcd);
  [near, far] = await Promise.all([open(etcd.port), open(linePort)]);
  await near.seed.user('ADMIN', { username: 'ada' });
  admin = await near.signIn('ada');
}, 120_000);
afterAll(async () => {
  await Promise.all([near.stop(), far.stop()]);
  await line.close();
  await Promise.all([data.close(), etcd.dispose()]);
});

const open = (port: number): Promise<TestApp> =>
  createTestApp({
    data,
    config: {
      mode: 'production',
      etcd: {
        endpoints: [`http://${etcd.host}:${port}`],
        requestTimeoutMs: 500,
        dialTimeoutMs: 500,
      },
      log: { level: 'silent' },
    },
  });
const set = (key: string, value: string) => mutate(admin, 'setSystemConfig', { key, value });
const pageOf = ({ app }: TestApp) => app.services.config.limits.maxPageSize;
const followed = (world: TestApp, size: number) =>
  until(`a page of ${size}`, () => pageOf(world) === size);

/** etcd's own JSON API, as etcdctl would use it. */
async function ask(path: string, body: object): Promise<{ header: { revision: string } }> {
  const url = `http://${etcd.host}:${etcd.port}/v3/kv/${path}`;
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`etcd: ${await response.text()}`);
  return response.json() as Promise<{ header: { revision: string } }>;
}
const base64 = (text: string) => Buffer.from(text).toString('base64');
const byHand = (key: string, value: string) =>
  ask('put', { key: base64(`/quantix/config/${key}`), value: base64(value) });
const wipe = () =>
  ask('deleterange', { key: base64('/quantix/config/'), range_end: base64('/quantix/config0') });

it('what one instance sets the other follows, without a restart, and a new one begins with it', async () => {
  await set('limits.max_page_size', '101');
  expect(pageOf(near)).toBe(101);
  await followed(far, 101);
  const third = await open(etcd.port);
  expect(pageOf(third)).toBe(101);
  await third.stop();
  await mutate(admin, 'resetSystemConfig', { key: 'limits.max_page_size' });
  await followed(far, 500);
});

it('an instance that goes on without etcd changes nothing: it would keep the change for itself', async () => {
  const alone = await open(1);
  const client = await alone.signIn('ada');
  const { errors } = await client.answer(
    'mutation S($input: SetSystemConfigInput!) { setSystemConfig(input: $input) { __typename } }',
    { input: { key: 'limits.max_page_size', value: '104' } },
  );
  expect(errors[0]?.extensions).toMatchObject({ code: 'UNAVAILABLE', retryable: true });
  expect(pageOf(alone)).toBe(500);
  await alone.stop();
});

describe('while the connection to etcd is cut', () => {
  it('settings change unheard, and all of it is heard afterwards, compacted or not', async () => {
    await set('limits.max_page_size', '102');
    await set('placement.policy', 'pack');
    await followed(far, 102);
    await line.close();
    for (let size = 200; size < 204; size += 1) await set('limits.max_page_size', String(size));
    await mutate(admin, 'resetSystemConfig', { key: 'placement.policy' });
    await set('maintenance.max_migrations_per_node', '3');
    const { header } = await byHand('limits.max_subscribers', '1234');
    await ask('compaction', { revision: Number(header.revision), physical: true });
    expect(pageOf(far)).toBe(102);
    expect(far.app.services.config.placement.policy).toBe('pack');
    line = await forward(linePort, etcd);
    await followed(far, 203);
    const { config } = far.app.services;
    expect(config.placement.policy).toBe('spread');
    expect(config.maintenance.maxMigrationsPerNode).toBe(3);
    expect(config.limits.maxSubscribers).toBe(1234);
    await set('limits.max_page_size', '210');
    await followed(far, 210);
  });
});

describe('while etcd is away', () => {
  it('the last known values count, and a change is unavailable and leaves nothing behind', async () => {
    await set('limits.max_page_size', '103');
    await followed(far, 103);
    const done = { where: { status: 'SUCCEEDED' } } as const;
    const entries = await data.db.auditEntry.count(done);
    await etcd.kill();
    const answer = await admin.answer(
      'mutation S($input: SetSystemConfigInput!) { setSystemConfig(input: $input) { __typename } }',
      { input: { key: 'limits.max_page_size', value: '104' } },
    );
    expect(answer.errors[0]?.extensions).toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    expect([pageOf(near), pageOf(far)]).toEqual([103, 103]);
    const shown = await admin.answer<{ systemConfig: object[] }, object>(
      '{ systemConfig(keys: ["limits.max_page_size"]) { value source } }',
    );
    expect(shown.data?.systemConfig).toEqual([{ value: '103', source: 'SHARED' }]);
    await etcd.restart();
    await until('a change is possible again', async () => {
      const { data: answer } = await admin.answer<{ s: { __typename: string } }, object>(
        'mutation S($input: SetSystemConfigInput!) { s: setSystemConfig(input: $input) { __typename } }',
        { input: { key: 'limits.max_page_size', value: '105' } },
      );
      return answer?.s.__typename === 'SetSystemConfigPayload';
    });
    await Promise.all([followed(near, 105), followed(far, 105)]);
    expect(await data.db.auditEntry.count(done)).toBe(entries + 1);
  });
});

describe('the leader', () => {
  const clock = createTestClock();
  const controller = settingsAudit();
  /** Only who is in session with etcd leads; a lease from before etcd was killed may end only now. */
  const round = async () => {
    const { coordination } = near.app.services;
    await until('it is in session', () => coordination.available());
    const { signal } = new AbortController();
    await controller.run({ ...near.app.services, clock }, () => true, signal, new Date(0));
  };
  const noticed = () =>
    data.db.auditEntry.findMany({
      where: { action: 'systemConfig.notice' },
      orderBy: { seq: 'asc' },
      select: { resourceName: true, username: true, details: true },
    });
  const requestMs = () => near.app.services.config.server.requestTimeoutMs;

  it('audits what was changed by hand, once, and not before its maker could have done so', async () => {
    await wipe();
    await followed(near, 500);
    await set('limits.max_page_size', '300');
    clock.advance(requestMs());
    await round();
    clock.advance(requestMs());
    await round();
    const known = await noticed(); // of what the tests before have left unsaid
    await byHand('limits.max_page_size', '301');
    await followed(near, 301);
    await round();
    clock.advance(requestMs() - 1);
    await round();
    expect(await noticed()).toEqual(known);
    clock.advance(1);
    await round();
    await round();
    expect((await noticed()).slice(known.length)).toEqual([
      {
        resourceName: 'limits.max_page_size',
        username: 'system:settings-audit',
        details: {
          before: expect.objectContaining({ value: '300', version: 1 }),
          after: expect.objectContaining({ value: '301', version: 2 }),
        },
      },
    ]);
  });

  it('audits the change of an instance that died before it could, with its author', async () => {
    const known = await noticed();
    const orphan = { value: '302', updatedAt: new Date(), updatedBy: 'grace', requestId: 'r-1' };
    await byHand('limits.max_page_size', JSON.stringify(orphan));
    await followed(near, 302);
    await round();
    clock.advance(requestMs());
    await round();
    expect((await noticed()).slice(known.length)).toMatchObject([
      { details: { after: { value: '302', updatedBy: 'grace', changeRequestId: 'r-1' } } },
    ]);
  });

  it('audits that etcd was wiped; every instance is back at its own values then', async () => {
    const known = await noticed();
    await wipe();
    await Promise.all([followed(near, 500), followed(far, 500)]);
    await round();
    clock.advance(requestMs());
    await round();
    expect((await noticed()).slice(known.length)).toMatchObject([
      { resourceName: 'limits.max_page_size', details: { after: { value: null, version: 0 } } },
    ]);
  });
});
