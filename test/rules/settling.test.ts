/** While instances do not agree whether Redis is there, who writes waits, and nothing that is kept is used. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openSettling } from '../../src/core/settling.js';
import type { Interruptions } from '../../src/ephemeral/ephemeral.js';
import { openInProcessEphemeral } from '../../src/ephemeral/in-process.js';

afterEach(() => vi.useRealTimers());

function open() {
  vi.useFakeTimers();
  let told: Interruptions = {};
  const ephemeral = {
    ...openInProcessEphemeral(),
    onInterruption(listener: Interruptions) {
      told = listener;
      return () => {};
    },
  };
  const settling = openSettling(ephemeral, () => Date.now());
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
  return { settling, lose, restore, write, pass };
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

  it('waits no longer than others need to notice, and in a long outage not at all', async () => {
    const { write, pass, lose } = open();
    lose();
    const first = write();
    await pass(2_999);
    expect(first.answered).toBe(false);
    await pass(1);
    expect(first.answered).toBe(true);
    const later = write();
    await pass(0);
    expect(later.answered).toBe(true);
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
