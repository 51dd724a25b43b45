/** GraphQL over WebSocket: the same answers as over HTTP, and limits on what one socket may do. */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Client, GraphQLFault } from '../support/client.js';
import { type Installation, install } from '../support/installation.js';
import type { Served } from '../support/program.js';
import { freePorts } from '../support/services/ports.js';
import { sharedPostgres } from '../support/services/postgres.js';
import { until } from '../support/until.js';
import { insertReadyNode, query } from './database.js';
import { openEventStream } from './event-stream.js';
import { subscribers } from './expectations.js';
import { type Forwarder, forward } from './forward.js';
import { openSocket, type SocketClient, type SocketOptions } from './socket-client.js';

vi.setConfig({ testTimeout: 120_000 });

const CAP = 15;
const CONSOLE = 'https://console.example.org';
const WATCH = 'subscription { nodeMetrics { hypervisorNodeId } }';
const WATCH_PROJECT =
  'subscription ($id: ID!) { virtualMachineChanged(projectId: $id) { kind id virtualMachine { name } } }';
const CREATE =
  'mutation ($name: String!) { createProject(input: { name: $name }) { __typename ... on CreateProjectPayload { project { id name } } ... on UserError { code } } }';

let installation: Installation;
let served: Served;
let postgres: Forwarder;
let postgresPort: number;
let ada: Client;
const open: SocketClient[] = [];

beforeAll(async () => {
  [postgresPort = 0] = await freePorts(1);
  postgres = await forward(postgresPort, sharedPostgres());
  installation = await install({
    server: { cors_origins: [CONSOLE] },
    database: { port: postgresPort },
    limits: { subscriptions_per_socket: CAP, max_request_bytes: 200_000 },
  });
  await installation.createUser('ada', 'ADMIN');
  await insertReadyNode(sharedPostgres(), installation.database);
  served = await installation.serve();
  ada = await served.signIn('ada', installation.password);
});
afterEach(() => {
  for (const { client } of open.splice(0)) client.terminate();
});
afterAll(async () => {
  await served?.program.dispose();
  await postgres?.close();
});

function connect(options: SocketOptions = { token: ada.token }, to: Served = served): SocketClient {
  const socket = openSocket(to.url, options);
  open.push(socket);
  return socket;
}

const projectOf = async (name: string): Promise<string> => {
  const { data } = await ada.answer(CREATE, { name });
  return (data as unknown as { createProject: { project: { id: string } } }).createProject.project
    .id;
};
const machine = (projectId: string, name: string) =>
  ada.answer(
    `mutation ($input: CreateVirtualMachineInput!) { createVirtualMachine(input: $input) { __typename } }`,
    { input: { projectId, name, spec: { cpu: { cores: 1 }, memory: { sizeMib: 512 } } } },
  );
const codes = (errors: unknown) =>
  (errors as GraphQLFault[]).map(({ extensions }) => extensions.code);
const noSubscribers = () =>
  until('no subscribers', async () => (await subscribers(served.url)) === 0);

