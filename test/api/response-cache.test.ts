/** The response cache: what is kept, for whom, for how long, and what is never. That nothing stale is shown, see response-cache-stale. */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { EphemeralUnavailableError } from '../../src/ephemeral/errors.js';
import { ephemeralKeys } from '../../src/ephemeral/keys.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { ask, askAnew, readAnswer } from '../support/caching.js';
import type { Client } from '../support/client.js';
import { mutate } from '../support/mutations.js';
import type { Made } from '../support/seed.js';
import { until } from '../support/until.js';

const CLUSTERS = '{ clusters(first: 500) { nodes { id name } } }';
const MACHINES = '{ virtualMachines { totalCount nodes { id name } } }';

let world: TestApp;
let admin: Client;
let mia: Client;
let miaUser: Made;
let project: Made;
beforeAll(async () => {
  world = await createTestApp({ config: { cache: { maxEntryBytes: 30_000 } } });
  const { seed } = world;
  await seed.user('ADMIN', { username: 'ada' });
  admin = await world.signIn('ada');
  project = await seed.project();
  miaUser = await seed.user('OPERATOR', { projects: { [project.uuid]: 'OPERATOR' } });
  mia = await world.signIn(miaUser.name);
  await seed.vm(project, { name: 'seen-by-mia' });
  await seed.vm(await seed.project(), { name: 'of-others' });
});
afterAll(() => world.stop());
afterEach(() => vi.restoreAllMocks());

/** Always another document, so that tests share no entries. */
let count = 0;
const distinct = (query: string): string => `${query} # ${++count}`;

describe('the same question', () => {
  it('is answered the same without SQL, and says so', async () => {
    const query = distinct(CLUSTERS);
    const first = await ask(admin, query);
    expect(first).toMatchObject({ errors: [], cache: { hit: false, ageMs: 0 } });
    let second = first;
    const sql = await world.statementsOf(async () => {
      second = await ask(admin, query);
    });
    expect(sql).toEqual([]);
    expect(second).toMatchObject({ data: first.data, status: 200, cache: { hit: true } });
    expect(second.cache?.ageMs).toBeGreaterThanOrEqual(0);
    expect(JSON.stringify(JSON.parse(second.text).data)).toBe(JSON.stringify(first.data));
    for (const { headers } of [first, second]) {
      expect(headers.get('cache-control')).toBe('private, no-store');
      expect(headers.get('vary')).toContain('Authorization, Cookie');
      expect(headers.get('content-type')).toContain('application/json');
      expect(headers.get('x-request-id')).toBeTruthy();
    }
    expect(second.headers.get('x-request-id')).not.toBe(first.headers.get('x-request-id'));
  });

  it('is the same over GET and POST, and however its variables are ordered', async () => {
    const query = distinct(
      'query Q($a: Int, $b: Boolean!) { clusters(first: $a) { totalCount @include(if: $b) } }',
    );
    await ask(admin, query, { variables: { a: 3, b: true } });
    expect((await ask(admin, query, { variables: { b: true, a: 3 } })).cache).toMatchObject({
      hit: true,
    });
    const search = new URLSearchParams({ query, variables: '{"b":true,"a":3}' });
    const headers = { authorization: `Bearer ${admin.token}`, accept: 'application/json' };
    const got = await readAnswer(
      await admin.raw({ path: `/graphql?${search}`, method: 'GET', headers }),
    );
    expect(got).toMatchObject({ status: 200, cache: { hit: true }, errors: [] });
  });

  it.each([
    ['other variables', { variables: { a: 2 } }],
    ['another operation of the document', { variables: { a: 1 }, body: { operationName: 'B' } }],
  ])('is another one with %s', async (_case, other) => {
    const query = distinct(
      'query A($a: Int) { clusters(first: $a) { totalCount } } query B($a: Int) { clusters(first: $a) { totalCount } }',
    );
    const one = { variables: { a: 1 }, body: { operationName: 'A' } };
    await ask(admin, query, one);
    expect((await ask(admin, query, one)).cache).toMatchObject({ hit: true });
    expect((await ask(admin, query, { ...one, ...other })).cache).toMatchObject({ hit: false });
  });

  it('is logged and measured like any other when it is a hit', async () => {
    const query = distinct('query Named { clusters { totalCount } }');
    await ask(admin, query);
    const measured = async () => {
      const { values } = await world.app.services.metrics.requests.get();
      const of = values.find(
        (v) =>
          v.metricName?.endsWith('_count') &&
          v.labels.field === 'clusters' &&
          v.labels.outcome === 'ok',
      );
      return of?.value ?? 0;
    };
    const before = await measured();
    await ask(admin, query);
    expect(await measured()).toBe(before + 1);
  });
});

