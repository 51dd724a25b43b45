/** The ephemeral port while Redis is away: killed, frozen, without a permission. What is kept, what fails at once, and that it heals. */
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Ephemeral } from '../../src/ephemeral/ephemeral.js';
import { EphemeralUnavailableError } from '../../src/ephemeral/errors.js';
import { ephemeralKeys } from '../../src/ephemeral/keys.js';
import { openEphemeral } from '../../src/ephemeral/open.js';
import { createLogger } from '../../src/log.js';
import { healed, lost, redisConfig, type redisOptions } from '../support/redis-config.js';
import { type RedisHandle, startRedis } from '../support/services/redis.js';
import { until } from '../support/until.js';

const silent = createLogger({ level: 'silent' });
const COMMAND_TIMEOUT_MS = 200;
const HEARTBEAT_MS = 100;
const LONG_MS = 600_000;
const overrides = { commandTimeoutMs: COMMAND_TIMEOUT_MS, connectTimeoutMs: 1_000 };

let server: RedisHandle;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.dispose());

describe('the port', () => {
  const opened: Ephemeral[] = [];
  async function open(changes: Partial<ReturnType<typeof redisOptions>> = {}): Promise<Ephemeral> {
    const config = redisConfig(server, { ...overrides, ...changes });
    const ephemeral = await openEphemeral(config, silent, { heartbeatMs: HEARTBEAT_MS });
    opened.push(ephemeral);
    return ephemeral;
  }
  let one: Ephemeral;
  let other: Ephemeral;
  beforeEach(async () => {
    one = await open();
    other = await open();
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((ephemeral) => ephemeral.close()));
    server.resume();
    await server.restart();
  });

  it.each([
    ['killed', () => server.kill(), () => server.restart()],
    ['frozen', async () => server.pause(), async () => server.resume()],
  ])('that was %s keeps what is written meanwhile, and tells Redis', async (_how, end, begin) => {
    const [session, ended, missing] = ['written', 'ended', 'missing'].map(ephemeralKeys.session);
    await one.set(ended as string, 'v', LONG_MS);
    await end();
    await one.set(session as string, 'mine', LONG_MS);
    await lost(one);
    expect(await one.get(session as string)).toBe('mine');
    await expect(one.delete(ended as string)).rejects.toThrow(EphemeralUnavailableError);
    expect(await one.get(ended as string)).toBeNull();
    await expect(one.get(missing as string)).rejects.toThrow(EphemeralUnavailableError);
    await begin();
    await Promise.all([healed(one), healed(other)]);
    expect(await other.get(session as string)).toBe('mine');
    expect([await other.get(ended as string), await one.get(missing as string)]).toEqual([
      null,
      null,
    ]);
  });

  it('says once what is wrong while it stays away, however often it looks, and anew the next time', async () => {
    const said: string[] = [];
    const write = (line: string) => said.push(JSON.parse(line).err?.message ?? 'no reason');
    const log = createLogger({ level: 'error' }, { write });
    const config = redisConfig(server, overrides);
    const ephemeral = await openEphemeral(config, log, { heartbeatMs: HEARTBEAT_MS });
    opened.push(ephemeral);
    let looks = 0;
    const fails = async () => {
      await ephemeral.get(ephemeralKeys.session('x')).catch(() => (looks += 1));
      return looks > 200; // some seconds, in which the client tries to connect many times
    };
    for (const times of [1, 2]) {
      await server.kill();
      await until('it has been away for a while', fails);
      const now = said.splice(0);
      expect([times, now]).toEqual([times, [...new Set(now)]]);
      expect(now.length).toBeGreaterThan(0);
      looks = 0;
      await server.restart();
      await healed(ephemeral);
    }
  });

  it('that is frozen costs no caller more than one wait, and later ones none', async () => {
    server.pause();
    const started = performance.now();
    const answers = await Promise.allSettled(
      Array.from({ length: 50 }, () => one.get(ephemeralKeys.session('x'))),
    );
    expect(answers.every(({ status }) => status === 'rejected')).toBe(true);
    const first = performance.now() - started;
    for (let i = 0; i < 50; i += 1)
      await expect(one.get(ephemeralKeys.session('x'))).rejects.toThrow(EphemeralUnavailableError);
    expect(first).toBeLessThan(10 * COMMAND_TIMEOUT_MS);
    expect(performance.now() - started - first).toBeLessThan(10 * COMMAND_TIMEOUT_MS);
  });

  it('never answers from what others may have changed: no cached answer, no generation', async () => {
    const [cached, generation] = [ephemeralKeys.apiCache('f00'), ephemeralKeys.generation('Node')];
    await one.set(cached, 'old', LONG_MS);
    await other.set(generation, 'mark', LONG_MS);
    server.pause();
    await Promise.allSettled([one.get(cached)]);
    await one.set(cached, 'newer', LONG_MS);
    await expect(one.get(cached)).rejects.toThrow(EphemeralUnavailableError);
    await expect(one.getMany([generation])).rejects.toThrow(EphemeralUnavailableError);
    await one.set(generation, 'another mark', LONG_MS);
    server.resume();
    await healed(one);
    expect(await other.get(cached)).toBe('old');
    expect(await other.get(generation)).toBe('another mark');
  });

  it('tells late that a writer is done, and settles no mark that others work under', async () => {
    const key = ephemeralKeys.generation('Node');
    const say = (who: Ephemeral, writer: string, working: boolean) =>
      who.mark([key], {
        ...{ writer, working, settled: `by ${writer}`, unsettled: `${writer} works` },
        ...{ ttlMs: LONG_MS, unsettledMs: LONG_MS },
      });
    await say(one, 'a', true);
    await say(other, 'b', true);
    server.pause();
    await Promise.allSettled([one.get(key), other.get(key)]);
    await say(one, 'a', false);
    server.resume();
    await Promise.all([healed(one), healed(other)]);
    expect(await one.get(key)).toBe('a works');
    await say(other, 'b', false);
    expect(await one.get(key)).toBe('by b');
  });

  it('tells of a writer that began while Redis was away before it is in use again', async () => {
    const key = ephemeralKeys.generation('Cluster');
    const mark = {
      settled: 'settled',
      unsettled: 'unsettled',
      ttlMs: LONG_MS,
      unsettledMs: LONG_MS,
    };
    await other.mark([key], { ...mark, writer: 'b', working: false });
    server.pause();
    await one.mark([key], { ...mark, writer: 'a', working: true });
    server.resume();
    await Promise.all([healed(one), healed(other)]);
    expect(await other.get(key)).toBe('unsettled');
  });

  it('goes on telling its own listeners, and tells the others late rather than never', async () => {
    const [near, far]: string[][] = [[], []];
    const happened: string[] = [];
    await one.subscribe('c', (message) => near?.push(message));
    await other.subscribe('c', (message) => far?.push(message));
    one.onInterruption({
      interrupted: () => happened.push('interrupted'),
      restored: () => happened.push('restored'),
    });
    await server.kill();
    await lost(one);
    await one.publish('c', 'during');
    expect(near).toEqual(['during']);
    await server.restart();
    await Promise.all([healed(one), healed(other)]);
    await one.publish('c', 'after');
    await until('the last message', () => near?.includes('after') && far?.includes('after'));
    expect(happened).toEqual(['interrupted', 'restored']);
  });

  it('of many written keys loses none when Redis comes back in the middle of the writing', async () => {
    await server.kill();
    await lost(one);
    const keys = Array.from({ length: 2_000 }, (_, i) => ephemeralKeys.session(`many-${i}`));
    let back: Promise<void> | null = null;
    for (const [i, key] of keys.entries()) {
      if (i === 500) back = server.restart();
      await one.set(key, 'v', LONG_MS);
      if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await back;
    await Promise.all([healed(one), healed(other)]);
    expect((await other.getMany(keys)).filter((value) => value === null)).toEqual([]);
  });

  it('without the permission to subscribe goes on without Redis, until it has it', async () => {
    const admin = new Redis(server.port, server.host, { password: server.password });
    const password = randomBytes(8).toString('hex');
    const rules = ['on', `>${password}`, '~*', '&*', '+@all', '-subscribe'];
    await admin.call('ACL', 'SETUSER', 'limited', ...rules);
    const limited = await open({ username: 'limited', password });
    await limited.subscribe('c', () => {});
    await lost(limited);
    await limited.set(ephemeralKeys.session('s'), 'v', LONG_MS);
    expect(await limited.get(ephemeralKeys.session('s'))).toBe('v');
    await admin.call('ACL', 'SETUSER', 'limited', '+subscribe');
    await healed(limited);
    expect(await one.get(ephemeralKeys.session('s'))).toBe('v');
    admin.disconnect();
  });

  it('with a wrong password starts without Redis, and says why', async () => {
    const limited = await open({ password: 'wrong' });
    expect(limited.degraded).toBe(true);
    await expect(limited.get('k')).rejects.toThrow(/WRONGPASS/);
  });
});
