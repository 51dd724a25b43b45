/** Closing a database that is still being read: nothing hangs, and whoever comes too late is told. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Data } from '../../src/data/client.js';
import { openTestData } from '../support/app.js';

describe.each(['memory', 'postgres'] as const)('the database (%s)', (kind) => {
  let data: Data;
  beforeAll(async () => {
    data = await openTestData(kind);
  });
  afterAll(() => data.close());

  it('is closed when running reads are done; those that come later are refused', async () => {
    const outcome = (work: Promise<unknown>) =>
      work.then(
        () => 'done',
        (error: Error) => error.constructor.name,
      );
    const reads = Array.from({ length: 20 }, (_, n) =>
      outcome(data.db.user.findMany({ take: n + 1 })),
    );
    const pings = Array.from({ length: 5 }, () => outcome(data.ping()));
    const closed = data.close();
    const late = outcome(data.db.user.count());
    await closed;
    for (const result of await Promise.all([...reads, ...pings]))
      expect(['done', 'DataUnavailableError']).toContain(result);
    expect(await Promise.all([late, outcome(data.ping())])).toEqual([
      'DataUnavailableError',
      'DataUnavailableError',
    ]);
    expect(await outcome(data.transaction((tx) => tx.user.count()))).toBe('DataUnavailableError');
  });
});
