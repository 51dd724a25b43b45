/** Rights that are taken end what runs with them, on both transports: nothing is pushed afterwards, and the subscriber hears why. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { encodeGlobalId } from '../../src/ids.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { type Followed, type Follower, follower, type Transport } from '../support/follow.js';
import { createStage, METRICS, mutate, type Stage } from '../support/mutations.js';
import { api } from '../support/schema-walk.js';
import type { Made } from '../support/seed.js';
import { createTestAgent, type TestAgent } from '../support/test-agent.js';
import { createTestClock } from '../support/test-clock.js';
import { until } from '../support/until.js';

const TRANSPORTS: readonly Transport[] = ['SSE', 'WebSocket'];

/** Every subscription of the schema: how it is begun, and how many messages come by themselves. */
const STREAMS: Readonly<Record<string, { query: string; snapshots: number }>> = {
  changes: {
    query: 'subscription { changes { ... on ObjectChange { object { id } } } }',
    snapshots: 0,
  },
  nodeMetrics: {
    query: 'subscription { nodeMetrics(intervalMs: 500) { metrics { cpuPercent } } }',
    snapshots: 1,
  },
  taskChanged: {
    query: 'subscription ($task: ID!) { taskChanged(id: $task) { kind } }',
    snapshots: 1,
  },
  virtualMachineChanged: {
    query:
      'subscription ($vm: ID!) { virtualMachineChanged(id: $vm) { virtualMachine { description } } }',
    snapshots: 1,
  },
};
const ALL = Object.keys(STREAMS);

const clock = createTestClock(Date.now());
let world: TestApp;
let stage: Stage;
let agent: TestAgent;
let url: string;
beforeAll(async () => {
  world = await createTestApp({ clock, config: { server: { port: 0 } } });
  stage = await createStage(world);
  agent = await createTestAgent(world, stage.node);
  url = (await world.app.start()).url;
});
afterAll(() => world.stop());

it('every subscription of the schema is followed here', () => {
  expect(Object.keys(api.getSubscriptionType()?.getFields() ?? {}).sort()).toEqual(ALL);
});

interface Subscriber {
  readonly user: Made;
  readonly client: Client;
  readonly vm: Made;
  readonly task: Made;
}

/** A member of the project with what there is to follow. `script`: with a token instead of a session. */
async function subscriber(script: object | null = null): Promise<Subscriber & { token: Made }> {
  const { seed } = world;
  const projects = { [stage.project.uuid]: 'OPERATOR' } as const;
  const user = await seed.user('OPERATOR', { projects });
  const vm = await seed.vm(stage.project, { cluster: stage.cluster });
  const task = await seed.task(stage.project, vm, { status: 'RUNNING', finishedAt: null });
  if (!script) return { user, vm, task, client: await world.signIn(user.name), token: user };
  const token = await seed.apiToken(user, script);
  return { user, vm, task, client: world.withToken(token.token), token };
}

const openNow = async (): Promise<number> => {
  const { values } = await world.app.services.metrics.subscribers.get();
  return values.reduce((sum, { value }) => sum + value, 0);
};
const report = (cpuPercent: number) =>
  agent.report({ metrics: { ...METRICS, sampledAt: new Date().toISOString(), cpuPercent } });

/** Begins them, and reads what comes by itself. */
async function begin(follower: Follower, who: Subscriber, fields: readonly string[] = ALL) {
  const before = await openNow();
  const begun: [string, Followed][] = [];
  for (const field of fields) {
    const { query = '', snapshots = 0 } = STREAMS[field] ?? {};
    const names = { vm: who.vm.id, task: who.task.id };
    const variables = Object.fromEntries(
      Object.entries(names).filter(([name]) => query.includes(`$${name}`)),
    );
    const stream = await follower.follow(query, variables);
    for (let n = 0; n < snapshots; n += 1)
      expect([field, (await stream.next())?.errors]).toEqual([field, undefined]);
    begun.push([field, stream]);
  }
  await until('all run', async () => (await openNow()) === before + fields.length);
  return begun;
}

/** Told of at once: whoever was not is asked again about every five seconds, which would be too late. */
const AT_ONCE_MS = 3_000;

/** What is left to read: the reason and the end, and nothing of what happened. */
async function restOf(begun: readonly [string, Followed][]) {
  const since = performance.now();
  const rest = begun.map(async ([field, stream]) => {
    const [last, end] = [await stream.next(), await stream.next()];
    return [field, last?.data, last?.errors?.map(({ extensions }) => extensions), end];
  });
  const read = await Promise.all(rest);
  expect(performance.now() - since).toBeLessThan(AT_ONCE_MS);
  return read;
}
const told = (code: string, retryable: boolean, fields: readonly string[] = ALL) =>
  fields.map((field) => [field, undefined, [{ code, retryable }], null]);

