/** The queue between what happens and one slow subscriber: bounded, newest value wins, nothing forgotten in silence. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type LatestQueue, latestQueue } from '../../src/core/live.js';

function open(maxKeys = 3) {
  let ends = 0;
  const queue = latestQueue<string>({
    maxKeys,
    overflow: () => ({ key: '', value: 'RESYNC' }),
    onEnd: () => {
      ends += 1;
    },
  });
  return { queue, ends: () => ends };
}

async function take(queue: LatestQueue<string>) {
  const { done, value } = await queue.next();
  return done ? null : value;
}

describe('a subscriber that keeps up', () => {
  it('gets every value, in the order in which they came', async () => {
    const { queue } = open();
    for (const key of ['b', 'a', 'b']) {
      queue.push(key, `${key}!`);
      expect(await take(queue)).toEqual({ key, value: `${key}!`, dropped: 0 });
    }
  });

  it('is woken by a value that comes while it waits', async () => {
    const { queue } = open();
    const waiting = take(queue);
    queue.push('a', '1');
    expect(await waiting).toEqual({ key: 'a', value: '1', dropped: 0 });
  });
});

describe('a subscriber that does not keep up', () => {
  it('gets the newest value of each key, and the number of those before it', async () => {
    const { queue } = open();
    for (const value of ['1', '2', '3']) queue.push('a', value);
    queue.push('b', '1');
    expect(await take(queue)).toEqual({ key: 'a', value: '3', dropped: 2 });
    expect(await take(queue)).toEqual({ key: 'b', value: '1', dropped: 0 });
  });

  it('keeps the place of a key that changes again, so that no key starves behind a busy one', async () => {
    const { queue } = open();
    queue.push('a', '1');
    queue.push('b', '1');
    queue.push('a', '2');
    expect((await take(queue))?.key).toBe('a');
  });

  it('is told to read afresh when too many keys wait, with everything that was forgotten counted', async () => {
    const { queue } = open(3);
    for (const key of ['a', 'b', 'b', 'c', 'd']) queue.push(key, key);
    expect(queue.size()).toBe(1);
    expect(await take(queue)).toEqual({ key: '', value: 'RESYNC', dropped: 5 });
  });

  it('gets what happens after the overflow, and counts on when it overflows once more', async () => {
    const { queue } = open(2);
    for (const key of ['a', 'b', 'c', 'd']) queue.push(key, key);
    expect(await take(queue)).toEqual({ key: '', value: 'RESYNC', dropped: 3 });
    expect(await take(queue)).toEqual({ key: 'd', value: 'd', dropped: 0 });
    for (const key of ['a', 'b', 'c', 'd', 'e']) queue.push(key, key);
    expect(await take(queue)).toEqual({ key: '', value: 'RESYNC', dropped: 5 });
    expect(queue.size()).toBe(0);
  });
});

describe('the end', () => {
  it('by the source ends a subscriber that waits', async () => {
    const { queue, ends } = open();
    const waiting = take(queue);
    queue.end();
    expect(await waiting).toBeNull();
    expect(ends()).toBe(1);
  });

  it('by the subscriber ends its own waiting call, and forgets what waits', async () => {
    const { queue, ends } = open();
    queue.push('a', '1');
    await queue.return?.();
    expect([queue.size(), ends(), await take(queue)]).toEqual([0, 1, null]);
  });

  it('is announced once, and nothing is taken in afterwards', async () => {
    const { queue, ends } = open();
    queue.end();
    queue.end();
    await queue.return?.();
    queue.push('a', '1');
    expect([ends(), queue.size(), await take(queue)]).toEqual([1, 0, null]);
  });
});

type Step = { readonly push: string } | 'take';
const anySteps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...'abcdefgh').map((push) => ({ push })) },
    { weight: 1, arbitrary: fc.constant('take' as const) },
  ),
  { maxLength: 200 },
);

describe('whatever happens', () => {
  it('memory is bounded, and every value is delivered or counted as dropped', async () => {
    await fc.assert(
      fc.asyncProperty(anySteps, fc.integer({ min: 1, max: 5 }), async (steps, maxKeys) => {
        const { queue } = open(maxKeys);
        let pushed = 0;
        let accounted = 0;
        const account = async () => {
          const item = await take(queue);
          accounted += (item?.dropped ?? 0) + (item?.key === '' ? 0 : 1);
        };
        for (const step of steps) {
          if (step !== 'take') {
            queue.push(step.push, String(pushed++));
            expect(queue.size()).toBeLessThanOrEqual(maxKeys);
          } else if (queue.size() > 0) await account();
        }
        while (queue.size() > 0) await account();
        expect(accounted).toBe(pushed);
      }),
      { numRuns: 500 },
    );
  });

  it('the last value delivered of a key is the last that was pushed, or a resync comes after', async () => {
    await fc.assert(
      fc.asyncProperty(anySteps, async (steps) => {
        const { queue } = open(3);
        const newest = new Map<string, string>();
        const known = new Map<string, string>();
        let count = 0;
        for (const step of steps) {
          if (step === 'take') continue;
          newest.set(step.push, String(++count));
          queue.push(step.push, String(count));
        }
        while (queue.size() > 0) {
          const item = await take(queue);
          if (item?.key === '') for (const [key, value] of newest) known.set(key, value);
          else if (item) known.set(item.key, item.value);
        }
        expect(known).toEqual(newest);
      }),
      { numRuns: 500 },
    );
  });
});
