/** An etcd that was put back to an earlier state counts its revisions anew from there. Somebody leads all the same, and nobody whose term is over writes. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Coordination, Leadership } from '../../src/coordination/coordination.js';
import { openEtcdCoordination } from '../../src/coordination/etcd.js';
import { claimTerm, requireTerm, StaleLeaderError } from '../../src/core/fencing.js';
import type { Data } from '../../src/data/client.js';
import { createTestApp, openTestData, type TestApp } from '../support/app.js';
import { startEtcd } from '../support/services/etcd.js';
import { LOOPBACK } from '../support/services/ports.js';
import type { ServerHandle } from '../support/services/server.js';
import { until } from '../support/until.js';
import { connectionTo, LEASE_MS, surroundings } from './etcd-fixtures.js';

let folder: string;
let etcd: ServerHandle;
let data: Data;
let app: TestApp | undefined;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'etcd-restored-'));
  [etcd, data] = await Promise.all([
    startEtcd({
      flags: {
        'data-dir': join(folder, 'data'),
        // it is started three times: alone, it need not wait long for others
        'heartbeat-interval': '20',
        'election-timeout': '200',
      },
    }),
    openTestData('postgres'),
  ]);
}, 120_000);
afterAll(async () => {
  await app?.stop();
  await data?.close();
  await etcd?.dispose();
  if (folder) await rm(folder, { recursive: true, force: true });
});

const claim = (of: Leadership) => claimTerm(data.db, of, 'somebody', new Date());
const write = (of: Leadership) => data.transaction((tx) => requireTerm(tx, of));
const row = () => data.db.leadership.findFirst();
/** A term of its own that nobody tells of its end, as for somebody who is frozen at this moment. */
const frozen = ({ cluster, fencingToken, disavow }: Leadership): Leadership => ({
  ...{ cluster, fencingToken, disavow },
  valid: () => true,
  end: () => undefined,
});

async function withMember<T>(work: (member: Coordination) => Promise<T>): Promise<T> {
  const member = await openEtcdCoordination(
    { ...connectionTo(etcd.port), requestTimeoutMs: 10_000 },
    surroundings('member'),
  );
  try {
    return await work(member);
  } finally {
    await member.close();
  }
}

it('etcd is put back: a new leader counts within a few leases, without hands, and the frozen one of before is refused', async () => {
  await withMember(async (member) => {
    const term = await until('somebody leads', () => member.leadership());
    await claim(term);
  });
  await etcd.stop();
  await cp(join(folder, 'data'), join(folder, 'backup'), { recursive: true });
  await etcd.restart();
  // Much more happens than a few candidacies make up for.
  const before = await withMember(async (member) => {
    for (let round = 0; round < 10; round += 1)
      await Promise.all(
        Array.from({ length: 20 }, (_, i) => member.settings.put('limits.busy', String(i))),
      );
    const term = await until('somebody leads', () => member.leadership());
    await claim(term);
    await write(term);
    return frozen(term);
  });
  await etcd.stop();
  await rm(join(folder, 'data'), { recursive: true });
  await cp(join(folder, 'backup'), join(folder, 'data'), { recursive: true });
  await etcd.restart();

  app = await createTestApp({
    data,
    config: {
      mode: 'production',
      etcd: { endpoints: [`http://${LOOPBACK}:${etcd.port}`], leaseTtlMs: LEASE_MS },
    },
  });
  const { coordination } = app.app.services;
  app.app.startControllers();
  await until('it has claimed a term', async () => (await row())?.holder === coordination.id);
  const term = await until('it leads', () => coordination.leadership());
  expect(term.fencingToken).toBeLessThan(before.fencingToken);
  expect(term.cluster).not.toBe(before.cluster);
  await write(term);
  await expect(write(before)).rejects.toThrow(StaleLeaderError);
  await write(term);
}, 60_000);

it('whoever is merely late gives nothing another name: etcd has counted as far as the term that is in the way', async () => {
  await app?.stop();
  app = undefined;
  await withMember(async (member) => {
    const late = await until('it leads', () => member.leadership());
    // As another one claims a moment later, while this one still believes to lead.
    const next = await member.settings.put('limits.busy', 'later');
    await claim({ ...frozen(late), fencingToken: next });
    await expect(claim(frozen(late))).rejects.toThrow(StaleLeaderError);
    await expect(claim(late)).rejects.toThrow(StaleLeaderError);
    expect(late.valid()).toBe(false);
    // It leads again, in the same cluster, by a token above the one in the way.
    const again = await until('it leads again', () => member.leadership());
    expect([again.cluster, again.fencingToken > next]).toEqual([late.cluster, true]);
    await claim(again);
    await write(again);
  });
}, 60_000);

it('two terms of one number are of two counts: the second does not count as the first', async () => {
  await withMember(async (member) => {
    const term = await until('it leads', () => member.leadership());
    await claimTerm(data.db, frozen(term), 'one', new Date());
    await claimTerm(data.db, frozen(term), 'one', new Date()); // a claim without an answer is made again
    await expect(claimTerm(data.db, frozen(term), 'other', new Date())).rejects.toThrow(
      StaleLeaderError,
    );
  });
});