type Revoke = (who: Subscriber & { token: Made }) => Promise<unknown>;
const by =
  (mutation: string, input: (who: Subscriber & { token: Made }) => object): Revoke =>
  async (who) => {
    const answer = await mutate(stage.admin, mutation, input(who) as never);
    expect(answer.__typename).toMatch(/Payload$/);
  };
const ofUser =
  (more: object = {}) =>
  ({ user }: Subscriber) => ({ id: user.id, ...more });
const member = ({ user }: Subscriber) => ({ userId: user.id, projectId: stage.project.id });
const revokeSession: Revoke = async (who) => {
  const { data } = await who.client.answer<{ viewer: { sessions: { id: string }[] } }, unknown>(
    '{ viewer { sessions { id } } }',
  );
  await by('revokeSession', () => ({ id: data?.viewer.sessions[0]?.id }))(who);
};

const ENDED: readonly [string, 'session' | 'token', Revoke][] = [
  ['the account is disabled', 'session', by('updateUser', ofUser({ enabled: false }))],
  ['the account is deleted', 'session', by('deleteUser', ofUser())],
  ['an administrator sets the password', 'session', by('setUserPassword', ofUser({ password: 'another sample of one' }))],
  ['all sessions of the user are ended', 'session', by('revokeUserSessions', ofUser())],
  ['the session is revoked', 'session', revokeSession],
  ['its user signs out', 'session', ({ client }) => mutate(client, 'logout', {})],
  ['the token is revoked', 'token', by('revokeApiToken', ({ token }) => ({ id: token.id }))],
  ["the account of the token's owner is disabled", 'token', by('updateUser', ofUser({ enabled: false }))],
]; // biome-ignore format: a table

const NARROWED: readonly [string, 'session' | 'token', Revoke][] = [
  ['the user is removed from a project', 'session', by('removeProjectMember', member)],
  ['the role in a project changes', 'session', by('setProjectMember', (who) => ({ ...member(who), role: 'VIEWER' }))],
  ['the role changes', 'session', by('updateUser', ofUser({ role: 'VIEWER' }))],
  ["the token's owner is removed from a project", 'token', by('removeProjectMember', member)],
]; // biome-ignore format: a table

const lines = (client: Client): Follower[] =>
  TRANSPORTS.map((transport) => follower(transport, url, client));

it.each(ENDED)('all subscriptions end, with the reason, when %s', async (_, kind, revoke) => {
  await report(1);
  const who = await subscriber(kind === 'token' ? {} : null);
  const open = lines(who.client);
  const begun = [];
  for (const line of open) begun.push(await begin(line, who));
  await revoke(who);
  for (const streams of begun)
    expect(await restOf(streams)).toEqual(told('SUBSCRIPTION_REVOKED', false));
  for (const line of open) {
    if (line.closed) expect(await line.closed).toMatchObject({ code: 4403 });
    line.hangUp();
  }
});

/** Of an agent, who sees nothing and may listen all the same. */
const AGENT_ENDED: readonly [string, string, (node: Made, token: string) => object][] = [
  ['its token is revoked', 'revokeApiToken', (_, id) => ({ id })],
  ['another token takes its place', 'issueAgentToken', ({ id }) => ({ nodeId: id, name: 'second', revokeOthers: true })],
  ['its node is decommissioned', 'decommissionHypervisorNode', ({ id }) => ({ id, expectedVersion: 1 })],
  ['its node is deleted', 'deleteHypervisorNode', ({ id }) => ({ id, expectedVersion: 1 })],
]; // biome-ignore format: a table

it.each(AGENT_ENDED)(
  'what an agent follows ends, with the reason, when %s',
  async (_, mutation, input) => {
    const node = await world.seed.node(stage.cluster);
    const client = world.withToken(await world.seed.agentToken(node));
    const { id } = await world.data.db.apiToken.findFirstOrThrow({ where: { nodeId: node.uuid } });
    const open = lines(client);
    const begun: Followed[] = [];
    const before = await openNow();
    for (const line of open) begun.push(await line.follow(STREAMS.changes?.query ?? '', {}));
    await until('both run', async () => (await openNow()) === before + open.length);
    await by(mutation, () => input(node, encodeGlobalId('ApiToken', id)))({} as never);
    expect(await restOf(begun.map((stream) => ['changes', stream]))).toEqual([
      ...told('SUBSCRIPTION_REVOKED', false, ['changes', 'changes']),
    ]);
    for (const line of open) {
      if (line.closed) expect(await line.closed).toMatchObject({ code: 4403 });
      line.hangUp();
    }
  },
);

