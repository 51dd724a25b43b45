/** What slows attempts down, what is easy to guess, and the keys that sign sessions: without an app. */
import { describe, expect, it } from 'vitest';
import { SessionKeys } from '../../src/core/session-keys.js';
import { openInProcessEphemeral } from '../../src/ephemeral/in-process.js';
import { TooManyAttemptsError } from '../../src/errors.js';
import { createLogger } from '../../src/log.js';
import { requireUnguessable } from '../../src/modules/user/guessable.js';
import { ATTACK, NETWORK, PAIR, PAIR_UNDER_ATTACK, waitMs } from '../../src/modules/user/rules.js';
import { beginAttempt } from '../../src/modules/user/throttle.js';
import { createTestClock } from '../support/test-clock.js';

const HOUR = 3_600_000;

describe('the wait between attempts', () => {
  it.each([
    [PAIR, 5, 0],
    [PAIR, 6, 1_000],
    [PAIR, 7, 2_000],
    [PAIR, 15, 512_000],
    [PAIR, 16, 900_000],
    [PAIR, 1_000_000, 900_000],
    [PAIR_UNDER_ATTACK, 1, 0],
    [PAIR_UNDER_ATTACK, 2, 30_000],
    [NETWORK, 31, 500],
    [NETWORK, 1_000, 5_000],
  ])('of %j is, at the %i., %i ms', (pace, count, expected) => {
    expect(waitMs(count, pace)).toBe(expected);
  });
});

describe('attempts to sign in', () => {
  function place() {
    const clock = createTestClock();
    const ephemeral = openInProcessEphemeral(() => clock.monotonic() + 1);
    const services = { ephemeral, log: createLogger({ level: 'silent' }) };
    const begin = (username: string, address: string) => beginAttempt(services, username, address);
    const fail = async (username: string, address: string) => {
      try {
        await begin(username, address);
        return 0;
      } catch (error) {
        if (error instanceof TooManyAttemptsError) return error.retryAfterMs;
        throw error;
      }
    };
    return { clock, begin, fail };
  }
  const strangers = (from: number, count: number) =>
    Array.from(
      { length: count },
      (_, i) => `203.0.${Math.floor((from + i) / 250)}.${(from + i) % 250}`,
    );

  it('come through one at a time once the free ones are used up, however many come at once', async () => {
    const { clock, fail } = place();
    const crowd = await Promise.all(Array.from({ length: 40 }, () => fail('ada', '192.0.2.1')));
    // The first one to wait for is let through at once, and holds the way.
    expect(crowd.filter((wait) => wait === 0)).toHaveLength(PAIR.free + 1);
    expect(Math.max(...crowd)).toBeGreaterThan(0);
    clock.advance(Math.max(...crowd) + 1);
    expect(await fail('ada', '192.0.2.1')).toBe(0);
    expect(await fail('ada', '192.0.2.1')).toBeGreaterThan(0);
  });

  it('are never refused for longer than a quarter of an hour, and are forgotten after one', async () => {
    const { clock, fail } = place();
    let tried = 0;
    for (let passed = 0; passed < HOUR; ) {
      const wait = await fail('ada', '192.0.2.1');
      expect(wait).toBeLessThanOrEqual(PAIR.longestMs);
      if (wait === 0) tried += 1;
      clock.advance(wait + 1);
      passed += wait + 1;
    }
    expect(tried).toBeLessThan(25);
    clock.advance(HOUR + 1);
    for (let i = 0; i < PAIR.free; i += 1) expect(await fail('ada', '192.0.2.1')).toBe(0);
  });

  it('that are refused do not make anybody wait longer', async () => {
    const { clock, fail } = place();
    for (let i = 0; i <= PAIR.free; i += 1) await fail('ada', '192.0.2.1');
    for (let i = 0; i < 50; i += 1)
      expect(await fail('ada', '192.0.2.1')).toBeLessThanOrEqual(1_000);
    clock.advance(1_001);
    expect(await fail('ada', '192.0.2.1')).toBe(0);
  });

  it('from everywhere keep nobody out who got in from there before, whatever the case of the name', async () => {
    const { fail, begin } = place();
    await (await begin('ada', '192.0.2.1')).succeeded();
    for (const address of strangers(0, 300)) await fail('ADA', address);
    // and its own network is full of failures on others
    for (let i = 0; i < 100; i += 1) await fail(`user-${i}`, '192.0.2.1');
    for (let i = 0; i < PAIR.free; i += 1) expect(await fail('Ada', '192.0.2.1')).toBe(0);
  });

  it('of a crowd of strangers leave a new network one attempt, and make it wait after that', async () => {
    const { fail } = place();
    for (const address of strangers(0, ATTACK + 1)) await fail('ada', address);
    expect(await fail('ada', '198.51.100.7')).toBe(0);
    expect(await fail('ada', '198.51.100.7')).toBe(0); // begins the wait
    expect(await fail('ada', '198.51.100.7')).toBeGreaterThan(20_000);
    expect(await fail('grace', '198.51.100.7')).toBe(0);
  });

  it('on many accounts from one network come slower; all of an IPv6 network are one', async () => {
    const { fail } = place();
    const waits: number[] = [];
    for (let i = 0; i < NETWORK.free + 20; i += 1)
      waits.push(await fail(`user-${i}`, `2001:db8::${i.toString(16)}`));
    expect(waits.slice(0, NETWORK.free).every((wait) => wait === 0)).toBe(true);
    expect(waits.filter((wait) => wait > 0).length).toBeGreaterThan(15);
    expect(await fail('user-1', '2001:db8:0:1::1')).toBe(0);
  });

  it('that succeed make the failures before them forgotten, and count for nothing', async () => {
    const { fail, begin } = place();
    for (let round = 0; round < 20; round += 1) {
      for (let i = 0; i < PAIR.free - 1; i += 1) expect(await fail('ada', '192.0.2.1')).toBe(0);
      await (await begin('ada', '192.0.2.1')).succeeded();
    }
    expect(await fail('grace', '192.0.2.1')).toBe(0);
  });

  it('that could not be judged are none', async () => {
    const { begin } = place();
    for (let i = 0; i < 3 * NETWORK.free; i += 1)
      await (await begin('ada', '192.0.2.1')).withdraw();
  });
});

