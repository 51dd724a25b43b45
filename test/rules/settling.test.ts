/** While instances do not agree whether Redis is there, who writes waits, and nothing that is kept is used. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { HEARD_MS } from '../../src/coordination/coordination.js';
import { openSettling } from '../../src/core/settling.js';
import type { Interruptions } from '../../src/ephemeral/ephemeral.js';

afterEach(() => vi.useRealTimers());

/** @param tell what becomes of a word to the other members: true when etcd has it, false when nobody can be told */
function open(tell: () => Promise<boolean> = async () => true, degraded = false) {
  vi.useFakeTimers();
  let told: Interruptions = {};
  const said: unknown[] = [];
  const others = { haveRedis: true };
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
  const settling = openSettling({ ephemeral, coordination, monotonic: () => Date.now() });
  const lose = () => told.interrupted?.();
  const restore = () => told.restored?.();
  /** Whether a write that ends now is answered. */
  const write = () => {
    const state = { answered: false };
    void settling.othersKnow().then(() => {
      state.answered = true;
    });
    return state;
  };
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
  return { settling, lose, restore, write, pass, said, others };
}

describe('a write', () => {
  it('is answered at once as long as Redis was not lost', async () => {
    const { write, pass } = open();
    const first = write();
    await pass(0);
    expect(first.answered).toBe(true);
  });

  it('waits after a loss, until Redis is back', async () => {
    const { write, pass, lose, restore } = open();
    lose();
    const first = write();
    await pass(1_000);
    expect(first.answered).toBe(false);
    restore();
    await pass(0);
    expect(first.answered).toBe(true);
  });

  it('waits until all go by what was said, and in a long outage not at all', async () => {
    const { write, pass, lose, said } = open();
    lose();
    expect(said).toEqual([{ redis: false }]);
    const first = write();
    await pass(HEARD_MS - 1);
    expect(first.answered).toBe(false);
    await pass(1);
    expect(first.answered).toBe(true);
    const later = write();
    await pass(0);
    expect(later.answered).toBe(true);
  });

  it('waits for those who hear late, but not for ever', async () => {
    let heard = (_: boolean): void => {};
    const openUnheard = () =>
      open(
        () =>
          new Promise((resolve) => {
            heard = resolve;
          }),
      );
    const late = openUnheard();
    late.lose();
    const first = late.write();
    await late.pass(1_500);
    heard(true);
    await late.pass(HEARD_MS - 1);
    expect(first.answered).toBe(false);
    await late.pass(1);
    expect(first.answered).toBe(true);
    const never = openUnheard();
    never.lose();
    const second = never.write();
    await never.pass(4_999);
    expect(second.answered).toBe(false);
    await never.pass(1);
    expect(second.answered).toBe(true);
  });

  it('of one whom nobody hears waits until others have read of it', async () => {
    const { write, pass, lose } = open(async () => false);
    lose();
    const first = write();
    await pass(2_999);
    expect(first.answered).toBe(false);
    await pass(1);
    expect(first.answered).toBe(true);
  });

  it('waits for the second loss from its beginning, whatever became of the first', async () => {
    const { write, pass, lose, restore, said } = open();
    lose();
    await pass(HEARD_MS - 1);
    restore();
    lose();
    const first = write();
    await pass(HEARD_MS - 1);
    expect(first.answered).toBe(false);
    await pass(1);
    expect(first.answered).toBe(true);
    expect(said).toEqual([{ redis: false }, { redis: true }, { redis: false }]);
  });

  it('waits where Redis was away from the start', async () => {
    const { write, pass, said } = open(undefined, true);
    expect(said).toEqual([{ redis: false }]);
    const first = write();
    await pass(HEARD_MS - 1);
    expect(first.answered).toBe(false);
    await pass(1);
    expect(first.answered).toBe(true);
  });

  it('waits for nobody where Redis was away from the start and nobody can be told', async () => {
    const { write, pass } = open(async () => false, true);
    await pass(1);
    const first = write();
    await pass(0);
    expect(first.answered).toBe(true);
  });

  it('waits for nobody once this process closes', async () => {
    const { settling, write, pass, lose } = open();
    lose();
    const first = write();
    settling.close();
    await pass(0);
    expect(first.answered).toBe(true);
  });
});

it('what is kept is not used for a moment after Redis is back', async () => {
  const { settling, pass, lose, restore } = open();
  expect(settling.settled).toBe(true);
  lose();
  restore();
  expect(settling.settled).toBe(false);
  await pass(3_000);
  expect(settling.settled).toBe(true);
});

it('what is kept is not used while another one is without Redis', () => {
  const { settling, others } = open();
  others.haveRedis = false;
  expect(settling.settled).toBe(false);
  others.haveRedis = true;
  expect(settling.settled).toBe(true);
});
