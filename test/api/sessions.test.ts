/** Sessions: seen, ended, idle, planted, and kept when keys are replaced; and passwords that have to be changed. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sessionKeeper } from '../../src/controllers/session-keeper.js';
import { ephemeralKeys } from '../../src/ephemeral/keys.js';
import { decodeGlobalId } from '../../src/ids.js';
import { graphql } from '../gen/gql.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { mutate } from '../support/mutations.js';
import type { Made } from '../support/seed.js';
import { createTestClock } from '../support/test-clock.js';
import { until } from '../support/until.js';

const Mine = graphql(`
  query SessionTestMine {
    viewer { name sessions { id current ipAddress userAgent lastSeenAt createdAt expiresAt } }
  }
`);
const Stream = graphql(`
  subscription SessionTestStream { changes(types: [CLUSTER]) { __typename } }
`);

const clock = createTestClock(Date.now());
let world: TestApp;
let admin: Client;
let user: Made;
beforeAll(async () => {
  world = await createTestApp({ clock });
  await world.seed.user('ADMIN', { username: 'ada' });
  admin = await world.signIn('ada');
});
afterAll(() => world.stop());

const fresh = async (): Promise<Client> => {
  user = await world.seed.user('VIEWER');
  return world.signIn(user.name);
};
const codeOf = async (client: Client) => (await client.answer(Mine)).errors[0]?.extensions.code;
const sessionsOf = async (client: Client) => (await client.run(Mine)).viewer?.sessions ?? [];
const login = (username: string, password: string, more: object = {}) =>
  mutate(world.anonymous, 'login', { username, password, ...more });

describe('sessions', () => {
  it('are seen by their user, each with its moment, and which one asks', async () => {
    const one = await fresh();
    clock.advance(1_000);
    const other = await world.signIn(user.name);
    const [newest, oldest] = await sessionsOf(other);
    expect([newest, oldest]).toMatchObject([{ current: true }, { current: false }]);
    expect(await sessionsOf(one)).toMatchObject([{ current: false }, { current: true }]);
    const { createdAt, expiresAt, lastSeenAt } = newest ?? expect.fail();
    expect(Date.parse(String(expiresAt)) - Date.parse(String(createdAt))).toBe(24 * 3_600_000);
    expect(lastSeenAt).toBe(createdAt);
  });

  it('are ended by their user, one or all others, and by an administrator', async () => {
    const [one, two, three] = [await fresh(), await world.signIn(user.name), await world.signIn(user.name)]; // biome-ignore format: one list
    const own = (await sessionsOf(two)).find(({ current }) => current)?.id ?? '';
    expect(await mutate(one, 'revokeSession', { id: own })).toMatchObject({
      revokedSessionId: own,
    });
    expect([await codeOf(one), await codeOf(two)]).toEqual([undefined, 'UNAUTHENTICATED']);
    await mutate(three, 'revokeOtherSessions', {});
    expect([await codeOf(one), await codeOf(three)]).toEqual(['UNAUTHENTICATED', undefined]);
    const mine = (await sessionsOf(three))[0]?.id ?? '';
    const stranger = await world.signIn((await world.seed.user('OPERATOR')).name);
    expect(await mutate(stranger, 'revokeSession', { id: mine })).toMatchObject({
      code: 'NOT_FOUND',
    });
    expect(await mutate(admin, 'revokeUserSessions', { id: user.id })).toMatchObject({
      user: { id: user.id },
    });
    expect(await codeOf(three)).toBe('UNAUTHENTICATED');
  });

  it('end with what runs in them, at once', async () => {
    const client = await fresh();
    const before = world.app.services.hints.listeners();
    const drained = (async () => {
      for await (const _ of client.subscribe(Stream, {}));
      return true;
    })();
    await until('it follows', async () => world.app.services.hints.listeners() > before);
    await mutate(admin, 'revokeUserSessions', { id: user.id });
    expect(await drained).toBe(true);
  });

  it('that are ended stay so when their record is left over, or written again', async () => {
    const client = await fresh();
    const id = decodeGlobalId((await sessionsOf(client))[0]?.id ?? '')?.id ?? '';
    const key = ephemeralKeys.session(id);
    const record = (await world.app.services.ephemeral.get(key)) ?? expect.fail();
    await mutate(client, 'logout', {});
    await world.app.services.ephemeral.set(key, record, 60_000);
    expect(await codeOf(client)).toBe('UNAUTHENTICATED');
  });

  it('of a user are so many at most; the oldest ends', async () => {
    const client = await fresh();
    const soon = new Date(clock.now().getTime() + 3_600_000);
    const { uuid } = user;
    for (let i = 0; i < 99; i += 1)
      await world.seed.session(user, { createdAt: clock.now(), expiresAt: soon });
    expect(await codeOf(client)).toBeUndefined();
    clock.advance(1_000);
    await world.signIn(user.name);
    expect(await world.data.db.session.count({ where: { userId: uuid } })).toBe(100);
    expect(await codeOf(client)).toBe('UNAUTHENTICATED');
  });

  it('that nobody uses end; use is written down once a minute, and they are forgotten', async () => {
    const used = await fresh();
    const idle = await world.signIn(user.name);
    const { sessionIdleTimeoutMs } = world.app.services.config.auth;
    const seen = async () => (await sessionsOf(used)).find(({ current }) => current)?.lastSeenAt;
    const first = await seen();
    clock.advance(59_000);
    expect(await seen()).toBe(first);
    clock.advance(sessionIdleTimeoutMs - 60_000);
    await seen();
    await until('it was written down', async () => (await seen()) !== first);
    clock.advance(60_000);
    expect([await codeOf(used), await codeOf(idle)]).toEqual([undefined, 'UNAUTHENTICATED']);
    const { services } = world.app;
    const idleId = (await sessionsOf(used)).find(({ current }) => !current)?.id ?? '';
    await services.ephemeral.delete(ephemeralKeys.session(decodeGlobalId(idleId)?.id ?? ''));
    await sessionKeeper.run(services, () => true, new AbortController().signal, clock.now());
    expect(await sessionsOf(used)).toMatchObject([{ current: true }]);
    admin = await world.signIn('ada');
  });
});

describe('a browser', () => {
  const own = { 'content-type': 'application/json', host: 'test', origin: 'http://test' };
  const signIn = async (cookie: string, bearer = '') => {
    const query = `mutation { login(input: { username: "${user.name}", password: "${world.seed.password}" }) { __typename } }`;
    const headers = { ...own, ...(cookie ? { cookie } : {}), ...(bearer ? { authorization: `Bearer ${bearer}` } : {}) }; // biome-ignore format: one value
    const response = await world.anonymous.raw({ method: 'POST', headers, body: JSON.stringify({ query }) }); // biome-ignore format: one call
    return (response.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  };

  it('that signs in gets a new session, and the one that it came with has ended', async () => {
    await fresh();
    const planted = await signIn('');
    const mine = await signIn(planted);
    expect(mine).not.toBe(planted);
    const token = (cookie: string) => world.withToken(cookie.split('=')[1] ?? '');
    expect([await codeOf(token(planted)), await codeOf(token(mine))]).toEqual([
      'UNAUTHENTICATED',
      undefined,
    ]);
    const unknown = await signIn('quantix_session=made.up.token');
    expect(unknown).toMatch(/^quantix_session=ey/);
    // A header beside it speaks for the caller, and the cookie is replaced all the same.
    const bearer = await fresh();
    expect(await signIn(mine, bearer.token ?? '')).not.toBe(mine);
    expect([await codeOf(token(mine)), await codeOf(bearer)]).toEqual([
      'UNAUTHENTICATED',
      undefined,
    ]);
  });
});

describe('a password', () => {
  const next = 'a pigeon under seven hats';

  it('is not for tokens to change, whatever they are for', async () => {
    const owner = await world.seed.user('ADMIN');
    for (const more of [{}, { scopes: ['vm:read'] }]) {
      const script = world.withToken((await world.seed.apiToken(owner, more)).token);
      const input = { currentPassword: world.seed.password, newPassword: next };
      expect(await mutate(script, 'changePassword', input)).toMatchObject({
        lacking: 'SESSION',
        message: 'No token may do this. Sign in with your password.',
      });
    }
  });

  it('has to be changed, says the audit, and nothing of the password', async () => {
    const { id, uuid } = await world.seed.user('VIEWER');
    await mutate(admin, 'setUserPassword', { id, password: next });
    const entry = await world.data.db.auditEntry.findFirst({ where: { resourceId: uuid } });
    const text = JSON.stringify(entry?.details);
    expect(text).toContain('"mustChangePassword":true');
    expect(text).not.toContain('argon2');
    expect(text).not.toContain(next);
  });

  it('is changed by its owner, who shows the present one, and all other sessions end', async () => {
    const [one, other] = [await fresh(), await world.signIn(user.name)];
    const change = (currentPassword: string, newPassword: string) =>
      mutate(one, 'changePassword', { currentPassword, newPassword });
    expect(await change('wrong', next)).toMatchObject({
      code: 'INVALID_CREDENTIALS',
      path: ['currentPassword'],
    });
    expect(await change(world.seed.password, world.seed.password)).toMatchObject({
      code: 'VALIDATION',
      path: ['newPassword'],
    });
    expect(await change(world.seed.password, `${user.name}-${user.name}`)).toMatchObject({
      code: 'VALIDATION',
    });
    expect((await change(world.seed.password, next)).__typename).toBe('ChangePasswordPayload');
    expect([await codeOf(one), await codeOf(other)]).toEqual([undefined, 'UNAUTHENTICATED']);
    expect(await login(user.name, next)).toMatchObject({ __typename: 'LoginPayload' });
  });

  it('that an administrator set ends the sessions, and is good for setting another one alone', async () => {
    const before = await fresh();
    await mutate(admin, 'setUserPassword', { id: user.id, password: next });
    expect(await codeOf(before)).toBe('UNAUTHENTICATED');
    const client = world.withToken(await world.anonymous.login(user.name, next));
    const refused = ['{ viewer { name } }', '{ clusters { totalCount } }', 'mutation { revokeOtherSessions(input: {}) { __typename } }']; // biome-ignore format: one list
    for (const query of refused) {
      const { errors } = await client.answer(query);
      expect(errors[0]?.extensions.code).toBe('PASSWORD_CHANGE_REQUIRED');
    }
    const changed = { currentPassword: next, newPassword: 'seven hats on one pigeon' };
    expect(await mutate(client, 'changePassword', changed)).toMatchObject({
      user: { id: user.id },
    });
    expect(await codeOf(client)).toBeUndefined();
  });

  it('of one’s own is not set without the present one', async () => {
    const { data } = await admin.answer<{ viewer: { user: { id: string } } }, never>(
      '{ viewer { user { id } } }',
    );
    const id = data?.viewer.user.id;
    expect(await mutate(admin, 'setUserPassword', { id, password: next })).toMatchObject({
      code: 'VALIDATION',
      path: ['id'],
    });
  });

  it('that is tried out is slowed down, however many tries one request has', async () => {
    const { name } = await world.seed.user('VIEWER');
    const tries = Array.from(
      { length: 9 },
      (_, i) =>
        `a${i}: login(input: { username: "${name}", password: "${i}" }) { ... on UserError { code } ... on TooManyAttemptsError { retryAfterMs } }`,
    );
    const { data } = await world.anonymous.answer<Record<string, { code: string; retryAfterMs?: number }>, never>(`mutation { ${tries.join(' ')} }`); // biome-ignore format: one call
    const answers = Object.values(data ?? {});
    expect(answers.slice(0, 6).map(({ code }) => code)).toEqual(
      Array(6).fill('INVALID_CREDENTIALS'),
    );
    expect(answers.at(-1)).toMatchObject({ code: 'TOO_MANY_ATTEMPTS' });
    const right = await login(name, world.seed.password);
    expect(right).toMatchObject({ code: 'TOO_MANY_ATTEMPTS', retryable: true });
  });

  it('takes the same time to be wrong as a name that nobody has, and as an account that is disabled', async () => {
    const strong = await import('../../src/modules/user/password.js');
    const passwordHash = await strong.hashPassword(world.seed.password);
    const users = await Promise.all(
      [0, 1, 2, 3].map(() => world.seed.user('VIEWER', { data: { passwordHash } })),
    );
    const locked = { passwordHash, enabled: false };
    const off = await Promise.all(
      [0, 1, 2, 3].map(() => world.seed.user('VIEWER', { data: locked })),
    );
    const timed = async (name: string) => {
      const began = performance.now();
      expect(await login(name, 'wrong')).toMatchObject({ code: 'INVALID_CREDENTIALS' });
      return performance.now() - began;
    };
    let [unknownSlower, disabledSlower] = [0, 0];
    const rounds = 16;
    for (let i = 0; i < rounds; i += 1) {
      const wrong = await timed(users[i % 4]?.name ?? '');
      if ((await timed(`nobody-${i}`)) > wrong) unknownSlower += 1;
      if ((await timed(off[i % 4]?.name ?? '')) > wrong) disabledSlower += 1;
    }
    // Equal ones are all on one side once in thirty thousand runs; one that skips the hash always is.
    for (const slower of [unknownSlower, disabledSlower]) {
      expect(slower).toBeGreaterThan(0);
      expect(slower).toBeLessThan(rounds);
    }
  });
});

describe('the keys that sign sessions', () => {
  const [old, young] = ['old'.repeat(12), 'new'.repeat(12)];

  it('are replaced without signing anybody out, as long as the old one is kept below', async () => {
    const { services } = world.app;
    const reload = (jwtSecret: string) =>
      world.app.reload({ ...services.config, auth: { ...services.config.auth, jwtSecret } });
    reload(old);
    const before = await fresh();
    expect(await codeOf(before)).toBeUndefined();
    reload(`${young}\n${old}\n`);
    const after = await world.signIn(user.name);
    expect([await codeOf(before), await codeOf(after)]).toEqual([undefined, undefined]);
    expect(() => reload('short')).toThrow('at least 32');
    reload(young);
    expect([await codeOf(before), await codeOf(after)]).toEqual(['UNAUTHENTICATED', undefined]);
  });
});
