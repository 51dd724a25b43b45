/** The usual attacks on a GraphQL server, over a real socket: refused or harmless, quickly, and without telling more than needed. */
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createLogger } from '../../src/log.js';
import { logRequest } from '../../src/server/request.js';
import { createTestApp, type TestApp } from '../support/app.js';

/** Nothing of an attack may take this long, on a slow machine that has much else to do either. */
const LONGEST_MS = 20_000;

let world: TestApp;
let url: string;
let token: string;
let cookie: string;
let machines: number;

beforeAll(async () => {
  world = await createTestApp({ config: { server: { host: '127.0.0.1', port: 0 } } });
  url = (await world.app.start()).url;
  await world.seed.user('ADMIN', { username: 'ada' });
  const project = await world.seed.project();
  machines = 3;
  for (let i = 0; i < machines; i += 1) await world.seed.vm(project);
  token = (await world.signIn('ada')).token ?? '';
  cookie = `quantix_session=${token}`;
  await send('{ __typename }'); // the first request of a process pays for what all others find ready
});
afterAll(() => world.stop());

interface Reply {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
  readonly body: {
    readonly data?: Record<string, unknown> | null;
    readonly errors?: readonly { message: string; extensions: Record<string, unknown> }[];
    readonly extensions?: Record<string, unknown>;
  };
}

async function request(path: string, init: RequestInit = {}): Promise<Reply> {
  const started = performance.now();
  const response = await fetch(`${url}${path}`, init);
  const text = await response.text();
  expect(performance.now() - started).toBeLessThan(LONGEST_MS);
  expect(response.status).toBeLessThan(500);
  // No stack, no file, no library's name.
  expect(text).not.toMatch(/\bat \S+ \(|node_modules|\.[jt]s:\d+|INTERNAL_SERVER_ERROR|Prisma/);
  const json = response.headers.get('content-type')?.includes('json') && text !== '';
  return {
    status: response.status,
    text,
    headers: response.headers,
    body: json ? JSON.parse(text) : {},
  };
}

/** Posts a body as the signed-in administrator: a query, a whole request, or bytes. */
function send(
  body: string | Uint8Array | object,
  headers: Record<string, string> = {},
): Promise<Reply> {
  const query = typeof body === 'string' ? { query: body } : body;
  return request('/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...headers },
    body: query instanceof Uint8Array ? (query as BodyInit) : JSON.stringify(query),
  });
}

const codes = ({ body }: Reply): unknown[] =>
  (body.errors ?? []).map(({ extensions }) => extensions.code);
const messages = ({ body }: Reply): string =>
  (body.errors ?? []).map(({ message }) => message).join('\n');
const times = (count: number, make: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => make(i)).join(' ');

