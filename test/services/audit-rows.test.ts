/** Audit entries are in the table as they were made, on both databases. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { insertEntries, type NewEntry } from '../../src/core/audit-rows.js';
import type { Data } from '../../src/data/client.js';
import { newId } from '../../src/ids.js';
import { openTestData } from '../support/app.js';
import { createSeed } from '../support/seed.js';

const whole = (changes: Partial<NewEntry> = {}): NewEntry => ({
  id: newId(),
  actorId: newId(),
  username: 'zoë',
  credentialKind: 'API_TOKEN',
  credentialId: 'a token',
  action: 'cluster.update',
  resourceType: 'Cluster',
  resourceId: newId(),
  resourceName: 'a "name" \\ with, {all} of it\n\u2028😀',
  projectId: newId(),
  details: { before: null, after: { text: 'é', big: '9007199254740993', list: [1, [true, null]] } },
  ipAddress: '2001:db8::1',
  userAgent: "curl/8'; --",
  requestId: 'r-1',
  status: 'FAILED',
  createdAt: new Date('2026-05-04T09:00:00.123Z'),
  seenBefore: [newId(), newId()],
  seenAfter: [newId()],
  ...changes,
});

describe.each(['memory', 'postgres'] as const)('on %s', (on) => {
  let data: Data;
  beforeAll(async () => {
    data = await openTestData(on);
  });
  afterAll(() => data.close());
  const insert = (entries: readonly NewEntry[]) =>
    data.transaction((tx) => insertEntries(tx, entries));
  const read = (entries: readonly NewEntry[]) =>
    data.db.auditEntry.findMany({
      where: { id: { in: entries.map(({ id }) => id) } },
      orderBy: { seq: 'asc' },
    });

  it('everything that an entry says is there', async () => {
    const made = whole({ userId: (await createSeed(data).user('VIEWER')).uuid });
    await insert([made]);
    const [row] = await read([made]);
    const { txId, seq, ...said } = row ?? expect.fail('it is not there');
    expect([typeof txId, typeof seq]).toEqual(['bigint', 'bigint']);
    expect(said).toEqual(made);
  });

  it('what it does not say is null, and lists and texts are empty', async () => {
    const id = newId();
    const made: NewEntry = {
      ...{ id, username: 'anonymous', action: 'login', resourceType: 'Session', resourceName: '' },
      ...{ details: {}, status: 'DENIED', createdAt: new Date() },
    };
    await insert([made]);
    expect((await read([made]))[0]).toMatchObject({
      ...made,
      ...{ userId: null, actorId: null, credentialKind: null, credentialId: null },
      ...{ resourceId: null, projectId: null, ipAddress: null, userAgent: '', requestId: '' },
      ...{ seenBefore: [], seenAfter: [] },
    });
  });

  it('many keep their order, and one that is there already is left as it is', async () => {
    const made = Array.from({ length: 2_000 }, (_, i) => whole({ requestId: `r-${i}` }));
    await insert(made.slice(0, 1));
    await insert(made.map((entry) => ({ ...entry, action: 'again' })));
    const rows = await read(made);
    expect(rows.map(({ requestId }) => requestId)).toEqual(made.map(({ requestId }) => requestId));
    expect(rows.map(({ action }) => action)).toEqual([
      'cluster.update',
      ...Array.from({ length: 1_999 }, () => 'again'),
    ]);
  });

  it('a text that was cut within a character loses no entry', async () => {
    const cut = 'x😀'.slice(0, 2);
    const made = whole({ resourceName: cut, details: { cut: [cut] } });
    await insert([made]);
    const told = { resourceName: 'x\ufffd', details: { cut: ['x\ufffd'] } };
    expect((await read([made]))[0]).toMatchObject(told);
  });
});
