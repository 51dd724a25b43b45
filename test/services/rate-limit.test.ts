/** Limits of requests on two instances with one Redis: who is counted by what, and what a refusal says. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { networkOf } from '../../src/core/client-network.js';
import type { Data } from '../../src/data/client.js';
import { PAIR } from '../../src/modules/user/rules.js';
import { openSocket } from '../e2e/socket-client.js';
import { createTestApp, openTestData, type TestApp } from '../support/app.js';
import { leastAsked } from '../support/asked.js';
import { redisOptions } from '../support/redis-config.js';
import { type RedisHandle, startRedis } from '../support/services/redis.js';

const PER_ADDRESS = 6;
const PER_PRINCIPAL = 9;

let redis: RedisHandle;
let data: Data;
let apps: TestApp[];
let urls: string[];

beforeAll(async () => {
  [redis, data] = await Promise.all([startRedis(), openTestData('memory')]);
  const config = {
    mode: 'production',
    redis: redisOptions(redis),
    server: { port: 0, trustedProxies: ['127.0.0.1'] },
    auth: { jwtSecret: 'x'.repeat(32) },
    limits: { requestsPerMinuteAddress: PER_ADDRESS, requestsPerMinutePrincipal: PER_PRINCIPAL },
  } as const;
  apps = [await createTestApp({ data, config }), await createTestApp({ data, config })];
  urls = await Promise.all(
    apps.map(async ({ app }) => (await app.start()).url.replace('/graphql', '')),
  );
});
afterAll(async () => {
  await Promise.all(apps.map((app) => app.stop()));
  await data.close();
  await redis.dispose();
});

const app = (): TestApp => apps[0] as TestApp;
let addresses = 0;
/** Nobody has asked from there. */
function freshAddress(): string {
  addresses += 1;
  return `192.0.2.${addresses}`;
}

interface Asked {
  readonly status: number;
  readonly headers: Headers;
  readonly body: { data?: unknown; errors?: { message: string; extensions: object }[] };
}

