/** What operations cost, what a caller may spend in a minute, and how large values may be: all of it said before anything runs. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSocket } from '../e2e/socket-client.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { leastAsked } from '../support/asked.js';
import type { Answer, Client } from '../support/client.js';
import { createTestAgent } from '../support/test-agent.js';

const BUDGET = 300;
let world: TestApp;
let url: string;

beforeAll(async () => {
  world = await createTestApp({
    config: {
      server: { port: 0 },
      limits: {
        costPerMinutePrincipal: BUDGET,
        maxQueryCost: 200,
        maxListItems: 20,
        maxTextLength: 500,
      },
    },
  });
  url = (await world.app.start()).url;
});
afterAll(() => world.stop());

const page = (first: number): string => `{ virtualMachines(first: ${first}) { nodes { id } } }`;
const fresh = async (): Promise<Client> => world.signIn((await world.seed.user('VIEWER')).name);
const code = ({ errors }: Answer<unknown>) => errors[0]?.extensions.code;

describe('a minute', () => {
  it('is spent as operations cost, and what does not fit into its rest is refused before anything is read', async () => {
    const client = await fresh();
    const first = await client.answer(page(150));
    expect(first.extensions.cost).toEqual({
      requested: 151,
      limit: BUDGET,
      remaining: BUDGET - 151,
      resetMs: expect.any(Number),
    });
    const sent = await world.statementsOf(async () => {
      const refused = await client.answer(page(160));
      expect(refused.status).toBe(429);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(refused.data).toBeNull();
      expect(refused.errors).toEqual([
        {
          message: expect.stringMatching(/^This costs 161 points, and 149 of your 300 are left/),
          extensions: {
            code: 'RATE_LIMITED',
            retryable: true,
            retryAfterMs: expect.any(Number),
          },
        },
      ]);
      expect(refused.extensions.cost).toMatchObject({ requested: 161, remaining: 149 });
    });
    expect(sent.filter((sql) => sql.includes('"virtual_machines"'))).toEqual([]);
    // The refused one has taken nothing: a smaller one fits.
    expect(code(await client.answer(page(148)))).toBeUndefined();
    expect(code(await client.answer('{ viewer { name } }'))).toBe('RATE_LIMITED');
  });

  it('is of one caller, however many ask at once', async () => {
    const [client, other] = [await fresh(), await fresh()];
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => client.answer(page(30 + i))),
    );
    const spent = answers
      .filter((answer) => code(answer) === undefined)
      .map(({ extensions }) => (extensions.cost as { requested: number }).requested);
    expect(spent.reduce((sum, cost) => sum + cost, 0)).toBeLessThanOrEqual(BUDGET);
    expect(spent.length).toBeGreaterThan(4);
    expect(code(await other.answer(page(100)))).toBeUndefined();
  });

  it('is not spent by an answer that is there already', async () => {
    const client = await fresh();
    for (let i = 0; i < 5; i += 1) {
      const { extensions, errors } = await client.answer(page(190));
      expect(errors).toEqual([]);
      expect('cost' in extensions).toBe(i === 0);
      expect(extensions.cache).toMatchObject({ hit: i > 0 });
    }
  });

  it('does not keep a node from reporting, whatever its token was used for', async () => {
    const node = await world.seed.node(await world.seed.cluster());
    const agent = await createTestAgent(world, node);
    for (let i = 0; i < BUDGET / 10; i += 1) await agent.report();
    const asked = await world.withToken(agent.token).answer(page(20));
    expect(code(asked)).toBe('RATE_LIMITED');
    await agent.report();
  });

  it('counts for WebSockets as well, subscriptions included', async () => {
    const client = await fresh();
    await client.answer(page(199 - 1));
    const socket = openSocket(url, { token: client.token });
    const subscription = 'subscription { nodeMetrics(intervalMs: 1000) { hypervisorNodeId } }';
    expect(await socket.run(page(150))).toEqual({
      errors: [
        {
          message: expect.stringMatching(/^This costs 151 points/),
          extensions: {
            code: 'RATE_LIMITED',
            retryable: true,
            retryAfterMs: expect.any(Number),
          },
        },
      ],
      extensions: { cost: expect.objectContaining({ requested: 151, remaining: 101 }) },
    });
    expect(await socket.run(page(99))).toMatchObject({ extensions: { cost: { remaining: 1 } } });
    const first = socket.subscribe(subscription);
    const second = socket.subscribe(subscription);
    await Promise.race([first.ended, second.ended]);
    const refused = [...first.events, ...second.events].filter(({ errors }) => errors);
    expect(refused).toMatchObject([
      { errors: [{ extensions: { code: 'RATE_LIMITED', retryable: true } }] },
    ]);
    await socket.client.dispose();
  });
});

describe('an operation that costs more than any may is refused', () => {
  const nested = (n: string): string =>
    `projects(first: ${n}) { nodes { virtualMachines(first: ${n}) { nodes { id } } } }`;
  it.each([
    ['as written', `{ ${nested('20')} }`, {}],
    ['by its variables', `query ($n: Int!) { ${nested('$n')} }`, { n: 20 }],
    ['by the defaults of its variables', `query ($n: Int = 20) { ${nested('$n')} }`, {}],
    [
      'through fragments',
      `query ($n: Int!) { ...A ...A } fragment A on Query { projects(first: $n) { ...B } } fragment B on ProjectConnection { nodes { virtualMachines(first: $n) { edges { node { id } } } } }`,
      { n: 20 },
    ],
    [
      'through aliases that only count',
      `{ ${Array.from({ length: 20 }, (_, i) => `a${i}: virtualMachines { totalCount }`).join(' ')} }`,
      {},
    ],
    [
      'by the objects of a bulk mutation',
      'mutation ($ids: [ID!]!) { a: bulkStartVirtualMachines(input: { ids: $ids }) { __typename } b: bulkStopVirtualMachines(input: { ids: $ids }) { __typename } }',
      { ids: Array.from({ length: 20 }, (_, i) => `id-${i}`) },
    ],
    ['by asking for the schema', '{ a: __schema { description } }', {}],
  ])('%s', async (_how, query, variables) => {
    const client = await fresh();
    const answer = await client.answer(query, variables);
    expect(code(answer)).toBe('QUERY_TOO_LARGE');
    expect(answer.extensions.cost).toBeUndefined(); // nor is anything of the minute gone
  });
});

describe('values', () => {
  const search = 'query ($f: VirtualMachineFilter) { virtualMachines(filter: $f) { totalCount } }';
  const many = Array.from({ length: 21 }, (_, i) => `n${i}`);
  it.each([
    ['a list in variables', search, { f: { name: { in: many } } }],
    [
      'a list in the document',
      `{ virtualMachines(filter: { name: { in: ${JSON.stringify(many)} } }) { totalCount } }`,
      {},
    ],
    ['a text in variables', search, { f: { name: { eq: 'x'.repeat(501) } } }],
    [
      'a text in the document',
      `{ virtualMachines(filter: { name: { eq: "${'x'.repeat(501)}" } }) { totalCount } }`,
      {},
    ],
    [
      'an object',
      search,
      { f: Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`k${i}`, {}])) },
    ],
  ])('that are too large are refused: %s', async (_what, query, variables) => {
    const client = await fresh();
    const asked = await leastAsked(world.data, async () => {
      expect(code(await client.answer(query, variables))).toBe('QUERY_TOO_LARGE');
    });
    expect(asked).toEqual([]);
  });
});
