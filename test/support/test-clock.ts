/** A clock that a test moves by hand, for the control plane and for simulated nodes alike. */
import type { TimeSource } from '../../src/agent/types.js';
import type { Clock } from '../../src/clock.js';

export interface TestClock extends Clock {
  advance(ms: number): void;
  /** The same time, as the agent's parts want it. */
  readonly source: TimeSource;
}

export function createTestClock(startMs = Date.UTC(2026, 4, 4, 9)): TestClock {
  let nowMs = startMs;
  return {
    now: () => new Date(nowMs),
    monotonic: () => nowMs - startMs,
    advance(ms) {
      nowMs += ms;
    },
    source: { now: () => nowMs },
  };
}