describe('doing the same work many times in one request', () => {
  it('with 101 aliases is refused', async () => {
    const reply = await send(`{ ${times(101, (i) => `a${i}: __typename`)} }`);
    expect(codes(reply)).toEqual(['QUERY_TOO_LARGE']);
    expect(reply.body.data).toBeUndefined();
  });

  it('with 10,000 aliases is refused while it is read', async () => {
    const started = process.memoryUsage().heapUsed;
    const reply = await send(`{ ${times(10_000, (i) => `a${i}: __typename`)} }`);
    expect(codes(reply)).toEqual(['GRAPHQL_PARSE_FAILED']);
    expect(messages(reply)).toContain('2000 tokens');
    expect(process.memoryUsage().heapUsed - started).toBeLessThan(100_000_000);
  });

  it('with aliases that fragments multiply is refused', async () => {
    const query = `{ ${times(6, () => '...A')} } fragment A on Query { ${times(9, (i) => `a${i}: __typename`)} }`;
    expect(codes(await send(query))).toEqual(['QUERY_TOO_LARGE']);
  });

  it('with as many passwords tried as there are aliases is refused', async () => {
    const guess = (i: number): string =>
      `g${i}: login(input: { username: "ada", password: "${i}" }) { __typename }`;
    const readsUsers = async (count: number, check: (reply: Reply) => void): Promise<number> => {
      const statements = await world.statementsOf(async () =>
        check(await send(`mutation { ${times(count, guess)} }`)),
      );
      return statements.filter((sql) => sql.includes('"password_hash"')).length;
    };
    expect(await readsUsers(60, (reply) => expect(codes(reply)).toEqual(['QUERY_TOO_LARGE']))).toBe(
      0,
    );
    expect(await readsUsers(1, (reply) => expect(codes(reply)).toEqual([]))).toBe(1);
  });

  it('with an array of requests is refused as a whole', async () => {
    const reply = await send([{ query: '{ __typename }' }, { query: '{ __typename }' }]);
    expect(reply.status).toBe(400);
    expect(reply.body.data).toBeUndefined();
  });

  it('with one field repeated 500 times costs as much as once', async () => {
    const reply = await send(`{ ${times(500, () => '__typename')} }`);
    expect(reply.text.length).toBeLessThan(100);
    const statements = await world.statementsOf(async () => {
      const again = await send(`{ ${times(200, () => 'virtualMachines { nodes { name } }')} }`);
      expect(again.body.errors).toBeUndefined();
    });
    expect(statements.filter((sql) => sql.includes('"virtual_machines"'))).toHaveLength(1);
  });
});

