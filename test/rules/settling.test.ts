/** While an instance is without Redis, a commit there waits until all go by that, and nobody uses what is kept. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openSettling } from '../../src/core/settling.js';
import { FEED_MS } from '../../src/core/unheard.js';
import { DataUnavailableError } from '../../src/data/errors.js';
import type { Interruptions } from '../../src/ephemeral/ephemeral.js';
import { createLogger } from '../../src/log.js';
import { type UnheardTable, unheardTable } from '../support/unheard-table.js';

afterEach(() => vi.useRealTimers());

interface Circumstances {
  readonly table?: UnheardTable;
  readonly degraded?: boolean;
}

function open(circumstances: Circumstances = {}) {
  const { table = unheardTable(), degraded = false } = circumstances;
  vi.useFakeTimers();
  let told: Interruptions = {};
  const said: unknown[] = [];
  const database = { isThere: true };
  const data = table.open(async () => {
    if (!database.isThere) throw new Error('the database does not answer');
  });
  const ephemeral = {
    degraded,
    onInterruption(listener: Interruptions) {
      told = listener;
      return () => {};
    },
  };
  const coordination = {
    advertise(about: object) {
      said.push(about);
    },
  };
  const forgetAll = vi.fn(async () => {});
  const settling = openSettling({
    ...{ data, ephemeral, coordination, address: '10.0.0.1:8080', forgetAll },
    ...{ monotonic: () => Date.now(), log: createLogger({ level: 'silent' }) },
  });
  const lose = () => told.interrupted?.();
  const cutOff = () => {
    database.isThere = false;
  };
  const restore = () => told.restored?.();
  /** How long a commit of now has to wait; null as long as it does. */
  const write = () => {
    const began = Date.now();
    const state = { waited: null as number | null, refusal: undefined as unknown };
    void settling
      .beforeCommit()
      .catch((error: unknown) => {
        state.refusal = error;
      })
      .finally(() => {
        state.waited = Date.now() - began;
      });
    return state;
  };
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
  /** As the follower of the change feed does. */
  const read = async () => (await settling.look())();
  /** The same for a while, as often as it does. */
  const follow = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 1_000) {
      await read();
      await pass(1_000);
    }
    await read();
  };
  return {
    settling,
    lose,
    restore,
    write,
    pass,
    read,
    follow,
    cutOff,
    said,
    forgetAll,
    database,
    data,
    table,
  };
}