describe('whoever asks', () => {
  it('gets an answer of their own', async () => {
    const query = distinct(MACHINES);
    const names = async (client: Client) =>
      (
        (await ask(client, query)).data as { virtualMachines: { nodes: { name: string }[] } }
      ).virtualMachines.nodes
        .map(({ name }) => name)
        .sort();
    for (let round = 0; round < 2; round += 1) {
      expect(await names(admin)).toEqual(['of-others', 'seen-by-mia']);
      expect(await names(mia)).toEqual(['seen-by-mia']);
    }
    expect((await ask(world.anonymous, query)).errors).toMatchObject([
      { extensions: { code: 'UNAUTHENTICATED' } },
    ]);
  });

  it('sees what the rights of now allow: taken into a project and out of it', async () => {
    const query = distinct(MACHINES);
    const other = await world.seed.project();
    await world.seed.vm(other, { name: 'later' });
    const total = async () =>
      ((await ask(mia, query)).data as { virtualMachines: { totalCount: number } }).virtualMachines
        .totalCount;
    expect([await total(), await total()]).toEqual([1, 1]);
    const member = { projectId: other.id, userId: miaUser.id };
    await mutate(admin, 'setProjectMember', { ...member, role: 'VIEWER' });
    expect([await total(), await total()]).toEqual([2, 2]);
    await mutate(admin, 'removeProjectMember', member);
    expect([await total(), await total()]).toEqual([1, 1]);
  });

  it('has lost what the role has lost', async () => {
    const chief = await world.seed.user('ADMIN');
    const client = await world.signIn(chief.name);
    const query = distinct('{ viewer { role } users { totalCount } }');
    expect((await ask(client, query)).data).toMatchObject({ viewer: { role: 'ADMIN' } });
    expect((await ask(client, query)).cache).toMatchObject({ hit: true });
    await mutate(admin, 'updateUser', { id: chief.id, role: 'VIEWER' });
    expect((await ask(client, query)).data).toEqual({
      viewer: { role: 'VIEWER' },
      users: { totalCount: 1 },
    });
  });

  it('gets nothing with a session that has ended, or an account that is disabled', async () => {
    const { id, name } = await world.seed.user('VIEWER');
    const [one, two] = [await world.signIn(name), await world.signIn(name)];
    const query = distinct(CLUSTERS);
    await ask(one, query);
    expect((await ask(two, query)).cache).toMatchObject({ hit: true });
    await mutate(one, 'logout', {});
    const refused = [{ extensions: { code: 'UNAUTHENTICATED' } }];
    expect((await ask(one, query)).errors).toMatchObject(refused);
    expect((await ask(two, query)).cache).toMatchObject({ hit: true });
    await mutate(admin, 'updateUser', { id, enabled: false });
    expect((await ask(two, query)).errors).toMatchObject(refused);
  });
});