describe('documents that grow', () => {
  it('by introspection in circles are refused', async () => {
    const query =
      '{ __schema { types { fields { type { fields { type { fields { type { name } } } } } } } } }';
    const reply = await send(query);
    expect(reply.body.data).toBeUndefined();
    expect(codes(reply)).toEqual(['GRAPHQL_VALIDATION_FAILED']);
  });

  it.each([
    ['unknown directives', times(300, () => '@aa')],
    ['known directives', times(200, () => '@include(if: true)')],
  ])('by %s get one short answer', async (_kind, directives) => {
    const reply = await send(`{ __typename ${directives} }`);
    expect(codes(reply)).toEqual(['QUERY_TOO_LARGE']);
  });

  it('by fragments that double 25 times are refused', async () => {
    const fragments = times(25, (i) => `fragment A${i} on Query { ...A${i + 1} ...A${i + 1} }`);
    const reply = await send(`{ ...A0 } ${fragments} fragment A25 on Query { __typename }`);
    expect(codes(reply)).toEqual(['QUERY_TOO_LARGE']);
  });

  it('by fragments that go round in circles are refused', async () => {
    const reply = await send(
      '{ ...A } fragment A on Query { ...B } fragment B on Query { ...C } fragment C on Query { ...A }',
    );
    expect(codes(reply)).toContain('GRAPHQL_VALIDATION_FAILED');
  });

  it('by nesting are refused, with fragments or without', async () => {
    const round = 'project { virtualMachines { nodes {';
    const plain = `{ virtualMachines { nodes { ${round.repeat(6)} id ${'} } }'.repeat(6)} } } }`;
    expect(codes(await send(plain))).toEqual(['QUERY_TOO_DEEP']);
    const fragments = times(
      6,
      (i) => `fragment A${i} on VirtualMachine { ${round} ...A${i + 1} } } } }`,
    );
    const spread = `{ virtualMachines { nodes { ...A0 } } } ${fragments} fragment A6 on VirtualMachine { id }`;
    expect(codes(await send(spread))).toEqual(['QUERY_TOO_DEEP']);
  });

  it('by their length are refused', async () => {
    expect(codes(await send(`{ ${times(2_001, () => '__typename')} }`))).toHaveLength(1);
    expect(codes(await send(`{${'{'.repeat(1_900)}`))).toHaveLength(1);
    expect(
      codes(
        await send(
          `{ virtualMachines(filter: ${'{not:'.repeat(900)}{}${'}'.repeat(900)}) { totalCount } }`,
        ),
      ),
    ).toHaveLength(1);
  });

  it.each([
    ['lists', '['.repeat(60_000), ']'.repeat(60_000)],
    ['objects', `${'{"a":'.repeat(20_000)}1`, '}'.repeat(20_000)],
  ])('by %s nested in variables are refused', async (_kind, open, close) => {
    const query =
      'mutation ($i: CreateVirtualMachineInput!) { createVirtualMachine(input: $i) { __typename } }';
    const placement = `{"affinityLabels":${open}${close}}`;
    const input = `{"projectId":"a","name":"a","spec":{"cpu":{"cores":1},"memory":{"sizeMib":512},"placement":${placement}}}`;
    const body = `{"query":${JSON.stringify(query)},"variables":{"i":${input}}}`;
    expect(codes(await send(new Uint8Array(Buffer.from(body))))).toEqual(['QUERY_TOO_LARGE']);
  });

  it('by a filter nested in variables are refused', async () => {
    const query = 'query ($f: VirtualMachineFilter) { virtualMachines(filter: $f) { totalCount } }';
    const body = `{"query":"${query}","variables":{"f":${'{"not":'.repeat(20_000)}{}${'}'.repeat(20_000)}}}`;
    expect(codes(await send(new Uint8Array(Buffer.from(body))))).toEqual(['QUERY_TOO_LARGE']);
  });

  it('by pages of pages are refused before anything is read, whether sizes are written or in variables', async () => {
    const nested = (size: string): string =>
      `projects(first: ${size}) { nodes { virtualMachines(first: ${size}) { nodes { volumes(first: ${size}) { nodes { id } } } } } }`;
    const viaFragment = (size: string): string => `projects(first: ${size}) { nodes { ...P } }`;
    const readsLists = async (work: () => Promise<unknown>): Promise<boolean> =>
      (await world.statementsOf(work)).some((sql) => sql.includes('"virtual_machines"'));
    const refused = await readsLists(async () => {
      expect(codes(await send(`{ ${nested('500')} }`))).toEqual(['QUERY_TOO_LARGE']);
      const document = `query ($n: Int!) { ${nested('$n')} }`;
      expect(codes(await send({ query: document, variables: { n: 500 } }))).toEqual([
        'QUERY_TOO_LARGE',
      ]);
      const fragment =
        'fragment P on Project { virtualMachines(first: $n) { edges { node { volumes(first: $n) { nodes { id } } } } } }';
      const spread = `query ($n: Int = 500) { ${viaFragment('$n')} } ${fragment}`;
      expect(codes(await send(spread))).toEqual(['QUERY_TOO_LARGE']);
    });
    expect(refused).toBe(false);
    // The same document with small pages is served, also right after it was refused with large ones.
    const served = await readsLists(async () => {
      const query = `query ($n: Int!) { ${nested('$n')} }`;
      expect(codes(await send({ query, variables: { n: 5 } }))).toEqual([]);
    });
    expect(served).toBe(true);
  });
});

describe('bodies that are not what they seem', () => {
  it('packed with gzip are not unpacked', async () => {
    for (const body of [Buffer.alloc(50_000_000, ' '), Buffer.from('{"query":"{ __typename }"}')]) {
      const reply = await send(new Uint8Array(gzipSync(body)), { 'content-encoding': 'gzip' });
      expect(reply.status).toBe(400);
      expect(reply.text.length).toBeLessThan(200);
    }
  });

  it('of 50 MB are refused without being read to the end', async () => {
    const huge = JSON.stringify({ query: '{ __typename }', padding: 'x'.repeat(50_000_000) });
    const reply = await send(new Uint8Array(Buffer.from(huge))).catch(() => ({ status: 413 }));
    expect(reply.status).toBe(413);
  });

  it.each([
    ['nothing', ''],
    ['half an object', '{"query":'],
    ['null', 'null'],
    ['a number', '5'],
    ['100,000 brackets', '['.repeat(100_000) + ']'.repeat(100_000)],
    ['a query that is a number', '{"query":5}'],
    ['variables that are a list', '{"query":"{__typename}","variables":[1]}'],
    ['bytes that are no text', '\u00ff\u00fe{'],
  ])('holding %s are a bad request', async (_what, body) => {
    const reply = await send(new Uint8Array(Buffer.from(body, 'latin1')));
    expect(reply.status).toBe(400);
    expect(reply.text.length).toBeLessThan(300);
  });

  it.each([
    'application/x-www-form-urlencoded',
    'APPLICATION/X-WWW-FORM-URLENCODED; charset=utf-8',
    'multipart/form-data; boundary=x',
    'text/plain',
  ])('sent as %s, which a form on a foreign page could do, are refused', async (type) => {
    const body = `query=${encodeURIComponent('mutation { logout(input: {}) { __typename } }')}`;
    const reply = await request('/graphql', {
      method: 'POST',
      headers: { 'content-type': type, cookie },
      body,
    });
    expect(reply.status).toBe(415);
    expect((await send('{ viewer { name } }')).body.data).toEqual({ viewer: { name: 'ada' } });
  });
});