describe('one socket', () => {
  it('carries queries, mutations and subscriptions at the same time', async () => {
    const socket = connect();
    const viewer = await socket.run('{ viewer { name role } }');
    expect(viewer).toMatchObject({ data: { viewer: { name: 'ada', role: 'ADMIN' } } });
    const made = await socket.run(CREATE, { name: 'one-socket' });
    expect(made).toMatchObject({ data: { createProject: { project: { name: 'one-socket' } } } });
    const { id } = (made.data as { createProject: { project: { id: string } } }).createProject
      .project;
    const stream = socket.subscribe(WATCH_PROJECT, { id });
    await until('a subscriber', async () => (await subscribers(served.url)) === 1);
    expect((await machine(id, 'seen')).data).toEqual({
      createVirtualMachine: { __typename: 'CreateVirtualMachinePayload' },
    });
    await until('the machine', () => JSON.stringify(stream.events).includes('"seen"'));
    expect(stream.events.at(-1)).toMatchObject({
      data: { virtualMachineChanged: { kind: 'CREATED', virtualMachine: { name: 'seen' } } },
    });
    stream.stop();
    expect(await stream.ended).toBe('complete');
    await noSubscribers();
    expect(await socket.run('{ server { version } }')).toHaveProperty('data.server.version');
  });

  it('leaves a line in the log for each operation, like HTTP', async () => {
    await connect().run('query FromASocket { viewer { name } }');
    const line = await served.program.logged(
      'request',
      ({ operation }) => operation === 'FromASocket',
    );
    expect(line).toMatchObject({
      ...{ transport: 'websocket', type: 'query', field: 'viewer', outcome: 'ok' },
      ...{ viewer: 'ada', ipAddress: '127.0.0.1', requestId: expect.any(String) },
    });
  });

  it('may have so many subscriptions at once and no more, and refused ones do not count', async () => {
    const socket = connect();
    const streams = Array.from({ length: CAP }, () => socket.subscribe(WATCH));
    await until('all of them', async () => (await subscribers(served.url)) === CAP);
    for (let n = 0; n < 2 * CAP; n += 1)
      expect(codes(await socket.subscribe(WATCH).ended)).toEqual(['TOO_MANY_SUBSCRIPTIONS']);
    streams[0]?.stop();
    await until('a place', async () => (await subscribers(served.url)) === CAP - 1);
    for (let n = 0; n < 2 * CAP; n += 1)
      await expect(socket.run('{ nonsense }')).rejects.toBeDefined();
    expect(await socket.run('{ viewer { name } }')).toHaveProperty('data.viewer.name', 'ada');
  });

  it('leaves a line for what is no operation, too, with the code that the client got', async () => {
    const socket = connect();
    for (const [text, code] of [
      ['{ viewer ', 'GRAPHQL_PARSE_FAILED'],
      ['{ nonsense }', 'GRAPHQL_VALIDATION_FAILED'],
    ] as const) {
      const errors = await socket.run(text).catch((refused: unknown) => refused);
      expect(codes(errors)).toEqual([code]);
      const line = await served.program.logged('request', ({ outcome }) => outcome === code);
      expect(line).toMatchObject({ transport: 'websocket', viewer: 'ada' });
    }
  });

  it('takes messages as large as a request may be, like HTTP', async () => {
    const long = `{ viewer { name } } # ${'x'.repeat(150_000)}`;
    expect(await connect().run(long)).toHaveProperty('data.viewer.name', 'ada');
  });

  it('is closed when a message is too large, and nothing is written about it', async () => {
    const socket = connect();
    await socket.connected;
    socket.socket().send(JSON.stringify({ type: 'ping', payload: { x: 'x'.repeat(200_000) } }));
    expect((await socket.closed).code).toBe(1009);
    expect(served.program.stderr).toBe('');
  });

  it.each([
    '{',
    'null',
    '{"type":"start"}',
    '{"type":"subscribe","id":"","payload":{}}',
    '{"type":"subscribe","id":"1","payload":{"query":7}}',
  ])('is closed when it says %s', async (text) => {
    const socket = connect();
    await socket.connected;
    socket.socket().send(text);
    expect((await socket.closed).code).toBe(4400);
    expect(served.program.stderr).toBe('');
  });

  it('frees its subscriptions when the client vanishes, whether it says so or not', async () => {
    const [polite, rude, event] = [
      connect(),
      connect(),
      await openEventStream(served.url, ada.token, WATCH),
    ];
    for (const socket of [polite, rude]) for (let n = 0; n < 3; n += 1) socket.subscribe(WATCH);
    await until('all of them', async () => (await subscribers(served.url)) === 7);
    await polite.client.dispose();
    rude.socket().terminate();
    event.hangUp();
    await noSubscribers();
  });
});