async function ask(
  address: string,
  token: string | null = null,
  instance = 0,
  query = '{ __typename }',
): Promise<Asked> {
  const response = await fetch(`${urls[instance]}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-forwarded-for': address,
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ query }),
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

/** Signed in without asking for it, so that nothing is counted yet. */
async function freshToken(): Promise<string> {
  const user = await app().seed.user('VIEWER');
  return (await app().signIn(user.name)).token as string;
}

async function exhaust(address: string, token: string | null, times: number): Promise<void> {
  for (let i = 0; i < times; i += 1)
    expect((await ask(address, token, i % 2)).status, `request ${i}`).toBe(200);
}

describe('an address', () => {
  it('may ask so often in a minute on all instances together, and then hears how long to wait', async () => {
    const address = freshAddress();
    const first = await ask(address);
    expect(first.headers.get('ratelimit-limit')).toBe(String(PER_ADDRESS));
    expect(first.headers.get('ratelimit-remaining')).toBe(String(PER_ADDRESS - 1));
    await exhaust(address, null, PER_ADDRESS - 1);
    const refuse = () => ask(address, null, 1, '{ this is no GraphQL');
    const refused = await refuse();
    expect(await leastAsked(data, refuse)).toEqual([]);
    expect(refused.status).toBe(429);
    expect(refused.body.errors).toEqual([
      {
        message: expect.stringMatching(`^You may ask ${PER_ADDRESS} times a minute. Wait `),
        extensions: { code: 'RATE_LIMITED', retryable: true, retryAfterMs: expect.any(Number) },
      },
    ]);
    const wait = Number(refused.headers.get('retry-after'));
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(60);
    expect(refused.headers.get('ratelimit-remaining')).toBe('0');
    expect(refused.headers.get('ratelimit-reset')).toBe(String(wait));
    expect(refused.headers.get('x-request-id')).toBeTruthy();
    expect((await ask(freshAddress())).status).toBe(200);
  });

  it('that has asked too often still serves whoever is signed in there', async () => {
    const [address, token] = [freshAddress(), await freshToken()];
    await exhaust(address, null, PER_ADDRESS);
    expect((await ask(address)).status).toBe(429);
    const { status, headers } = await ask(address, token, 1);
    expect([status, headers.get('ratelimit-limit')]).toEqual([200, String(PER_PRINCIPAL)]);
  });

  it('may try out only so many tokens, whichever they are, and is refused without a look at the database', async () => {
    const address = freshAddress();
    for (let i = 0; i < PER_ADDRESS; i += 1)
      expect((await ask(address, `qxa_guess-${i}`)).status).toBe(200);
    let more = 0;
    const asked = await leastAsked(data, async () => {
      more += 1;
      expect((await ask(address, `qxa_one_more-${more}`, 1)).status).toBe(429);
    });
    expect(asked).toEqual([]);
  });

  it.each(['/healthz', '/readyz', '/metrics'])(
    'is asked for %s without being counted',
    async (path) => {
      const address = freshAddress();
      await exhaust(address, null, PER_ADDRESS);
      const answer = await fetch(`${urls[0]}${path}`, { headers: { 'x-forwarded-for': address } });
      expect(answer.headers.get('ratelimit-limit')).toBeNull();
      await answer.text();
      expect(answer.status).not.toBe(429);
    },
  );
});

describe('a user', () => {
  it('is counted wherever they ask from, on all instances, and nobody else is', async () => {
    const [token, other] = [await freshToken(), await freshToken()];
    const shared = freshAddress();
    // Asking on an instance for the first time proves the token to it.
    for (let i = 0; i < PER_PRINCIPAL; i += 1)
      expect((await ask(freshAddress(), token, i % 2)).status).toBe(200);
    for (const instance of [0, 1]) {
      const asked = await leastAsked(data, async () => {
        expect((await ask(shared, token, instance)).status).toBe(429);
      });
      expect(asked).toEqual([]);
    }
    expect((await ask(shared, other)).status).toBe(200);
    expect((await ask(shared)).status).toBe(200);
  });

  it('asking all at once gets exactly what is allowed', async () => {
    const token = await freshToken();
    const address = freshAddress();
    await ask(address, token, 0);
    await ask(address, token, 1);
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, i) => ask(address, token, i % 2)),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(PER_PRINCIPAL - 2);
  });

  it('whose session has ended is nobody, and counted by the address', async () => {
    const [token, address] = [await freshToken(), freshAddress()];
    await ask(address, token, 0, 'mutation { logout(input: {}) { __typename } }');
    const { body, headers } = await ask(address, token, 0, '{ viewer { __typename } }');
    expect(headers.get('ratelimit-limit')).toBe(String(PER_ADDRESS));
    expect(JSON.stringify(body)).not.toContain('User"');
  });
});

it('an agent is counted as a principal of its own', async () => {
  const node = await app().seed.node(await app().seed.cluster());
  const token = await app().seed.agentToken(node);
  const address = freshAddress();
  await exhaust(address, token, PER_PRINCIPAL);
  expect((await ask(address, token)).status).toBe(429);
  expect((await ask(address)).status).toBe(200);
});

it('operations over a WebSocket count as requests do', async () => {
  const [token, address] = [await freshToken(), freshAddress()];
  const headers = { 'x-forwarded-for': address };
  const socket = openSocket(urls[0] ?? '', { token, headers });
  await socket.connected; // which was the first
  for (let i = 1; i < PER_PRINCIPAL; i += 1)
    expect(await socket.run('{ __typename }')).toMatchObject({ data: { __typename: 'Query' } });
  await expect(socket.run('{ __typename }')).rejects.toMatchObject([
    { extensions: { code: 'RATE_LIMITED', retryable: true, retryAfterMs: expect.any(Number) } },
  ]);
  const refused = openSocket(urls[0] ?? '', { token, headers });
  expect(await refused.closed).toMatchObject({ code: 4429 });
  await socket.client.dispose();
});

describe('attempts to sign in', () => {
  /** So many with this password, in one request: what became of each. */
  async function attempt(
    name: string,
    password: string,
    times: number,
    at: string,
    instance: number,
  ) {
    const input = `{ username: ${JSON.stringify(name)}, password: ${JSON.stringify(password)} }`;
    const tries = Array.from(
      { length: times },
      (_, i) => `a${i}: login(input: ${input}) { __typename }`,
    );
    const { body } = await ask(at, null, instance, `mutation { ${tries.join(' ')} }`);
    const answers = Object.values(body.data ?? {}) as { __typename: string }[];
    expect(answers).toHaveLength(times);
    return answers.map(({ __typename }) => __typename);
  }
  const [wrong, slowed, right] = [
    'InvalidCredentialsError',
    'TooManyAttemptsError',
    'LoginPayload',
  ];

  it('that failed on one instance slow down those on the other', async () => {
    const { name } = await app().seed.user('VIEWER');
    const address = freshAddress();
    expect(await attempt(name, 'a wrong one', PAIR.free, address, 0)).toEqual(
      Array(PAIR.free).fill(wrong),
    );
    // As many as the other would let through if it had counted from nothing.
    expect(await attempt(name, 'a wrong one', PAIR.free + 1, address, 1)).toContain(slowed);
  });

  it('are free anew on all instances when one of them succeeded, and those of strangers do not count', async () => {
    const { name } = await app().seed.user('VIEWER');
    const { password } = app().seed;
    const [home, elsewhere] = [freshAddress(), freshAddress()];
    await attempt(name, 'a wrong one', PAIR.free - 1, home, 0);
    expect(await attempt(name, password, 1, home, 1)).toEqual([right]);
    expect(await attempt(name, 'a wrong one', PAIR.free, home, 0)).not.toContain(slowed);
    expect(await attempt(name, password, 1, home, 1)).toEqual([right]);
    expect(await attempt(name, 'a wrong one', 2 * PAIR.free, elsewhere, 0)).toContain(slowed);
    expect(await attempt(name, password, 1, home, 1)).toEqual([right]);
  });
});

it('without Redis each instance counts for itself, and no request fails', async () => {
  await redis.kill();
  const address = freshAddress();
  const answers: number[] = [];
  for (let i = 0; i < 2 * PER_ADDRESS; i += 1)
    answers.push((await ask(address, null, i % 2)).status);
  expect(answers).toEqual(answers.map(() => 200));
  expect([(await ask(address)).status, (await ask(address, null, 1)).status]).toEqual([429, 429]);
  await redis.restart();
});

it.each([
  ['192.0.2.1', '192.0.2.1'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:0DB8:0:1:ffff::', '2001:db8:0:1::/64'],
  ['2001:db8:0:1:2:3:4:5', '2001:db8:0:1::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
])('the host %s is counted as %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});