it.each(NARROWED)('all subscriptions are to begin anew when %s', async (_, kind, revoke) => {
  await report(1);
  const who = await subscriber(kind === 'token' ? {} : null);
  const open = lines(who.client);
  const begun = [];
  for (const line of open) begun.push(await begin(line, who));
  await revoke(who);
  for (const streams of begun) expect(await restOf(streams)).toEqual(told('RIGHTS_CHANGED', true));
  // The credential itself still counts, and so does the socket.
  for (const line of open) expect(await begin(line, who, ['nodeMetrics'])).toHaveLength(1);
  for (const line of open) line.hangUp();
  await until('nothing runs', async () => (await openNow()) === 0);
});

it('what happens after the rights are gone is pushed to nobody, also when nobody is told of that', async () => {
  await report(1);
  const [ended, narrowed] = [await subscriber(), await subscriber({})];
  const open = [ended, narrowed].map((who) => ({ who, lines: lines(who.client) }));
  const begun = new Map<Subscriber, [string, Followed][][]>();
  for (const { who, lines: both } of open)
    begun.set(who, [await begin(both[0] as Follower, who), await begin(both[1] as Follower, who)]);
  // Written past the commands: no hint is announced.
  await world.data.db.session.deleteMany({ where: { userId: ended.user.uuid } });
  await world.data.db.projectMember.deleteMany({ where: { userId: narrowed.user.uuid } });
  for (const { vm, task } of [ended, narrowed]) {
    await mutate(stage.admin, 'updateVirtualMachine', { id: vm.id, description: 'secret' });
    await mutate(stage.admin, 'cancelTask', { id: task.id });
  }
  await report(2);
  for (const streams of begun.get(ended) ?? [])
    expect(await restOf(streams)).toEqual(told('SUBSCRIPTION_REVOKED', false));
  for (const streams of begun.get(narrowed) ?? [])
    expect(await restOf(streams)).toEqual(told('RIGHTS_CHANGED', true));
  for (const line of open.flatMap(({ lines: both }) => both)) line.hangUp();
});

it('a token that expires ends what it began, and one that is good for months lets it run', async () => {
  const [soon, later] = [Date.now() + 2_000, Date.now() + 90 * 86_400_000];
  const brief = await subscriber({ expiresAt: new Date(soon) });
  const lasting = await subscriber({ expiresAt: new Date(later) });
  const fields = ['virtualMachineChanged'];
  const open = [lines(brief.client), lines(lasting.client)];
  const begun = [];
  for (const [i, who] of [brief, lasting].entries())
    for (const line of open[i] ?? []) begun.push(await begin(line, who, fields));
  for (const streams of begun.slice(0, 2))
    expect(await restOf(streams)).toEqual(told('SUBSCRIPTION_REVOKED', false, fields));
  expect(Date.now()).toBeGreaterThanOrEqual(soon);
  await mutate(stage.admin, 'updateVirtualMachine', { id: lasting.vm.id, description: 'seen' });
  for (const [[, stream] = expect.fail()] of begun.slice(2))
    expect(await stream.next()).toMatchObject({
      data: { virtualMachineChanged: { virtualMachine: { description: 'seen' } } },
    });
  for (const line of open.flat()) line.hangUp();
});

it('nothing is left of subscriptions that were taken away', async () => {
  await until('nothing runs', async () => (await openNow()) === 0);
});

/** The last one: all sessions of this file end with it. */
it('a session that expires in mid-stream is told nothing that happens afterwards', async () => {
  const who = await subscriber();
  const open = lines(who.client);
  const fields = ['changes', 'virtualMachineChanged'];
  const streams = [];
  for (const line of open) streams.push(await begin(line, who, fields));
  const { sessionTtlMs } = world.app.services.config.auth;
  clock.advance(sessionTtlMs + 1_000);
  const admin = await world.signIn('stage-admin');
  await mutate(admin, 'updateVirtualMachine', { id: who.vm.id, description: 'secret' });
  for (const begun of streams)
    expect(await restOf(begun)).toEqual(told('SUBSCRIPTION_REVOKED', false, fields));
  for (const line of open) line.hangUp();
});
