/** What may be sealed on a server where many write at once: nothing that an entry could still come into. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { auditSealer } from '../../src/controllers/audit-keeper.js';
import type { TermServices } from '../../src/controllers/runner.js';
import { verifyAudit } from '../../src/core/audit-verify.js';
import type { Data, Tx } from '../../src/data/client.js';
import { newId } from '../../src/ids.js';
import { openTestData } from '../support/app.js';
import { until } from '../support/until.js';
import { silent } from './data-fixtures.js';

let data: Data;
beforeAll(async () => {
  data = await openTestData('postgres');
});
afterAll(() => data.close());

const write = (tx: Tx, username: string) =>
  tx.auditEntry.create({ data: { id: newId(), username, action: 'a.b', resourceType: 'X' } });

function gate() {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

it('an entry whose position was drawn before those that are committed is waited for, and sealed in its place', async () => {
  const sealer = auditSealer();
  const round = () =>
    sealer.run(
      { data, log: silent } as unknown as TermServices,
      () => true,
      new AbortController().signal,
      new Date(),
    );
  const [early, late] = [gate(), gate()];
  const slow = data.transaction(async (tx) => {
    await write(tx, 'slow');
    early.open();
    await late.opened;
  });
  await early.opened;
  await data.transaction((tx) => write(tx, 'fast'));
  await round();
  await round();
  expect(await verifyAudit(data.db)).toMatchObject({ seals: 0, unsealed: 1 });
  late.open();
  await slow;
  await until('nothing is at work that began before', async () => {
    await round();
    return (await verifyAudit(data.db)).seals > 0;
  });
  expect(await verifyAudit(data.db)).toMatchObject({
    ...{ seals: 1, entries: 2, unsealed: 0, faultCount: 0 },
  });
  const order = await data.db.auditEntry.findMany({ orderBy: { seq: 'asc' } });
  expect(order.map(({ username }) => username)).toEqual(['slow', 'fast']);
});