describe('a commit', () => {
  it('waits for nothing as long as Redis was not lost', async () => {
    const { write, pass, table } = open();
    const first = write();
    await pass(0);
    expect(first.waited).toBe(0);
    expect(table.rows.size).toBe(0);
  });

  it('waits after a loss, until Redis is back, and then nothing is said any more', async () => {
    const { write, pass, lose, restore, table, said } = open();
    lose();
    const first = write();
    await pass(1_000);
    expect(first.waited).toBeNull();
    expect([...table.rows.values()]).toEqual([{ address: '10.0.0.1:8080', beat: 1n }]);
    restore();
    await pass(0);
    expect(first.waited).toBe(1_000);
    expect(table.rows.size).toBe(0);
    expect(said).toEqual([{ redis: false }, { redis: true }]);
  });

  it('waits until all go by what was said, and in a long outage not at all', async () => {
    const { write, pass, lose } = open();
    lose();
    await pass(0);
    const first = write();
    await pass(FEED_MS);
    expect(first.waited).toBe(FEED_MS);
    for (let minute = 0; minute < 3; minute += 1) {
      await pass(60_000);
      const later = write();
      await pass(0);
      expect(later.waited).toBe(0);
    }
  });

  it('is refused when nothing can be said, and waits when it could be at last', async () => {
    const { write, pass, lose, database } = open();
    database.isThere = false;
    lose();
    await pass(60_000);
    const first = write();
    await pass(2 * FEED_MS);
    expect(first).toMatchObject({ waited: 2 * FEED_MS, refusal: expect.any(DataUnavailableError) });
    database.isThere = true;
    const second = write();
    await pass(2_000 + FEED_MS);
    expect(second.waited).toBeGreaterThanOrEqual(FEED_MS);
    expect(second.refusal).toBeUndefined();
    const later = write();
    await pass(0);
    expect(later.waited).toBe(0);
  });

  it('is refused at once where the database is known to be away, and was not told before', async () => {
    const { write, pass, lose, database, data } = open();
    database.isThere = false;
    Object.assign(data, { available: false });
    lose();
    const first = write();
    await pass(0);
    expect(first).toMatchObject({ waited: 0, refusal: expect.any(DataUnavailableError) });
  });

  it('waits again when it could not be said for a while, or somebody took that away', async () => {
    const { write, pass, lose, database, table, data } = open();
    lose();
    await pass(10_000);
    database.isThere = false;
    await pass(9_000);
    const silent = write();
    await pass(1_000);
    expect(silent.waited).toBeNull();
    database.isThere = true;
    await pass(10_000);
    expect(silent).toMatchObject({ waited: expect.any(Number), refusal: undefined });
    for (const id of table.rows.keys()) await data.db.$executeRaw`DELETE ${id}`;
    await pass(2_000);
    const anew = write();
    await pass(FEED_MS);
    expect(anew.waited).toBeGreaterThan(0);
  });

  it('waits for nobody while it is in memory, and for all when PostgreSQL takes its place', async () => {
    const { write, pass, lose, data, table } = open();
    data.kind = 'memory';
    lose();
    await pass(10_000);
    const first = write();
    await pass(0);
    expect(first.waited).toBe(0);
    expect(table.rows.size).toBe(0);
    data.kind = 'postgres';
    const second = write();
    await pass(FEED_MS - 1);
    expect(second.waited).toBeNull();
    await pass(2_000);
    expect(second.waited).toBeGreaterThanOrEqual(FEED_MS);
  });

  it('waits for the second loss from its beginning, whatever became of the first', async () => {
    const { write, pass, lose, restore, table } = open();
    lose();
    await pass(FEED_MS - 1);
    restore();
    lose();
    const first = write();
    await pass(FEED_MS);
    expect(first.waited).toBe(FEED_MS);
    expect(table.rows.size).toBe(1);
  });

  it('waits where Redis was away from the start', async () => {
    const { write, pass, said } = open({ degraded: true });
    expect(said).toEqual([{ redis: false }]);
    const first = write();
    await pass(FEED_MS);
    expect(first.waited).toBe(FEED_MS);
  });

  it('waits with as many others as there are', async () => {
    const { write, pass, lose } = open();
    lose();
    const all = Array.from({ length: 50 }, write);
    await pass(FEED_MS);
    expect(all.map(({ waited }) => waited)).toEqual(all.map(() => FEED_MS));
  });

  it('waits for nobody once this process closes, and nothing is said any more', async () => {
    const { settling, write, pass, lose, table } = open();
    lose();
    const first = write();
    await pass(1);
    await settling.close();
    expect(first.waited).toBe(1);
    expect(table.rows.size).toBe(0);
  });
});

