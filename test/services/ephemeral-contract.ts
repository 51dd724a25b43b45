/** What every adapter of the ephemeral port does, said once: run with each of them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Ephemeral, Mark } from '../../src/ephemeral/ephemeral.js';
import { until } from '../support/until.js';

/** Two clients of one store; the same object twice where there can only be one. */
export interface Clients {
  readonly one: Ephemeral;
  readonly other: Ephemeral;
  close(): Promise<void>;
}

const LONG_MS = 600_000;
const SHORT_MS = 150;

/** @param open makes clients of a store that nobody else uses */
export function ephemeralContract(name: string, open: () => Promise<Clients>): void {
  describe(`ephemeral: ${name}`, () => {
    let clients: Clients;
    let one: Ephemeral;
    let other: Ephemeral;
    beforeAll(async () => {
      clients = await open();
      ({ one, other } = clients);
    });
    afterAll(() => clients.close());

    let count = 0;
    const fresh = (stem = 'key') => `contract:${stem}:${++count}`;
    /** Resolves when whatever was kept for SHORT_MS before this call has certainly expired, without touching it. */
    const shortLifetimeEnds = async () => {
      const canary = fresh('canary');
      await one.set(canary, 'alive', 2 * SHORT_MS);
      await until('the canary has expired', async () => (await one.get(canary)) === null);
    };

    describe('a value', () => {
      it('that nobody set is null', async () => {
        expect(await one.get(fresh())).toBeNull();
      });

      it('is seen by everybody, and the newest wins', async () => {
        const key = fresh();
        await one.set(key, 'first', LONG_MS);
        expect(await other.get(key)).toBe('first');
        await other.set(key, 'second', LONG_MS);
        expect(await one.get(key)).toBe('second');
      });

      it('is claimed by one of those who ask at once, until it expires or is deleted', async () => {
        const key = fresh();
        const claims = [one, other, one].map((client, i) => client.claim(key, `${i}`, LONG_MS));
        const won = await Promise.all(claims);
        expect(won.filter(Boolean)).toEqual([true]);
        expect(await other.get(key)).toBe(String(won.indexOf(true)));
        await one.delete(key);
        expect(await other.claim(key, 'again', SHORT_MS)).toBe(true);
        await shortLifetimeEnds();
        expect(await one.claim(key, 'once more', LONG_MS)).toBe(true);
      });

      it.each([
        ['empty', ''],
        ['beyond ASCII', 'données 🚀\n\u0000'],
        ['like a number', '0042'],
        ['of a megabyte', 'x'.repeat(2 ** 20)],
      ])('that is %s comes back as it was', async (_case, value) => {
        const key = fresh();
        await one.set(key, value, LONG_MS);
        expect((await other.get(key)) === value).toBe(true);
      });

      it('is deleted once', async () => {
        const key = fresh();
        await one.set(key, 'v', LONG_MS);
        expect([await other.delete(key), await one.delete(key)]).toEqual([true, false]);
        expect(await one.get(key)).toBeNull();
      });
    });

    describe('many values', () => {
      it('come in the order in which they were asked for, null where there is none', async () => {
        const [a, absent, b] = [fresh(), fresh(), fresh()];
        await one.set(a, 'A', LONG_MS);
        await one.set(b, 'B', LONG_MS);
        expect(await other.getMany([b, absent, a, b])).toEqual(['B', null, 'A', 'B']);
      });

      it('may be none', async () => {
        expect(await one.getMany([])).toEqual([]);
      });
    });

    describe('a lifetime', () => {
      it('ends', async () => {
        const key = fresh();
        await one.set(key, 'v', SHORT_MS);
        await shortLifetimeEnds();
        expect(await other.get(key)).toBeNull();
        expect(await other.getMany([key])).toEqual([null]);
      });

      it('leaves nothing to delete behind', async () => {
        const key = fresh();
        await one.set(key, 'v', SHORT_MS);
        await shortLifetimeEnds();
        expect(await other.delete(key)).toBe(false);
      });

      it('begins anew when the value is set again', async () => {
        const key = fresh();
        await one.set(key, 'v', SHORT_MS);
        await one.set(key, 'w', LONG_MS);
        await shortLifetimeEnds();
        expect(await one.get(key)).toBe('w');
        await one.set(key, 'x', SHORT_MS);
        await shortLifetimeEnds();
        expect(await one.get(key)).toBeNull();
      });
    });

    describe('a mark', () => {
      const say = (client: Ephemeral, key: string, writer: string, mark: Partial<Mark>) =>
        client.mark([key], {
          ...{ writer, working: false, settled: `by ${writer}`, unsettled: `${writer} works` },
          ...{ ttlMs: LONG_MS, unsettledMs: LONG_MS, ...mark },
        });
      const working = { working: true };

      it('is unsettled while its writer works, and settled after that', async () => {
        const key = fresh();
        await say(one, key, 'a', working);
        expect(await other.get(key)).toBe('a works');
        await say(one, key, 'a', {});
        expect(await other.get(key)).toBe('by a');
        await say(other, key, 'b', {});
        expect(await one.get(key)).toBe('by b');
      });

      it('stays unsettled until the last of several writers is done, whoever comes and goes', async () => {
        const key = fresh();
        await say(one, key, 'a', working);
        await say(other, key, 'b', working);
        expect(await one.get(key)).toBe('b works');
        await say(other, key, 'b', {});
        expect(await one.get(key)).toBe('b works');
        await say(other, key, 'c', {});
        expect(await one.get(key)).toBe('c works');
        await say(other, key, 'b', working);
        await say(one, key, 'a', {});
        expect(await one.get(key)).toBe('a works');
        await say(other, key, 'b', {});
        expect(await one.get(key)).toBe('by b');
      });

      it('waits for a writer that is never done for as long as it said, and then is there no more', async () => {
        const key = fresh();
        const said = [
          say(one, key, 'dead', { working: true, unsettledMs: SHORT_MS }),
          say(one, key, 'b', {}),
          one.get(key),
        ];
        expect((await Promise.all(said))[2]).toBe('b works');
        await shortLifetimeEnds();
        expect(await one.get(key)).toBeNull();
        await say(other, key, 'b', {});
        expect(await one.get(key)).toBe('by b');
      });

      it('does not wait for the dead one any longer because others come and go', async () => {
        const key = fresh();
        await say(one, key, 'dead', { working: true, unsettledMs: SHORT_MS });
        await say(other, key, 'b', working);
        await shortLifetimeEnds();
        await say(other, key, 'b', {});
        expect(await one.get(key)).toBe('by b');
      });

      it('ends when its time is over', async () => {
        const key = fresh();
        await say(one, key, 'a', { ttlMs: SHORT_MS });
        expect(await other.get(key)).toBe('by a');
        await shortLifetimeEnds();
        expect(await other.get(key)).toBeNull();
      });

      it('is written for many at once, each with writers of its own', async () => {
        const [first, second] = [fresh(), fresh()];
        await say(one, second, 'a', working);
        const mark = { writer: 'b', settled: 'settled', unsettled: 'unsettled', working: false };
        await other.mark([first, second], { ...mark, ttlMs: LONG_MS, unsettledMs: LONG_MS });
        expect(await one.getMany([first, second])).toEqual(['settled', 'unsettled']);
        await other.mark([], { ...mark, ttlMs: LONG_MS, unsettledMs: LONG_MS });
      });
    });

    describe('a counter', () => {
      const add = async (client: Ephemeral, key: string, ttlMs: number) =>
        (await client.count(key, ttlMs)).count;

      it('begins at 1, and everybody counts on', async () => {
        const key = fresh();
        const counted = [await add(one, key, LONG_MS), await add(other, key, LONG_MS)];
        expect([...counted, await one.get(key)]).toEqual([1, 2, '2']);
      });

      it('gives no number twice, however many count', async () => {
        const key = fresh();
        const numbers = await Promise.all(
          Array.from({ length: 100 }, (_, i) => add(i % 2 ? one : other, key, LONG_MS)),
        );
        expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
      });

      it('says how long it still lives: what its first count gave it, and no more', async () => {
        const key = fresh();
        const first = await one.count(key, SHORT_MS);
        const second = await other.count(key, LONG_MS);
        expect([first.count, second.count]).toEqual([1, 2]);
        for (const { remainingMs } of [first, second]) {
          expect(remainingMs).toBeGreaterThan(0);
          expect(remainingMs).toBeLessThan(2 * SHORT_MS);
        }
        expect(await add(one, key, LONG_MS)).toBe(3);
      });

      it('that has an end adds all of a step or nothing, and a smaller one may still fit', async () => {
        const key = fresh();
        const spend = async (by: number) => {
          const { count, granted, remainingMs } = await one.count(key, LONG_MS, { by, most: 10 });
          expect(remainingMs).toBeGreaterThan(0);
          return [count, granted];
        };
        expect(await spend(11)).toEqual([0, false]);
        expect(await one.get(key)).toBeNull();
        expect(await spend(7)).toEqual([7, true]);
        expect(await spend(4)).toEqual([7, false]);
        expect(await spend(3)).toEqual([10, true]);
        expect(await spend(1)).toEqual([10, false]);
      });

      it('that has an end never goes beyond it, however many count at once', async () => {
        const key = fresh();
        const steps = await Promise.all(
          Array.from({ length: 50 }, (_, i) =>
            (i % 2 ? one : other).count(key, LONG_MS, { by: 3, most: 100 }),
          ),
        );
        expect(steps.filter(({ granted }) => granted)).toHaveLength(33);
        expect(await one.get(key)).toBe('99');
      });

      it('lives from its first count on: counting does not prolong it', async () => {
        const key = fresh();
        await add(one, key, SHORT_MS);
        await add(one, key, LONG_MS);
        await shortLifetimeEnds();
        expect(await one.get(key)).toBeNull();
        expect(await add(one, key, LONG_MS)).toBe(1);
      });
    });

    describe('a message', () => {
      const listen = async (client: Ephemeral, channel: string) => {
        const heard: string[] = [];
        const stop = await client.subscribe(channel, (message) => heard.push(message));
        return { heard, stop };
      };
      const all = (heard: string[], length: number) =>
        until(`${length} messages`, () => heard.length >= length);

      it('reaches everybody who listens by then, in the order of its sender', async () => {
        const channel = fresh('channel');
        await one.publish(channel, 'too early');
        const [near, far] = [await listen(one, channel), await listen(other, channel)];
        const sent = Array.from({ length: 50 }, (_, i) => `message ${i}`);
        for (const message of sent) await one.publish(channel, message);
        await Promise.all([all(near.heard, 50), all(far.heard, 50)]);
        expect([near.heard, far.heard]).toEqual([sent, sent]);
        await Promise.all([near.stop(), far.stop()]);
      });

      it('does not reach listeners of other channels', async () => {
        const [channel, neighbour] = [fresh('channel'), fresh('channel')];
        const [mine, theirs] = [await listen(one, channel), await listen(one, neighbour)];
        await other.publish(channel, 'mine');
        await other.publish(neighbour, 'theirs');
        await Promise.all([all(mine.heard, 1), all(theirs.heard, 1)]);
        expect([mine.heard, theirs.heard]).toEqual([['mine'], ['theirs']]);
        await Promise.all([mine.stop(), theirs.stop()]);
      });

      it('is not heard any more after unsubscribing, which may be done twice', async () => {
        const channel = fresh('channel');
        const [gone, stays] = [await listen(one, channel), await listen(one, channel)];
        await gone.stop();
        await gone.stop();
        await other.publish(channel, 'v');
        await all(stays.heard, 1);
        expect(gone.heard).toEqual([]);
        await stays.stop();
      });

      it('comes twice to a listener that subscribed twice, and once after one of them ended', async () => {
        const channel = fresh('channel');
        const heard: string[] = [];
        const listener = (message: string): void => void heard.push(message);
        const stops = [
          await one.subscribe(channel, listener),
          await one.subscribe(channel, listener),
        ];
        await other.publish(channel, 'twice');
        await all(heard, 2);
        await stops[0]?.();
        await other.publish(channel, 'once');
        await all(heard, 3);
        expect(heard).toEqual(['twice', 'twice', 'once']);
        await stops[1]?.();
      });

      it('of any size and text arrives as it was', async () => {
        const channel = fresh('channel');
        const { heard, stop } = await listen(other, channel);
        const sent = ['', '{"a":"ü\\u0000"}', '🚀'.repeat(100_000)];
        for (const message of sent) await one.publish(channel, message);
        await all(heard, sent.length);
        expect(heard.map((message, i) => message === sent[i])).toEqual([true, true, true]);
        await stop();
      });
    });
  });
}
