/** While instances do not agree whether Redis is there, who writes waits, and nothing that is kept is used. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { HEARD_MS } from '../../src/coordination/coordination.js';
import { FEED_MS, openSettling } from '../../src/core/settling.js';
import type { Interruptions } from '../../src/ephemeral/ephemeral.js';

afterEach(() => vi.useRealTimers());

/** @param tell what becomes of a word to the other members: true when etcd has it, false when nobody can be told */
function open(tell: () => Promise<boolean> = async () => true, { degraded = false } = {}) {
  vi.useFakeTimers();
  let told: Interruptions = {};
  const said: unknown[] = [];
  const others = { haveRedis: true, areThere: true, canBeCounted: true };
  const data = {
    async alone() {
      if (!others.canBeCounted) throw new Error('the database does not answer');
      return !others.areThere;
    },
  };
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
      return tell();
    },
    everybodyHasRedis: () => others.haveRedis,
  };
  const settling = openSettling({
    ...{ data, ephemeral, coordination },
    monotonic: () => Date.now(),
  });
  const lose = () => told.interrupted?.();
  const restore = () => told.restored?.();
  /** How long a write that ends now has to wait for its answer; null as long as it does. */
  const write = () => {
    const began = Date.now();
    const state = { waited: null as number | null };
    void settling.othersKnow().then(() => {
      state.waited = Date.now() - began;
    });
    return state;
  };
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
  /** As the follower of the change feed does: what was committed by now is told here. */
  const read = () => settling.feedWasRead(Date.now());
  return { settling, lose, restore, write, pass, read, said, others };
}

describe('a write', () => {
  it('is answered at once as long as Redis was not lost', async () => {
    const { write, pass } = open();
    const first = write();
    await pass(0);
    expect(first.waited).toBe(0);
  });

  it('waits after a loss, until Redis is back', async () => {
    const { write, pass, lose, restore } = open();
    lose();
    const first = write();
    await pass(1_000);
    expect(first.waited).toBeNull();
    restore();
    await pass(0);
    expect(first.waited).toBe(1_000);
  });

  it('waits until all go by what was said, and in a long outage not at all', async () => {
    const { write, pass, lose, said } = open();
    lose();
    expect(said).toEqual([{ redis: false }]);
    const first = write();
    await pass(HEARD_MS);
    expect(first.waited).toBe(HEARD_MS);
    const later = write();
    await pass(0);
    expect(later.waited).toBe(0);
  });

  it.each<readonly [string, () => Promise<boolean>]>([
    ['cannot be told', async () => false],
    ['have not been told yet', () => new Promise(() => {})],
  ])(
    'waits until it is read in the change feed, each of them, while others %s',
    async (_, tell) => {
      const { write, pass, lose } = open(tell);
      lose();
      await pass(60_000);
      const first = write();
      await pass(1_000);
      const second = write();
      await pass(10_000);
      expect([first.waited, second.waited]).toEqual([FEED_MS, FEED_MS]);
    },
  );

  it('waits no longer once it could be said after all', async () => {
    let reachable = false;
    const { write, pass, lose, said } = open(async () => reachable);
    lose();
    await pass(10_000);
    reachable = true;
    await pass(2_000 + HEARD_MS);
    expect(said.length).toBeGreaterThan(2);
    const later = write();
    await pass(0);
    expect(later.waited).toBe(0);
  });

  it('waits for nobody where nobody else is, and for others where that cannot be known', async () => {
    const { write, pass, lose, others } = open(async () => false);
    others.areThere = false;
    lose();
    const alone = write();
    await pass(0);
    others.canBeCounted = false;
    const unsure = write();
    await pass(FEED_MS);
    expect([alone.waited, unsure.waited]).toEqual([0, FEED_MS]);
  });

  it('waits for the second loss from its beginning, whatever became of the first', async () => {
    const { write, pass, lose, restore, said } = open();
    lose();
    await pass(HEARD_MS - 1);
    restore();
    lose();
    const first = write();
    await pass(HEARD_MS);
    expect(first.waited).toBe(HEARD_MS);
    expect(said).toEqual([{ redis: false }, { redis: true }, { redis: false }]);
  });

  it('waits where Redis was away from the start', async () => {
    const { write, pass, said } = open(undefined, { degraded: true });
    expect(said).toEqual([{ redis: false }]);
    const first = write();
    await pass(HEARD_MS);
    expect(first.waited).toBe(HEARD_MS);
  });

  it('waits for nobody once this process closes', async () => {
    const { settling, write, pass, lose } = open();
    lose();
    const first = write();
    await pass(1);
    settling.close();
    await pass(0);
    expect(first.waited).toBe(1);
  });
});

describe('what is kept', () => {
  it('is not used for a moment after Redis is back', async () => {
    const { settling, pass, read, lose, restore } = open();
    read();
    expect(settling.settled).toBe(true);
    lose();
    restore();
    expect(settling.settled).toBe(false);
    await pass(3_000);
    read();
    expect(settling.settled).toBe(true);
  });

  it('is not used while another one is without Redis', () => {
    const { settling, read, others } = open();
    read();
    others.haveRedis = false;
    expect(settling.settled).toBe(false);
    others.haveRedis = true;
    expect(settling.settled).toBe(true);
  });

  it('is not used before the change feed was read, nor when that was so long ago that others wait no more', async () => {
    const { settling, pass, read } = open();
    expect(settling.settled).toBe(false);
    read();
    expect(settling.settled).toBe(true);
    await pass(FEED_MS - 1);
    expect(settling.settled).toBe(false);
  });
});