describe('what is kept', () => {
  it('is not used before the change feed was read, nor when that was so long ago that others wait no more', async () => {
    const { settling, pass, read } = open();
    expect(settling.settled).toBe(false);
    await read();
    expect(settling.settled).toBe(true);
    await pass(FEED_MS - 1);
    expect(settling.settled).toBe(false);
  });

  it('is void when this process begins, and not used before', async () => {
    const { settling, read, forgetAll } = open();
    forgetAll.mockImplementation(async () => expect(settling.settled).toBe(false));
    await read();
    expect(forgetAll).toHaveBeenCalledTimes(1);
    expect(settling.settled).toBe(true);
    await read();
    expect(forgetAll).toHaveBeenCalledTimes(1);
  });

  it('is void after Redis was away, though a look was on its way then, and not used before those have ended who wrote at that moment', async () => {
    const { settling, read, follow, lose, restore, table, forgetAll } = open();
    await follow(2_000);
    table.transactions.add('801');
    await follow(2_000);
    expect(settling.settled).toBe(true);
    const late = await settling.look();
    lose();
    restore();
    expect(settling.settled).toBe(false);
    await late();
    expect(settling.settled).toBe(false);
    await follow(2_000);
    expect(settling.settled).toBe(false);
    table.transactions.delete('801');
    forgetAll.mockClear();
    await read();
    expect(settling.settled).toBe(true);
    expect(forgetAll).toHaveBeenCalledTimes(1);
  });

  it('is not used while another one is without Redis, and is void before it is used again', async () => {
    const { settling, table, read, forgetAll } = open();
    const other = open({ table });
    await read();
    other.lose();
    await other.pass(0);
    const told = settling.look();
    await told;
    expect(settling.settled).toBe(false);
    await (await told)();
    expect(settling.settled).toBe(false);
    other.restore();
    await other.pass(0);
    forgetAll.mockClear();
    forgetAll.mockImplementation(async () => expect(settling.settled).toBe(false));
    await read();
    expect(settling.settled).toBe(true);
    expect(forgetAll).toHaveBeenCalledTimes(1);
    await read();
    expect(forgetAll).toHaveBeenCalledTimes(1);
  });

  it('is used again when one that was without Redis has not been heard of for a while, and that one is forgotten', async () => {
    const { settling, table, read, follow, forgetAll } = open();
    const other = open({ table });
    other.lose();
    await other.pass(0);
    other.database.isThere = false;
    await read();
    forgetAll.mockClear();
    await follow(8_000);
    expect([settling.settled, table.rows.size]).toEqual([false, 1]);
    await follow(3_000);
    expect([settling.settled, table.rows.size]).toEqual([true, 0]);
    expect(forgetAll).toHaveBeenCalledTimes(1);
  });

  it('is left to those who have Redis to make void: one that has none does not remove what says so', async () => {
    const without = open({ degraded: true });
    const { table, database } = without;
    const other = open({ table });
    other.lose();
    await other.pass(0);
    other.database.isThere = false;
    await without.follow(59 * 60_000);
    expect(table.rows.size).toBe(2);
    await without.follow(2 * 60_000);
    expect(table.rows.size).toBe(1); // its own

    const another = open({ table });
    another.lose();
    await another.pass(0);
    another.database.isThere = false;
    const third = open({ table });
    await third.read();
    database.isThere = false;
    await third.follow(12_000);
    expect(table.rows.size).toBe(0);
    expect(third.settling.settled).toBe(true);
  });

  it('is not used while a transaction has been writing for longer than a COMMIT is announced for', async () => {
    const { settling, table, follow, forgetAll } = open();
    await follow(2_000);
    forgetAll.mockClear();
    table.transactions.add('801');
    await follow(20_000);
    expect(settling.settled).toBe(true);
    await follow(7_000);
    expect(settling.settled).toBe(false);
    table.transactions.delete('801');
    table.transactions.add('802');
    await follow(1_000);
    expect(settling.settled).toBe(true);
    expect(forgetAll).toHaveBeenCalledTimes(1);
  });

  it.each([
    ['was given up', (other: ReturnType<typeof open>) => other.cutOff()],
    ['is not there any more', (other: ReturnType<typeof open>) => other.restore()],
  ])(
    'is not used until those have ended who were writing when an instance %s',
    async (_, leave) => {
      const { settling, table, follow } = open();
      const other = open({ table });
      other.lose();
      await follow(2_000);
      table.transactions.add('801'); // its COMMIT may be on its way
      leave(other);
      await follow(13_000);
      expect([settling.settled, table.rows.size]).toEqual([false, 0]);
      table.transactions.delete('801');
      await follow(1_000);
      expect(settling.settled).toBe(true);
    },
  );

  it('is not used while one is writing of which it is not known for how long', async () => {
    const { settling, table, read, pass } = open();
    table.transactions.add('801');
    await read();
    expect(settling.settled).toBe(false);
    table.transactions.delete('801');
    await read();
    expect(settling.settled).toBe(true);
    await pass(FEED_MS);
    table.transactions.add('802');
    await read();
    expect(settling.settled).toBe(false);
  });
});