describe('requests that a foreign page makes a browser send', () => {
  const get = (query: string, headers: Record<string, string> = {}, more = ''): Promise<Reply> =>
    request(`/graphql?query=${encodeURIComponent(query)}${more}`, { headers });

  it('cannot change anything with GET', async () => {
    const own = { cookie, 'sec-fetch-site': 'same-origin' };
    const reply = await get('mutation { logout(input: {}) { __typename } }', own);
    expect(reply.status).toBe(405);
    expect((await get('{ viewer { name } }', own)).body.data).toEqual({
      viewer: { name: 'ada' },
    });
  });

  it.each([
    [{}],
    [{ 'sec-fetch-site': 'cross-site' }],
    [{ 'sec-fetch-site': 'same-site' }],
    [{ 'sec-fetch-site': 'cross-site', 'x-requested-with': 'fetch' }],
    [{ origin: 'https://evil.example' }],
    [{ origin: 'null' }],
    [{ origin: 'http://127.0.0.1' }],
  ] as Record<string, string>[][])('are not signed in by the cookie: %j', async (headers) => {
    const reply = await get('{ viewer { name } }', { cookie, ...headers });
    expect(codes(reply)).toEqual(['UNAUTHENTICATED']);
    expect(reply.headers.get('access-control-allow-origin')).toBeNull();
    const posted = await send('{ viewer { name } }', { authorization: '', cookie, ...headers });
    expect(posted.body.data).not.toEqual({ viewer: { name: 'ada' } });
  });

  it.each([[{ 'sec-fetch-site': 'none' }], [{ 'x-requested-with': 'fetch' }]] as Record<
    string,
    string
  >[][])('are told from those of our own: %j', async (headers) => {
    const reply = await get('{ viewer { name } }', { cookie, ...headers });
    expect(reply.body.data).toEqual({ viewer: { name: 'ada' } });
  });

  it('get no leave from a preflight', async () => {
    const reply = await request('/graphql', {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    });
    expect(reply.headers.get('access-control-allow-origin')).toBeNull();
    expect(reply.headers.get('access-control-allow-credentials')).toBeNull();
  });

  it('with two operation names run what the first one names', async () => {
    const two = 'query A { __typename } query B { viewer { name } }';
    const reply = await get(two, { cookie }, '&operationName=A&operationName=B');
    expect(reply.body.data).toEqual({ __typename: 'Query' });
  });
});