describe('who is at the other end', () => {
  it.each(['nonsense', 'a.b.c', 'qxa_unknown'])(
    'a token that does not count (%s) is refused',
    async (token) => {
      expect(await connect({ token }).closed).toMatchObject({ code: 4403, reason: 'Forbidden' });
    },
  );

  it('nobody: what needs somebody answers UNAUTHENTICATED, the rest is served', async () => {
    const socket = connect({});
    expect(await socket.run('{ server { version } }')).toHaveProperty('data.server.version');
    const { errors } = await socket
      .run('{ clusters { totalCount } }')
      .catch((e: unknown) => ({ errors: e }));
    expect(codes(errors)).toEqual(['UNAUTHENTICATED']);
    const stream = socket.subscribe(WATCH);
    const ended = await stream.ended;
    expect(codes(ended === 'complete' ? stream.events[0]?.errors : ended)).toEqual([
      'UNAUTHENTICATED',
    ]);
  });

  it('a page of a foreign origin gets no socket; one of a configured origin does', async () => {
    expect((await connect({ token: ada.token, origin: 'https://evil.example' }).closed).code).toBe(
      1006,
    );
    const trusted = connect({ token: ada.token, origin: CONSOLE });
    expect(await trusted.run('{ viewer { name } }')).toHaveProperty('data.viewer.name', 'ada');
  });

  it('the cookie of a browser signs in, from our own and configured pages alone', async () => {
    const cookie = { cookie: `__Host-quantix_session=${ada.token}` };
    const own = connect({ headers: { ...cookie, origin: served.url } });
    expect(await own.run('{ viewer { name } }')).toHaveProperty('data.viewer.name', 'ada');
    const ask = async (origin: string) => {
      const response = await fetch(`${served.url}/graphql`, {
        method: 'POST',
        headers: { ...cookie, origin, 'content-type': 'application/json' },
        body: JSON.stringify({ query: '{ viewer { name } }' }),
      });
      return ((await response.json()) as { data: { viewer: { name: string } | null } }).data.viewer;
    };
    expect(await ask(CONSOLE)).toEqual({ name: 'ada' });
    expect(await ask('https://evil.example')).toBeNull();
  });

  it('is gone when the session expires: the socket is closed, and a stream of events ends', async () => {
    const brief = await installation.serve([], { env: { QUANTIX_AUTH_SESSION_TTL: '8s' } });
    try {
      const guest = await brief.signIn('ada', installation.password);
      const stream = await openEventStream(brief.url, guest.token, WATCH);
      const socket = connect({ token: guest.token }, brief);
      await socket.connected;
      const watching = socket.subscribe(WATCH);
      expect(await socket.closed).toMatchObject({ code: 4403, reason: 'The session has ended' });
      expect(await stream.ended).toBe('complete');
      await watching.ended;
      await until('nobody', async () => (await subscribers(brief.url)) === 0);
      const { errors } = await guest.answer('{ viewer { name } }');
      expect(codes(errors)).toEqual(['UNAUTHENTICATED']);
    } finally {
      await brief.program.dispose();
    }
  });

  it('is gone soon after signing out, and has the rights of now after these were changed', async () => {
    await installation.createUser('bob', 'ADMIN');
    const bob = await served.signIn('bob', installation.password);
    const guest = await served.signIn('ada', installation.password);
    const [socket, bobs] = [connect({ token: guest.token }), connect({ token: bob.token })];
    await Promise.all([socket.connected, bobs.connected]);
    const stream = await openEventStream(served.url, guest.token, WATCH);
    const [watching, bobsStream] = [
      bobs.subscribe(WATCH),
      await openEventStream(served.url, bob.token, WATCH),
    ];
    const { data } = await ada.answer(
      '{ users(filter: { username: { eq: "bob" } }) { nodes { id } } }',
    );
    const [{ id }] = (data as unknown as { users: { nodes: [{ id: string }] } }).users.nodes;
    const demote =
      'mutation ($id: ID!) { updateUser(input: { id: $id, role: VIEWER }) { __typename } }';
    expect((await ada.answer(demote, { id })).data).toEqual({
      updateUser: { __typename: 'UpdateUserPayload' },
    });
    expect(await bobs.run('{ viewer { role } }')).toHaveProperty('data.viewer.role', 'VIEWER');
    expect(await bobs.run(CREATE, { name: 'not-his' })).toHaveProperty(
      'data.createProject.code',
      'FORBIDDEN',
    );
    await guest.answer('mutation { logout(input: {}) { __typename } }');
    expect(await socket.closed).toMatchObject({ code: 4403, reason: 'The session has ended' });
    expect(await stream.ended).toBe('complete');
    expect(await watching.ended).toBe('complete');
    expect(await bobsStream.ended).toBe('complete');
    expect(await bobs.run('{ viewer { name } }')).toHaveProperty('data.viewer.name', 'bob');
  });
});

describe('errors are those of HTTP', () => {
  it.each([
    ['syntax', '{ viewer '],
    ['an unknown field', '{ viewer { nme } }'],
    ['an id that is none', '{ virtualMachine(id: "x") { name } }'],
    ['too many tokens', `{ ${'a '.repeat(3000)}}`],
    [
      'too deep',
      `{ clusters { nodes ${'{ hypervisorNodes { nodes { cluster '.repeat(6)} { id } ${'} } }'.repeat(6)} } }`,
    ],
    [
      'an expected refusal',
      'mutation { createProject(input: { name: "!" }) { __typename ... on UserError { code message path } } }',
    ],
  ])('%s', async (_what, text) => {
    const http = await ada.answer(text);
    const answer = await connect()
      .run(text)
      .catch((errors: unknown) => ({ data: null, errors }));
    expect(http.errors.length > 0 || http.data !== null).toBe(true);
    expect(answer.errors ?? []).toEqual(http.errors);
    expect(answer.data ?? null).toEqual(http.data);
  });

  it('a database that does not answer is UNAVAILABLE and retryable, and the socket outlives it', async () => {
    const project = await projectOf('outage');
    const [socket, other] = [connect(), connect()];
    await Promise.all([socket.connected, other.connected]);
    await postgres.close();
    try {
      const unavailable = { code: 'UNAVAILABLE', retryable: true };
      const result = await socket.run('{ clusters { nodes { name } } }');
      expect((result.errors as unknown as GraphQLFault[])[0]?.extensions).toMatchObject(
        unavailable,
      );
      const stream = other.subscribe(WATCH_PROJECT, { id: project });
      // By the operation while its caller is remembered, or before it when that was too long ago.
      const ended = await stream.ended;
      const faults = ended === 'complete' ? stream.events[0]?.errors : ended;
      expect((faults as unknown as GraphQLFault[])[0]?.extensions).toMatchObject(unavailable);
      // Whom it knows it lets in; an agent's token has to be looked up.
      expect((await connect({ token: 'qxa_unknown' }).closed).code).toBe(1013);
    } finally {
      postgres = await forward(postgresPort, sharedPostgres());
    }
    await until(
      'it is back',
      async () => (await socket.run('{ clusters { totalCount } }')).errors === undefined,
    );
    expect(
      await query(
        sharedPostgres(),
        installation.database,
        `SELECT 1 FROM projects WHERE name = 'outage'`,
      ),
    ).toHaveLength(1);
    expect(served.program.stderr).toBe('');
  });
});