describe('what is not kept', () => {
  it.each([
    ['what changes with the clock', '{ hypervisorNodes { nodes { lastHeartbeat } } }'],
    ['what is no row', '{ server { version } }'],
    [
      'a list that is filtered by what nobody is told of',
      '{ hypervisorNodes(filter: { lastHeartbeat: { gt: "2027-01-01T00:00:00Z" } }) { totalCount } }',
    ],
    ['the schema', '{ __schema { queryType { name } } }'],
    [
      'what hides in a fragment',
      'query { clusters { nodes { ...F } } } fragment F on Cluster { nodes { nodes { metrics { cpuPercent } } } }',
    ],
  ])('%s', async (_case, text) => {
    const query = distinct(text);
    for (let round = 0; round < 2; round += 1) {
      const { errors, cache } = await ask(admin, query);
      expect({ errors, cache }).toEqual({ errors: [], cache: undefined });
    }
  });

  it('an answer to variables that say what nobody is told of', async () => {
    const query = distinct(
      'query($f: HypervisorNodeFilter) { hypervisorNodes(filter: $f) { totalCount } }',
    );
    const some = { variables: { f: { phase: { eq: 'READY' } } } };
    const timed = { variables: { f: { not: { lastHeartbeat: { gt: '2027-01-01T00:00:00Z' } } } } };
    expect(
      [await ask(admin, query, some), await ask(admin, query, some)].map((a) => a.cache?.hit),
    ).toEqual([false, true]);
    expect(
      [await ask(admin, query, timed), await ask(admin, query, timed)].map((a) => a.cache),
    ).toEqual([undefined, undefined]);
  });

  it('an error, partial data, or a document that is none', async () => {
    const broken = '{ clusters(first: -1) { totalCount } }';
    const partial = '{ viewer { name } node(id: "nonsense") { id } }';
    for (const text of [
      broken,
      partial,
      '{ clusters {',
      '{ nothingLikeThis }',
      'query A { viewer { name } } query B { viewer { name } }',
    ]) {
      const query = distinct(text);
      const [one, two] = [await ask(admin, query), await ask(admin, query)];
      expect([text, one.errors.length, two.errors.length, one.cache, two.cache]).toEqual([
        text,
        1,
        1,
        undefined,
        undefined,
      ]);
    }
  });

  it('an answer to variables that are nested too deep to be told apart', async () => {
    const query = distinct('query($n: Int) { clusters(first: $n) { totalCount } }');
    const deep = `{"n":1,"x":${'['.repeat(50_000)}${']'.repeat(50_000)}}`;
    const body = `{"query":${JSON.stringify(query)},"variables":${deep}}`;
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${admin.token}` };
    const answer = await readAnswer(await admin.raw({ method: 'POST', headers, body }));
    expect(answer).toMatchObject({
      cache: undefined,
      errors: [{ extensions: { code: 'QUERY_TOO_LARGE' } }],
    });
  });

  it('what is larger than an entry may be', async () => {
    const many = 'abcdefghijklmnopqrstuvwxyz'
      .split('')
      .map((a) => `${a}: permissions ${a}2: permissions`);
    const query = distinct(`{ clusters { totalCount } viewer { ${many.slice(0, 24).join(' ')} } }`);
    const answers = [await ask(admin, query), await ask(admin, query)];
    expect(answers[0]?.text.length).toBeGreaterThan(30_000);
    expect(answers.map(({ cache }) => cache?.hit)).toEqual([false, false]);
  });

  it('a mutation, also when it is sent as what was a query', async () => {
    const query = distinct(`query Q { clusters { totalCount } }
      mutation M { createCluster(input: { name: "once-${count}" }) { __typename } }`);
    await ask(admin, query, { body: { operationName: 'Q' } });
    const first = await ask(admin, query, { body: { operationName: 'M' } });
    const second = await ask(admin, query, { body: { operationName: 'M' } });
    expect([first, second].map(({ data, cache }) => ({ data, cache }))).toEqual([
      { data: { createCluster: { __typename: 'CreateClusterPayload' } }, cache: undefined },
      { data: { createCluster: { __typename: 'AlreadyExistsError' } }, cache: undefined },
    ]);
  });
});

describe('the headers of a request', () => {
  it('no-cache reads anew, and what is read is kept', async () => {
    const query = distinct(CLUSTERS);
    await ask(admin, query);
    // Past everything that tells of writes, so that only reading anew can find it.
    const { uuid } = await world.seed.cluster();
    await ask(admin, query);
    await world.data.db
      .$executeRaw`UPDATE clusters SET /* unseen */ name = 'quietly' WHERE id = ${uuid}::uuid`;
    expect((await ask(admin, query)).text).not.toContain('quietly');
    const anew = await askAnew(admin, query);
    expect(anew).toMatchObject({ cache: { hit: false } });
    expect(anew.text).toContain('quietly');
    const after = await ask(admin, query);
    expect(after).toMatchObject({ cache: { hit: true }, data: anew.data });
  });

  it('no-store has nothing to do with the cache', async () => {
    const query = distinct(CLUSTERS);
    const headers = { 'cache-control': 'no-store' };
    expect((await ask(admin, query, { headers })).cache).toBeUndefined();
    expect((await ask(admin, query)).cache).toMatchObject({ hit: false });
    expect((await ask(admin, query, { headers })).cache).toBeUndefined();
  });

  it('cannot name an entry: no tag is given, none is looked up', async () => {
    const { ephemeral } = world.app.services;
    const query = distinct(CLUSTERS);
    expect((await ask(admin, query)).headers.has('etag')).toBe(false);
    const asked: string[] = [];
    const { get, getMany } = ephemeral;
    vi.spyOn(ephemeral, 'get').mockImplementation((key) => {
      asked.push(key);
      return get(key);
    });
    vi.spyOn(ephemeral, 'getMany').mockImplementation((keys) => {
      asked.push(...keys);
      return getMany(keys);
    });
    const headers = { 'if-none-match': 'session:victim' };
    expect(await ask(admin, query, { headers })).toMatchObject({
      status: 200,
      cache: { hit: true },
    });
    expect(asked.filter((key) => key.includes('victim'))).toEqual([]);
    const create = `mutation { createCluster(input: { name: "tagged" }) { __typename } }`;
    expect((await ask(admin, create, { headers: { 'if-none-match': '*' } })).status).toBe(200);
    expect(await world.data.db.cluster.count({ where: { name: 'tagged' } })).toBe(1);
  });
});

describe('many who ask the same at once', () => {
  const together = <T>(length: number, work: (i: number) => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length }, (_, i) => work(i)));
  const fifty = <T>(work: (i: number) => Promise<T>): Promise<T[]> => together(50, work);

  it('are answered by one execution', async () => {
    const query = distinct(MACHINES);
    let answers: Awaited<ReturnType<typeof ask>>[] = [];
    await ask(admin, '{ viewer { name } }');
    const sql = await world.statementsOf(async () => {
      answers = await fifty(() => ask(admin, query));
    });
    expect(sql).toHaveLength(2); // the page and its count
    expect(new Set(answers.map(({ data }) => JSON.stringify(data))).size).toBe(1);
    expect(answers.filter(({ cache }) => cache?.hit).length).toBe(49);
    expect(new Set(answers.map(({ headers }) => headers.get('x-request-id'))).size).toBe(50);
  });

  it('do not go down with the one whose client has gone', async () => {
    const query = distinct(MACHINES);
    const going = new AbortController();
    // The first statement of the first one is the sign that it is on its way.
    const stop = world.data.onStatement(() => going.abort());
    const first = ask(admin, query, { signal: going.signal }).then(
      () => 'answered',
      () => 'gone',
    );
    const others = fifty(() => ask(admin, query));
    await first;
    const answers = await others;
    stop();
    expect(answers.flatMap(({ errors }) => errors)).toEqual([]);
    expect(new Set(answers.map(({ data }) => JSON.stringify(data))).size).toBe(1);
  });

  it('each hear of what is wrong', async () => {
    const query = distinct('{ clusters(first: -1) { totalCount } }');
    for (const { errors } of await fifty(() => ask(admin, query)))
      expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
  });

  it('do not see less than was answered to them before, while others write', async () => {
    const query = distinct('{ clusters(first: 500) { totalCount } }');
    await together(10, async (i) => {
      await ask(admin, query);
      const { id } = (await mutate(admin, 'createCluster', { name: `storm-${i}` })).cluster as Made;
      const { data } = await ask(admin, '{ clusters(first: 500) { totalCount nodes { id } } }');
      expect(JSON.stringify(data)).toContain(id);
      const kept = (await ask(admin, query)).data as { clusters: { totalCount: number } };
      const { clusters } = data as { clusters: { totalCount: number } };
      expect(kept.clusters.totalCount).toBeGreaterThanOrEqual(clusters.totalCount);
    });
  });
});

describe('the store', () => {
  it.each(['get', 'getMany', 'set', 'mark'] as const)(
    'failing to %s takes the cache away, and nothing else',
    async (method) => {
      const query = distinct(CLUSTERS);
      await ask(admin, query);
      const { ephemeral } = world.app.services;
      vi.spyOn(ephemeral, method).mockRejectedValue(new EphemeralUnavailableError());
      const during = await ask(admin, query);
      expect(during).toMatchObject({ status: 200, errors: [] });
      vi.restoreAllMocks();
      expect(await ask(admin, query)).toMatchObject({ errors: [], data: during.data });
    },
  );

  it('is not used while a write could not be told of, and is again when it was', async () => {
    const query = distinct(CLUSTERS);
    await ask(admin, query);
    const { ephemeral } = world.app.services;
    const broken = vi.spyOn(ephemeral, 'mark').mockRejectedValue(new Error('gone'));
    const { cluster } = await mutate(admin, 'createCluster', { name: 'untold' });
    broken.mockRestore();
    const during = await ask(admin, query);
    expect(during.text).toContain((cluster as Made).id);
    expect(during.cache).toBeUndefined();
    await until('it is told after all', async () => (await ask(admin, query)).cache?.hit);
    expect((await ask(admin, query)).text).toContain((cluster as Made).id);
  });

  it.each(['', 'x', 'a\nb\n{}', '\n1\n[]', '{"data":{"clusters":null}}'])(
    'holding %j under the key of an answer is no answer',
    async (text) => {
      const query = distinct(CLUSTERS);
      const keys: string[] = [];
      const { ephemeral } = world.app.services;
      const { set } = ephemeral;
      const spy = vi.spyOn(ephemeral, 'set').mockImplementation((key, ...rest) => {
        keys.push(key);
        return set(key, ...rest);
      });
      const { data } = await ask(admin, query);
      spy.mockRestore();
      const key = keys.find((each) => each.startsWith(ephemeralKeys.apiCache(''))) ?? '';
      expect(key).toMatch(/^cache:api:[0-9a-f]{64}$/);
      await ephemeral.set(key, text, 60_000);
      expect(await ask(admin, query)).toMatchObject({ data, errors: [], cache: { hit: false } });
    },
  );

  it('that has forgotten a generation is one in which everything is stale', async () => {
    const query = distinct(CLUSTERS);
    await ask(admin, query);
    const { ephemeral } = world.app.services;
    await ephemeral.delete(ephemeralKeys.generation('Cluster'));
    expect((await ask(admin, query)).cache).toMatchObject({ hit: false });
    expect((await ask(admin, query)).cache).toMatchObject({ hit: true });
  });
});

describe('configured', () => {
  it('with a time to live, it keeps answers no longer', async () => {
    const short = await createTestApp({ data: world.data, config: { cache: { ttlMs: 50 } } });
    const client = await short.signIn('ada');
    const query = distinct(CLUSTERS);
    await ask(client, query);
    await until('it is forgotten', async () => !(await ask(client, query)).cache?.hit);
    await short.stop();
  });

  it.each([
    ['off', { cache: { enabled: 'off' } }],
    ['for production without Redis, where others write unheard', { mode: 'production' }],
  ] as const)('%s, it keeps nothing', async (_case, config) => {
    const without = await createTestApp({ data: world.data, config });
    const client = await without.signIn('ada');
    const query = distinct(CLUSTERS);
    const answers = [await ask(client, query), await ask(client, query)];
    expect(answers.map(({ cache, errors }) => [cache, errors])).toEqual([
      [undefined, []],
      [undefined, []],
    ]);
    await without.stop();
  });
});