describe('what answers give away', () => {
  it.each([
    '{ __schema { directive } }',
    '{ virtualMachin { totalCount } }',
    '{ virtualMachines(fist: 1) { totalCount } }',
    '{ virtualMachines(orderBy: { field: NAM }) { totalCount } }',
    '{ virtualMachines(filter: { nam: { eq: "a" } }) { totalCount } }',
    '{ node(id: "a") { name } }',
    'query ($a: VirtualMachinFilter) { virtualMachines(filter: $a) { totalCount } }',
    '{ ... on VirtualMachin { id } }',
  ])('%s is told to be wrong, but not what would be right', async (query) => {
    const reply = await send(query);
    expect(codes(reply)).toContain('GRAPHQL_VALIDATION_FAILED');
    expect(messages(reply)).not.toMatch(/did you mean/i);
    expect(messages(reply)).not.toMatch(
      /"(directives|virtualMachines?|first|NAME|name|VirtualMachineFilter)"(,| or|\?)/,
    );
  });

  it('wrong names in variables are not corrected either', async () => {
    const query = 'query ($o: VirtualMachineOrder) { virtualMachines(orderBy: $o) { totalCount } }';
    for (const o of [
      { field: 'NAM' },
      { fiel: 'NAME' },
      'NAM',
      { field: 'NAME', direction: 'AS' },
    ]) {
      const reply = await send({ query, variables: { o } });
      expect(codes(reply).length).toBeGreaterThan(0);
      expect(messages(reply)).not.toMatch(/did you mean/i);
    }
  });

  it('a field that needs a selection says so', async () => {
    expect(messages(await send('{ virtualMachines }'))).toContain('virtualMachines { ... }');
  });

  it('no tracing, however it is asked for', async () => {
    const reply = await send(
      { query: '{ __typename }', extensions: { tracing: true } },
      { 'x-apollo-tracing': '1', 'apollo-federation-include-trace': 'ftv1' },
    );
    expect(reply.body).toEqual({ data: { __typename: 'Query' } });
  });

  it('no words of ours for a document that makes no sense', async () => {
    const reply = await send('qwerty cop { abc }');
    expect(messages(reply)).toBe('Syntax Error: Unexpected Name "qwerty".');
    expect(codes(reply)).toEqual(['GRAPHQL_PARSE_FAILED']);
  });

  it('nothing of the server in headers', async () => {
    const { headers } = await send('{ __typename }');
    expect([headers.get('server'), headers.get('x-powered-by')]).toEqual([null, null]);
  });
});

describe('what is another one’s', () => {
  it('is not answered to somebody who knows the idempotency key of it', async () => {
    const bob = await world.seed.user('ADMIN');
    const other = (await world.signIn(bob.name)).token ?? '';
    const create = (name: string) =>
      `mutation { createCluster(input: { name: "${name}", idempotencyKey: "known-to-both" }) { __typename ... on CreateClusterPayload { cluster { id } } } }`;
    const first = await send(create('first'));
    expect(first.body.data).toMatchObject({
      createCluster: { __typename: 'CreateClusterPayload' },
    });
    const as = { authorization: `Bearer ${other}` };
    // Not the first one's answer, nor that the key was used: for this caller it was not.
    const same = await send(create('first'), as);
    expect(same.body.data).toEqual({ createCluster: { __typename: 'AlreadyExistsError' } });
    const different = await send(create('second'), as);
    expect(different.body.data).toMatchObject({
      createCluster: { __typename: 'CreateClusterPayload' },
    });
    expect((await send(create('first'))).body.data).toEqual(first.body.data);
  });
});

describe('lines that somebody would like to add', () => {
  it.each([
    'a'.repeat(64),
    'short',
    'with space 1',
    'tab\tand more',
    'x-1234567;evil=1',
    '../../etc/passwd',
  ])('to headers: the request id %j is not repeated', async (id) => {
    const { headers } = await send('{ __typename }', { 'x-request-id': id });
    expect(headers.get('x-request-id')).not.toBe(id);
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('to headers: what is no header is no request', async () => {
    const answer = await new Promise<string>((resolve) => {
      let heard = '';
      const { hostname, port } = new URL(url);
      const socket = connect(Number(port), hostname, () =>
        socket.write(
          'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: abcdefgh\nSet-Cookie: a=b\r\n\r\n',
        ),
      );
      socket.on('data', (chunk) => {
        heard += String(chunk);
        socket.end();
      });
      socket.on('close', () => resolve(heard));
    });
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(answer.toLowerCase()).not.toContain('set-cookie');
    expect(answer.toLowerCase()).toContain('x-content-type-options: nosniff');
  });

  it('to the log: whatever a caller names stays within its line', () => {
    const lines: string[] = [];
    const log = createLogger({ level: 'info' }, { write: (line) => void lines.push(line) });
    const name = 'A\n{"level":"error","msg":"forged"}\r\u2028\u001b[31m';
    logRequest(log, {
      requestId: 'id',
      transport: 'http',
      path: `/${name}`,
      durationMs: 1,
      viewer: name,
      ipAddress: null,
      operation: { type: 'query', name, field: 'x' },
      outcome: 'ok',
    });
    expect(lines).toHaveLength(1);
    for (const control of ['\n', '\r', '\u001b'])
      expect(lines[0]?.trimEnd()).not.toContain(control);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ msg: 'request', viewer: name });
  });
});

