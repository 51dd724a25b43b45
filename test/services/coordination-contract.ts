/** What every adapter of the coordination port does, said once: run with each of them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Coordination,
  type Lock,
  LockBusyError,
  type LockRequest,
  SettingConflictError,
} from '../../src/coordination/coordination.js';
import { until } from '../support/until.js';

/** Two members of one system; the same object twice where there can only be one. */
export interface Members {
  readonly one: Coordination;
  readonly other: Coordination;
  close(): Promise<void>;
}

const PATIENT_MS = 10_000;

/** @param open makes members; those of different calls may meet at the same servers */
export function coordinationContract(name: string, open: () => Promise<Members>): void {
  describe(`coordination: ${name}`, () => {
    let members: Members;
    let one: Coordination;
    let other: Coordination;
    beforeAll(async () => {
      members = await open();
      ({ one, other } = members);
    });
    afterAll(() => members.close());

    let count = 0;
    const fresh = () => `vm/contract-${++count}`;
    const ask = (holder: string, waitMs = PATIENT_MS, signal?: AbortSignal): LockRequest => ({
      holder,
      waitMs,
      ...(signal ? { signal } : {}),
    });
    /** Everything that was asked before has been heard when this comes back. */
    const roundTrip = async (): Promise<void> =>
      (await other.lock(fresh(), ask('round trip'))).release();
    /** A request that waits, and whether it has been granted. */
    const waiting = (member: Coordination, resource: string, request: LockRequest) => {
      const state = { granted: false, lock: member.lock(resource, request) };
      state.lock.then(
        () => {
          state.granted = true;
        },
        () => undefined,
      );
      return state;
    };
    const busy = async (attempt: Promise<Lock>): Promise<LockBusyError> => {
      const error = await attempt.then(
        () => null,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(LockBusyError);
      return error as LockBusyError;
    };

    describe('a lock', () => {
      it('is to be had by one at a time, on whichever member', async () => {
        const resource = fresh();
        const lock = await one.lock(resource, ask('first'));
        const second = waiting(other, resource, ask('second'));
        await roundTrip();
        expect(second.granted).toBe(false);
        await lock.release();
        await (await second.lock).release();
        await (await one.lock(resource, ask('third', 0))).release();
      });

      it('goes round in the order in which it was asked for', async () => {
        const resource = fresh();
        const lock = await one.lock(resource, ask('first'));
        const order: string[] = [];
        const turns: Promise<void>[] = [];
        for (const [i, holder] of ['a', 'b', 'c', 'd'].entries()) {
          const turn = (i % 2 ? one : other).lock(resource, ask(holder)).then(async (held) => {
            order.push(holder);
            await held.release();
          });
          turns.push(turn);
          await roundTrip();
        }
        await lock.release();
        await Promise.all(turns);
        expect(order).toEqual(['a', 'b', 'c', 'd']);
      });

      it('never has two holders, however many want it', async () => {
        const resource = fresh();
        let holders = 0;
        let most = 0;
        const turn = async (member: Coordination) => {
          const lock = await member.lock(resource, ask('one of many'));
          holders += 1;
          most = Math.max(most, holders);
          await Promise.resolve();
          holders -= 1;
          await lock.release();
        };
        await Promise.all(Array.from({ length: 40 }, (_, i) => turn(i % 2 ? one : other)));
        expect([most, holders]).toEqual([1, 0]);
      });

      it('is in nobody’s way on another resource, also one whose name begins the same', async () => {
        const resource = fresh();
        const lock = await one.lock(resource, ask('first'));
        for (const name of [`${resource}0`, `${resource}/disk`, resource.slice(0, -1), 'é/ü']) {
          await (await other.lock(name, ask('neighbour', 0))).release();
        }
        await lock.release();
      });

      it('is released once: doing it again does not take it from the next holder', async () => {
        const resource = fresh();
        const lock = await one.lock(resource, ask('first'));
        await lock.release();
        const next = await other.lock(resource, ask('second'));
        await lock.release();
        expect((await busy(one.lock(resource, ask('third', 0)))).holder).toBe('second');
        await next.release();
      });
    });

    describe('waiting', () => {
      it('ends in time, with who holds it and since when', async () => {
        const resource = fresh();
        const lock = await one.lock(resource, ask('alice: virtualMachine.start'));
        const started = performance.now();
        const error = await busy(other.lock(resource, ask('bob', 100)));
        expect(performance.now() - started).toBeGreaterThanOrEqual(95);
        expect(error).toMatchObject({ resource, holder: 'alice: virtualMachine.start' });
        expect(Math.abs(Date.now() - error.since.getTime())).toBeLessThan(PATIENT_MS);
        await lock.release();
      });

      it('of 0 ms tries once', async () => {
        const resource = fresh();
        const lock = await one.lock(resource, ask('first', 0));
        await busy(other.lock(resource, ask('second', 0)));
        await lock.release();
        await (await other.lock(resource, ask('second', 0))).release();
      });

      it('names whoever holds it by then, not who held it at first', async () => {
        const resource = fresh();
        const lock = await one.lock(resource, ask('first'));
        const second = one.lock(resource, ask('second'));
        await roundTrip();
        await lock.release();
        const held = await second;
        expect((await busy(other.lock(resource, ask('third', 0)))).holder).toBe('second');
        await held.release();
      });

      it('ends when the caller goes, and the next in line is not held up by it', async () => {
        const resource = fresh();
        const lock = await one.lock(resource, ask('first'));
        const leaving = new AbortController();
        const second = other.lock(resource, ask('second', PATIENT_MS, leaving.signal));
        const refused = busy(second);
        await roundTrip();
        const third = waiting(one, resource, ask('third'));
        await roundTrip();
        leaving.abort();
        await refused;
        expect(third.granted).toBe(false);
        await lock.release();
        await (await third.lock).release();
      });

      it('does not begin for a caller who has gone already', async () => {
        const resource = fresh();
        const lock = await one.lock(resource, ask('first'));
        await busy(other.lock(resource, ask('second', PATIENT_MS, AbortSignal.abort())));
        await lock.release();
      });

      it('that was in vain leaves no place in the line behind', async () => {
        const resource = fresh();
        const lock = await one.lock(resource, ask('first'));
        await busy(other.lock(resource, ask('second', 20)));
        await lock.release();
        await (await one.lock(resource, ask('third', 0))).release();
      });
    });

    describe('leadership', () => {
      it('is one member’s at most, with a token that stays the same for a term', async () => {
        const leads = () => [...new Set([one, other])].filter((m) => m.leadership()?.valid());
        await until('somebody leads', () => leads().length > 0);
        expect(leads()).toHaveLength(1);
        const [leader] = leads();
        const term = leader?.leadership();
        expect(term?.fencingToken).toBeGreaterThan(0n);
        expect(leader?.leadership()?.fencingToken).toBe(term?.fencingToken);
      });
    });

    describe('members', () => {
      it('are all that live, each with what it says of itself, one of them the leader', async () => {
        const both = new Set([one, other]);
        const members = await until('all are there and one leads', async () => {
          const found = await one.members();
          const ours = found.filter(({ id }) => [...both].some((member) => member.id === id));
          return ours.length === both.size && ours.some(({ leader }) => leader) && ours;
        });
        const leader = [...both].find((member) => member.leadership()?.valid());
        expect(members.filter((member) => member.leader).map(({ id }) => id)).toEqual([leader?.id]);
        expect(members[0]).toMatchObject({ version: '1.2.3' });
        expect(members[0]?.startedAt).toBeInstanceOf(Date);
        expect(await other.members()).toEqual(await one.members());
      });

      it('tell the others their address once they know it', async () => {
        one.advertise({ address: '10.0.0.7:8443' });
        await until('the new address', async () => {
          const found = await other.members();
          return found.some(({ id, address }) => id === one.id && address === '10.0.0.7:8443');
        });
      });

      it('say whether they have Redis; said in a row, the last word is the one that stays', async () => {
        const said = async () => (await other.members()).find(({ id }) => id === one.id);
        const { address } = (await said()) ?? {};
        for (const last of [false, true]) {
          for (const redis of [last, !last, last]) one.advertise({ redis });
          const member = await until('it is known', async () => {
            const now = await said();
            return now?.redis === last && now;
          });
          expect(member).toMatchObject({ address });
          await one.settings.put('said.after', '1');
          expect(await said()).toMatchObject({ redis: last, address });
        }
        await one.settings.delete('said.after');
      });

      it('are available while they can coordinate', async () => {
        await until('both are', () => one.available() && other.available());
      });
    });

    describe('shared settings', () => {
      it('are what was written last, on whichever member, by key', async () => {
        const first = await one.settings.put('limits.b', 'é\n"1"');
        const second = await other.settings.put('limits.a', '2');
        expect(second).toBeGreaterThan(first);
        expect(await other.settings.list()).toEqual([
          { key: 'limits.a', value: '2', revision: second, version: 1 },
          { key: 'limits.b', value: 'é\n"1"', revision: first, version: 1 },
        ]);
        const third = await other.settings.put('limits.b', '3');
        const again = { key: 'limits.b', value: '3', revision: third, version: 2 };
        expect((await one.settings.list())[1]).toEqual(again);
        expect(await one.settings.delete('limits.b')).toBe(true);
        expect(await one.settings.delete('limits.b')).toBe(false);
        expect(await other.settings.delete('limits.a', second)).toBe(true);
        expect(await one.settings.list()).toEqual([]);
      });

      it('that were changed meanwhile are not written over when a revision is expected', async () => {
        const made = await one.settings.put('log.level', 'info', 0n);
        const clash = { key: 'log.level', revision: made };
        await expect(other.settings.put('log.level', 'warn', 0n)).rejects.toMatchObject(clash);
        const next = await other.settings.put('log.level', 'warn', made);
        await expect(one.settings.put('log.level', 'debug', made)).rejects.toMatchObject({
          revision: next,
        });
        await expect(one.settings.delete('log.level', made)).rejects.toThrow(SettingConflictError);
        await one.settings.delete('log.level', next);
        await expect(one.settings.put('log.level', 'debug', next)).rejects.toMatchObject({
          revision: null,
        });
      });

      it('are seen by who watches: as they are, and after each change, until that is stopped', async () => {
        await one.settings.put('cache.ttl', '1');
        const seen: (string | undefined)[] = [];
        const stop = other.settings.watch((all) => seen.push(all.get('cache.ttl')?.value));
        await until('the first look', () => seen.length === 1);
        await one.settings.put('cache.ttl', '2');
        await until('the change', () => seen.at(-1) === '2');
        await one.settings.delete('cache.ttl');
        await until('the deletion', () => seen.length > 2 && seen.at(-1) === undefined);
        stop();
        const heard = seen.length;
        const late: string[] = [];
        const stopSecond = other.settings.watch((all) => late.push(...all.keys()));
        await one.settings.put('cache.late', '3');
        await until('another one hears of it', () => late.includes('cache.late'));
        stopSecond();
        expect(seen).toHaveLength(heard);
        await one.settings.delete('cache.late');
      });
    });

    describe('closing', () => {
      it('ends those who wait, at once', async () => {
        const last = await open();
        const resource = fresh();
        await last.one.lock(resource, ask('first'));
        const refused = busy(last.one.lock(resource, ask('second', 600_000)));
        await last.close();
        await refused;
      });

      it('tells nobody anything any more', async () => {
        const last = await open();
        await last.close();
        last.one.advertise({ redis: false });
        // What it would have sent had its turn before this, and a try anew would have come.
        await new Promise((resolve) => setTimeout(resolve, 300));
        const members = await one.members();
        expect(members.map(({ id }) => id)).not.toContain(last.one.id);
      });

      it('ends the term, and another member leads', async () => {
        const pair = [...new Set([one, other])];
        const leader = await until('somebody leads', () => pair.find((m) => m.leadership()));
        const term = leader.leadership();
        await leader.close();
        expect([term?.valid(), leader.leadership()]).toEqual([false, null]);
        const heir = pair.find((member) => member !== leader);
        if (!heir) return; // alone: nobody inherits
        const next = await until('the other one leads', () => heir.leadership());
        expect(next.cluster).toBe(term?.cluster);
        expect(next.fencingToken).toBeGreaterThan(term?.fencingToken ?? 0n);
      });
    });
  });
}
