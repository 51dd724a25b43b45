/** The life of a task. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TaskStatus } from '../../src/gen/client/enums.js';
import {
  ended,
  isUnfinished,
  progressed,
  SUCCESS,
  UNFINISHED,
} from '../../src/modules/task/rules.js';

const NOW = new Date('2026-05-04T09:00:00Z');
const EARLIER = new Date('2026-05-04T08:00:00Z');
const failure = (errorMessage: string) =>
  ({ status: 'FAILED', errorCode: 'AGENT', errorMessage }) as const;

describe('a task', () => {
  it('is unfinished while it waits or runs, and in no other status', () => {
    const unfinished = Object.values(TaskStatus).filter(isUnfinished);
    expect(unfinished).toEqual(['PENDING', 'RUNNING']);
    expect([...UNFINISHED]).toEqual(unfinished);
  });

  it('that succeeds is complete, whatever progress it had reported', () => {
    expect(ended({ progressPercent: 40, startedAt: EARLIER }, SUCCESS, NOW)).toEqual({
      status: 'SUCCEEDED',
      errorCode: null,
      errorMessage: null,
      progressPercent: 100,
      startedAt: EARLIER,
      finishedAt: NOW,
    });
  });

  it('that fails keeps the progress it had, and says why', () => {
    const columns = ended({ progressPercent: 40, startedAt: EARLIER }, failure('no space'), NOW);
    expect(columns).toMatchObject({
      status: 'FAILED',
      progressPercent: 40,
      errorMessage: 'no space',
    });
  });

  it('that ends before anybody saw it begin has begun when it ended', () => {
    expect(ended({ progressPercent: 0, startedAt: null }, SUCCESS, NOW).startedAt).toBe(NOW);
  });

  it('keeps as much of a long reason as its column holds', () => {
    const columns = ended({ progressPercent: 0, startedAt: null }, failure('x'.repeat(5_000)), NOW);
    expect(columns.errorMessage).toHaveLength(1_000);
  });
});

describe('progress', () => {
  it.each([
    [0, null, 0],
    [0, 0.9, 0],
    [10, 42.7, 42],
    [50, 20, 50],
    [0, 100, 99],
    [0, 1_000, 99],
    [0, -5, 0],
    [30, null, 30],
  ])('known %i, reported %s: %i', (known, reported, expected) => {
    expect(progressed(known, reported)).toBe(expected);
  });

  it('is a whole number that only rises and never reaches 100, whatever is reported', () => {
    const reports = fc.array(fc.option(fc.double({ noNaN: true }), { nil: null }));
    fc.assert(
      fc.property(reports, (reported) => {
        let known = 0;
        for (const value of reported) {
          const next = progressed(known, value);
          expect(Number.isInteger(next)).toBe(true);
          expect(next).toBeGreaterThanOrEqual(known);
          expect(next).toBeLessThan(100);
          known = next;
        }
      }),
    );
  });
});