describe('values out of bounds', () => {
  it('two operations of one name are refused', async () => {
    const reply = await send({
      query: 'query A { __typename } query A { __typename }',
      operationName: 'A',
    });
    expect(codes(reply)).toEqual(['GRAPHQL_VALIDATION_FAILED']);
  });

  it('of two operation names in one object, one counts', async () => {
    const body =
      '{"query":"query A { __typename } mutation B { logout(input: {}) { __typename } }","operationName":"B","operationName":"A"}';
    const reply = await send(new Uint8Array(Buffer.from(body)));
    expect(reply.body.data).toEqual({ __typename: 'Query' });
  });

  it.each([
    '2147483648',
    '2147483647',
    '501',
    '0',
    '-1',
    '-2147483649',
    '1.5',
    '1e9',
    '99999999999999999999',
    '"5"',
    '5, last: 5',
  ])('first: %s is refused', async (first) => {
    const reply = await send(`{ virtualMachines(first: ${first}) { nodes { id } } }`);
    expect(['GRAPHQL_VALIDATION_FAILED', 'BAD_USER_INPUT']).toContain(codes(reply)[0]);
    expect(reply.body.data ?? null).toBeNull();
  });

  it.each([2 ** 31, 1e300, -1, 1.5, '5', true, [5], { n: 5 }])(
    'first: %j in a variable is refused',
    async (n) => {
      const reply = await send({
        query: 'query ($n: Int) { virtualMachines(first: $n) { nodes { id } } }',
        variables: { n },
      });
      expect(codes(reply).length).toBeGreaterThan(0);
      expect(reply.body.data ?? null).toBeNull();
    },
  );

  it.each([
    'AAAA',
    '',
    '\u0000',
    'W10=',
    Buffer.from('["User","NAME","ASC","a","00000000-0000-7000-8000-000000000001"]').toString(
      'base64url',
    ),
  ])('the foreign cursor %j is refused', async (after) => {
    const query = 'query ($after: String) { virtualMachines(after: $after) { nodes { id } } }';
    expect(codes(await send({ query, variables: { after } }))).toEqual(['BAD_USER_INPUT']);
  });

  it('__proto__ among variables changes nothing for anybody', async () => {
    const query = 'query ($f: VirtualMachineFilter) { virtualMachines(filter: $f) { totalCount } }';
    for (const variables of [
      '{"__proto__":{"f":{"name":{"eq":"none"}}}}',
      '{"f":{"__proto__":{"name":{"eq":"none"}}}}',
      '{"f":{"constructor":{"prototype":{"name":{"eq":"none"}}}}}',
    ]) {
      const body = `{"query":${JSON.stringify(query)},"variables":${variables}}`;
      const reply = await send(new Uint8Array(Buffer.from(body)));
      const count = (reply.body.data?.virtualMachines as { totalCount?: number } | undefined)
        ?.totalCount;
      expect(count === machines || codes(reply).length > 0).toBe(true);
    }
    expect(({} as Record<string, unknown>).name).toBeUndefined();
    const after = await send('{ virtualMachines { totalCount } }');
    expect(after.body.data).toEqual({ virtualMachines: { totalCount: machines } });
  });

  it.each([
    '\u0000',
    'a\u0000b',
    '\ud800',
    '\u202e',
    "'; DROP TABLE users; --",
    '%',
    '\\',
    '\u{1F600}',
  ])('the text %j is searched for as it is, or refused', async (contains) => {
    const query =
      'query ($t: String) { virtualMachines(filter: { name: { contains: $t } }) { totalCount } }';
    const reply = await send({ query, variables: { t: contains } });
    const found = reply.body.data?.virtualMachines as { totalCount: number } | undefined;
    if (found) expect(found.totalCount).toBe(0);
    else expect(codes(reply)).toEqual(['BAD_USER_INPUT']);
  });
});

