/** Signing in and out, and what the world sees without. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { graphql } from '../gen/gql.js';
import { createTestApp, type TestApp } from '../support/app.js';

const Login = graphql(`
  mutation SignInTestLogin($input: LoginInput!) {
    login(input: $input) {
      __typename
      ... on LoginPayload { token expiresAt dryRun }
      ... on UserError { code message path retryable }
    }
  }
`);
const Viewer = graphql(`
  query SignInTestViewer {
    viewer { name role permissions user { username lastLogin } }
  }
`);
const Logout = graphql(`
  mutation SignInTestLogout { logout(input: {}) { __typename } }
`);

let world: TestApp;
beforeAll(async () => {
  world = await createTestApp();
  await world.seed.user('ADMIN', { username: 'ada' });
  await world.seed.user('VIEWER', { username: 'gone', data: { enabled: false } });
});
afterAll(() => world.stop());

describe('login', () => {
  it('gives a token that says who you are', async () => {
    const ada = await world.signIn('ada');
    const { viewer } = await ada.run(Viewer);
    expect(viewer).toMatchObject({ name: 'ada', role: 'ADMIN', user: { username: 'ada' } });
    expect(viewer?.user?.lastLogin).not.toBeNull();
    expect(viewer?.permissions).toContain('vm:power');
  });

  it('answers the same for an unknown user, a wrong password and a disabled account', async () => {
    const attempts = [
      { username: 'nobody', password: world.seed.password },
      { username: 'ada', password: 'wrong' },
      { username: 'gone', password: world.seed.password },
    ];
    const answers = await Promise.all(
      attempts.map((input) => world.anonymous.run(Login, { input })),
    );
    for (const { login } of answers) {
      expect(login).toEqual({
        __typename: 'InvalidCredentialsError',
        code: 'INVALID_CREDENTIALS',
        message: expect.stringContaining('wrong'),
        path: [],
        retryable: false,
      });
    }
  });

  it('shows no token in a dry run', async () => {
    const input = { username: 'ada', password: world.seed.password, dryRun: true };
    const { login } = await world.anonymous.run(Login, { input });
    expect(login).toMatchObject({ __typename: 'LoginPayload', token: null, dryRun: true });
  });

  it('gives a browser a cookie that signs requests of its own pages in, and foreign pages not', async () => {
    const answer = await world.anonymous.answer(Login, {
      input: { username: 'ada', password: world.seed.password },
    });
    const cookie = answer.headers.get('set-cookie') ?? '';
    expect(cookie).toMatch(
      /^quantix_session=\S+; Path=\/; HttpOnly; SameSite=Strict; Max-Age=86400$/,
    );
    const ask = async (origin: string | null) => {
      const response = await world.anonymous.raw({
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          host: 'test',
          cookie: cookie.split(';')[0] ?? '',
          ...(origin ? { origin } : {}),
        },
        body: JSON.stringify({ query: '{ viewer { name } }' }),
      });
      return (await response.json()) as { data: { viewer: { name: string } | null } };
    };
    expect((await ask('http://test')).data.viewer?.name).toBe('ada');
    expect((await ask('http://evil.example')).data.viewer).toBeNull();
  });
});

describe('logout', () => {
  it('ends the session at once', async () => {
    const ada = await world.signIn('ada');
    await ada.run(Logout);
    const { errors } = await ada.answer(Viewer);
    expect(errors[0]?.extensions.code).toBe('UNAUTHENTICATED');
    expect(errors[0]?.message).toContain('Sign in again');
  });

  it('leaves other sessions of the same user alone', async () => {
    const [one, other] = [await world.signIn('ada'), await world.signIn('ada')];
    await one.run(Logout);
    expect((await other.run(Viewer)).viewer?.name).toBe('ada');
  });
});

describe('without a token that counts', () => {
  it('only the version of the server is to be had', async () => {
    const { data, errors } = await world.anonymous.answer('{ server { version mode } }');
    expect(data).toEqual({ server: { version: expect.any(String), mode: null } });
    expect(errors.map((e) => e.extensions.code)).toEqual(['UNAUTHENTICATED']);
  });

  it.each(['x', 'Bearer', 'a.b.c', 'qxa_unknown', `${'a'.repeat(5000)}`])(
    'the token %.20s is refused, not an error of ours',
    async (token) => {
      const { errors, status } = await world.withToken(token).answer(Viewer);
      expect(status).toBe(200);
      expect(errors[0]?.extensions.code).toBe('UNAUTHENTICATED');
    },
  );
});