describe('a new password', () => {
  it.each([
    ['password1234', 'like passwords that many people have'],
    ['Quantix-vDC-2', 'made of the user name'],
    ['ada.lovelace!', 'made of the user name'],
    ['lovelacelovelace', /repeats itself|made of the user name/],
    ['aaaaaaaaaaaaaa', 'repeats one character'],
    ['abcdefghijklm', 'a sequence'],
    ['qwertzuiop123', /keyboard|row of keys|many people/],
    ['iloveyou12345', 'many people'],
    ['passwordpassword', 'repeats itself'],
  ])('%s is easy to guess', async (password, why) => {
    const about = ['ada.lovelace', 'ada@engine.test'];
    await expect(requireUnguessable(password, about, ['password'])).rejects.toThrow(why);
  });

  it.each(['a pigeon under seven hats', 'jKx93nfmw02l', 'pferd батарея 蜂蜜 lampe'])(
    '%s is not',
    async (password) => {
      await requireUnguessable(password, ['ada', 'ada@engine.test'], ['password']);
    },
  );
});

describe('the keys that sign sessions', () => {
  const [one, two] = ['1'.repeat(32), '2'.repeat(40)];

  it('are one a line; the first signs, all are found', () => {
    const keys = new SessionKeys(`\n ${one} \r\n\n${two}\n`);
    const [first, second] = [new SessionKeys(one).newest, new SessionKeys(two).newest];
    expect(keys.newest).toEqual(first);
    expect(keys.find(second.id)).toEqual(second);
    expect(keys.find('0'.repeat(16))).toBeUndefined();
    expect(first.id).not.toContain(one.slice(0, 8));
  });

  it.each([
    ['', 'there is no key in it'],
    ['\n \n', 'there is no key in it'],
    [`${one}\nshort`, 'the key 2 has 5 bytes, and must have at least 32'],
    [`${one}\n${two}\n${one}`, 'the key 3 stands there twice'],
  ])('are refused when they are not good: %j', (text, why) => {
    expect(() => new SessionKeys(text)).toThrow(why);
    const keys = new SessionKeys(two);
    expect(() => keys.replace(text)).toThrow('auth.jwt_secret_file');
    expect(keys.newest).toEqual(new SessionKeys(two).newest);
  });
});