describe('over WebSocket', () => {
  const openRaw = (headers: Record<string, string> = {}) =>
    new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { headers });
  const closeOf = (socket: WebSocket) =>
    new Promise<number>((resolve) => socket.once('close', (code) => resolve(code)));

  it('who subscribes without saying who they are is shown out', async () => {
    const socket = openRaw();
    socket.once('open', () =>
      socket.send(
        JSON.stringify({ id: '1', type: 'subscribe', payload: { query: '{ __typename }' } }),
      ),
    );
    expect(await closeOf(socket)).toBe(4401);
  });

  it.each([
    ['no JSON', '{', 4400],
    ['no message of the protocol', '{"type":"evil"}', 4400],
    ['a subscription without a query', '{"id":"1","type":"subscribe","payload":{}}', 4400],
  ])('who sends %s is shown out, and told nothing of us', async (_what, message, expected) => {
    const socket = openRaw();
    socket.once('open', () => socket.send(message));
    const reason = new Promise<string>((resolve) =>
      socket.once('close', (_code, text) => resolve(String(text))),
    );
    expect(await closeOf(socket)).toBe(expected);
    expect(await reason).not.toMatch(/node_modules|\.[jt]s|at /);
  });

  it('a page of a foreign origin gets none, with the cookie or without', async () => {
    for (const headers of [{}, { cookie }]) {
      const socket = openRaw({ ...headers, origin: 'https://evil.example' });
      const refused = new Promise<string>((resolve) =>
        socket.once('error', ({ message }) => resolve(message)),
      );
      expect(await refused).toContain('403');
    }
  });

  it.each([
    ['aliases', `{ ${times(101, (i) => `a${i}: __typename`)} }`, {}],
    [
      'pages of pages',
      'query ($n: Int!) { projects(first: $n) { nodes { virtualMachines(first: $n) { nodes { volumes(first: $n) { nodes { id } } } } } } }',
      { n: 500 },
    ],
    [
      'pages of pages in a subscription',
      `subscription { virtualMachineChanged(projectId: "a") { virtualMachine { volumes(first: 500) { nodes { attachedVirtualMachine { tasks(first: 500) { nodes { id } } } } } } } }`,
      {},
    ],
    [
      'nested variables',
      'query ($j: VirtualMachineFilter) { virtualMachines(filter: $j) { totalCount } }',
      { j: JSON.parse(`${'{"not":'.repeat(500)}{}${'}'.repeat(500)}`) },
    ],
  ])('%s are refused as well', async (_kind, query, variables) => {
    const client = createClient({
      url: `${url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${token}` },
      retryAttempts: 0,
    });
    const heard: unknown[] = [];
    await new Promise<void>((resolve) => {
      client.subscribe(
        { query, variables: variables as Record<string, unknown> },
        {
          next: (result) => heard.push(...(result.errors ?? [result])),
          error: (fault) => {
            heard.push(...(Array.isArray(fault) ? fault : [fault]));
            resolve();
          },
          complete: resolve,
        },
      );
    });
    await client.dispose();
    expect(heard).toEqual([
      expect.objectContaining({ extensions: expect.objectContaining({ code: 'QUERY_TOO_LARGE' }) }),
    ]);
  });
});
