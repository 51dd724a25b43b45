/** Every shared setting works on the running app: what it governs is seen before it is set, after, and when it was reset. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sharedEntries } from '../../src/config/shared.js';
import { drsExpiry } from '../../src/controllers/drs-expiry.js';
import { maintenance } from '../../src/controllers/maintenance.js';
import { nodeHealth } from '../../src/controllers/node-health.js';
import type { Controller } from '../../src/controllers/runner.js';
import { retention } from '../../src/controllers/task-keeper.js';
import type { HttpServer } from '../../src/server/http.js';
import { openSocket } from '../e2e/socket-client.js';
import type { TypedDocumentString } from '../gen/graphql.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client, GraphQLFault } from '../support/client.js';
import { mutate } from '../support/mutations.js';
import type { Made } from '../support/seed.js';
import { createTestAgent } from '../support/test-agent.js';
import { createTestClock, type TestClock } from '../support/test-clock.js';
import { until } from '../support/until.js';
import { watch } from '../support/watch.js';

let clock: TestClock;
let world: TestApp;
let admin: Client;
let project: Made;
let server: HttpServer | undefined;
beforeAll(async () => {
  clock = createTestClock(Date.now()); // sessions that subscribe end by the real time
  const config = { log: { level: 'silent' }, server: { port: 0 } } as const;
  world = await createTestApp({ clock, config });
  await world.seed.user('ADMIN', { username: 'ada' });
  admin = await world.signIn('ada');
});
beforeEach(async () => {
  project = await world.seed.project();
});
afterAll(() => world.stop());

const ago = (seconds: number) => new Date(clock.now().getTime() - seconds * 1000);
const run = (controller: Controller) =>
  controller.run(world.app.services, () => true, new AbortController().signal, new Date(0));
async function ask<T>(document: string, variables: object = {}): Promise<T> {
  const { data, errors } = await admin.answer<T, object>(document, variables);
  if (errors.length > 0) throw new Error(JSON.stringify(errors));
  return data as T;
}

const phaseAfter = (seconds: number) => async () => {
  const node = await world.seed.node(await world.seed.cluster(), { lastHeartbeat: ago(seconds) });
  await run(nodeHealth);
  return (await world.data.db.node.findUniqueOrThrow({ where: { id: node.uuid } })).phase;
};
const running = async () => {
  const cluster = await world.seed.cluster();
  const node = await world.seed.node(cluster, { lastHeartbeat: clock.now() });
  const state = { powerState: 'RUNNING', desiredState: 'RUNNING' } as const;
  const vm = await world.seed.vm(project, { cluster, node, claimed: true, ...state });
  return { cluster, node, vm };
};
/** How long a task may take that was begun for this machine, in minutes. */
const minutesFor = async (vm: Made) => {
  const task = await world.data.db.task.findFirstOrThrow({
    where: { virtualMachineId: vm.uuid },
  });
  return (task.deadlineAt.getTime() - clock.now().getTime()) / 60_000;
};
const free = (figure: 'vcpus' | 'memoryMib') => async () => {
  const allocatable = { vcpus: 10, memoryMib: 1000, storageGib: 0 };
  const { id } = await world.seed.node(await world.seed.cluster(), { allocatable });
  const { node } = await ask<{ node: { free: Record<string, number> } }>(
    'query F($id: ID!) { node(id: $id) { ... on HypervisorNode { free { vcpus memoryMib } } } }',
    { id },
  );
  return node.free[figure];
};
/** How many of two machines are on their way when one round has emptied their node. */
const movesOf = async (failedSeconds?: number) => {
  const cluster = await world.seed.cluster();
  const alive = { lastHeartbeat: clock.now() };
  const [node] = [await world.seed.node(cluster, alive), await world.seed.node(cluster, alive)];
  const state = { powerState: 'RUNNING', desiredState: 'RUNNING' } as const;
  for (let i = 0; i < 2; i += 1) {
    const vm = await world.seed.vm(project, { cluster, node, claimed: true, ...state });
    if (failedSeconds === undefined) continue;
    const failed = { operation: 'MIGRATE', status: 'FAILED', nodeId: node.uuid } as const;
    await world.seed.task(project, vm, { ...failed, finishedAt: ago(failedSeconds) });
  }
  await mutate(admin, 'enterMaintenance', { id: node.id });
  await run(maintenance);
  return world.data.db.task.count({ where: { nodeId: node.uuid, finishedAt: null } });
};
const subscribers = async () => {
  const { values } = await world.app.services.metrics.subscribers.get();
  return values.reduce((sum, { value }) => sum + value, 0);
};
/** Whether the answer to a question of more than a kibibyte is there when it is asked again so many seconds later. */
const hitAfter = async (seconds: number) => {
  for (let i = 0; i < 3; i += 1) await world.seed.project();
  const query = '{ projects { nodes { id name description quota { resource limit used } } } }';
  await admin.answer(query);
  clock.advance(seconds * 1000);
  const { extensions } = await admin.answer(query);
  return (extensions as { cache?: { hit: boolean } } | undefined)?.cache?.hit;
};
const CHANGES = 'subscription C($id: ID) { virtualMachineChanged(id: $id) { kind } }';
interface Change {
  readonly virtualMachineChanged: { readonly kind: string };
}

interface Probe {
  /** What it is set to. */
  readonly to: string;
  readonly see: () => Promise<unknown>;
  readonly was: unknown;
  readonly is: unknown;
}

const PROBES: Readonly<Record<string, Probe>> = {
  'log.level': {
    ...{ to: 'fatal', was: 'silent', is: 'fatal' },
    see: async () => world.app.services.log.level,
  },
  'agent.report_interval': {
    ...{ to: '7s', was: 5000, is: 7000 },
    async see() {
      const { node } = await running();
      const agent = await createTestAgent(world, node, { clock: clock.source });
      return (await agent.report()).reportIntervalMs;
    },
  },
  'ha.not_ready_after': { to: '10s', was: 'READY', is: 'NOT_READY', see: phaseAfter(20) },
  'ha.disconnected_after': { to: '40s', was: 'NOT_READY', is: 'DISCONNECTED', see: phaseAfter(50) },
  'placement.cpu_overcommit': { to: '3', was: 20, is: 30, see: free('vcpus') },
  'placement.memory_overcommit': { to: '2', was: 1500, is: 2000, see: free('memoryMib') },
  'placement.policy': {
    ...{ to: 'pack', was: 'empty', is: 'full' },
    async see() {
      const { cluster, node: full } = await running();
      await world.seed.node(cluster, { lastHeartbeat: clock.now() });
      const placement = { clusterId: cluster.id };
      const spec = { cpu: { cores: 1 }, memory: { sizeMib: 1024 }, placement };
      const { explainPlacement: explained } = await ask<{
        explainPlacement: { verdicts: { nodeId: string }[] };
      }>(
        'query E($input: ExplainPlacementInput!) { explainPlacement(input: $input) { verdicts { nodeId } } }',
        { input: { projectId: project.id, spec } },
      );
      return explained.verdicts[0]?.nodeId === full.id ? 'full' : 'empty';
    },
  },
  'maintenance.max_migrations_per_cluster': { to: '1', was: 2, is: 1, see: () => movesOf() },
  'maintenance.max_migrations_per_node': { to: '1', was: 2, is: 1, see: () => movesOf() },
  'maintenance.retry_after': { to: '1s', was: 0, is: 2, see: () => movesOf(10) },
  'storage.thin_overcommit': {
    ...{ to: '2', was: 1, is: 2 },
    async see() {
      const pool = await world.seed.pool();
      const input = { projectId: project.id, poolId: pool.id, name: 'thin', sizeGib: 4 };
      await mutate(admin, 'createVolume', { ...input, provisioning: 'THIN' });
      const row = await world.data.db.storagePool.findUniqueOrThrow({ where: { id: pool.uuid } });
      return Number(row.claimedBytes) / 2 ** 30;
    },
  },
  'tasks.timeout': {
    ...{ to: '20m', was: 10, is: 20 },
    async see() {
      const { vm } = await running();
      await mutate(admin, 'rebootVirtualMachine', { id: vm.id });
      return minutesFor(vm);
    },
  },
  'tasks.job_timeout': {
    ...{ to: '3h', was: 120, is: 180 },
    async see() {
      const { vm } = await running();
      await mutate(admin, 'createVirtualMachineSnapshot', { virtualMachineId: vm.id, name: 's' });
      return minutesFor(vm);
    },
  },
  'tasks.graceful_stop_timeout': {
    ...{ to: '30s', was: 60_000, is: 30_000 },
    async see() {
      const { node, vm } = await running();
      const agent = await createTestAgent(world, node, { clock: clock.source });
      await mutate(admin, 'stopVirtualMachine', { id: vm.id });
      const seen = { virtualMachineId: vm.id, powerState: 'RUNNING', generation: 1 } as const;
      return (await agent.report({ virtualMachines: [seen] })).assignments[0]?.graceMs;
    },
  },
  'tasks.retention': {
    ...{ to: '1h', was: 1, is: 0 },
    async see() {
      const { vm } = await running();
      const { uuid: id } = await world.seed.task(project, vm, { finishedAt: ago(2 * 3600) });
      await run(retention);
      return world.data.db.task.count({ where: { id } });
    },
  },
  'deletion.retention': {
    ...{ to: '24h', was: 0, is: 1 }, // tests of other things have no bin
    async see() {
      const { id, uuid } = await world.seed.vm(project);
      await mutate(admin, 'deleteVirtualMachine', { id });
      return world.data.db.virtualMachine.count({ where: { id: uuid } });
    },
  },
  'limits.max_page_size': {
    ...{ to: '60', was: undefined, is: 'BAD_USER_INPUT' },
    async see() {
      const { errors } = await admin.answer('{ clusters(first: 61) { nodes { id } } }');
      return errors[0]?.extensions.code;
    },
  },
  'limits.default_page_size': {
    ...{ to: '2', was: 3, is: 2 },
    async see() {
      for (let i = 0; i < 3; i += 1) await world.seed.vm(project);
      const { project: found } = await ask<{
        project: { virtualMachines: { nodes: object[] } };
      }>('query P($id: ID!) { project(id: $id) { virtualMachines { nodes { id } } } }', {
        id: project.id,
      });
      return found.virtualMachines.nodes.length;
    },
  },
  'limits.max_subscribers': {
    ...{ to: '1', was: 'SNAPSHOT', is: 'UNAVAILABLE' },
    async see() {
      const document = CHANGES as unknown as TypedDocumentString<Change, object>;
      const { id } = await world.seed.vm(project);
      const open = [];
      const said = [];
      for (let i = 0; i < 2; i += 1) {
        const events = await watch(admin, document, { id });
        open.push(events);
        const { data, errors } = (await events.event()) ?? {};
        said.push(data?.virtualMachineChanged.kind ?? errors?.[0]?.extensions.code);
      }
      for (const events of open) events.hangUp();
      await until('nobody subscribes any more', async () => (await subscribers()) === 0);
      return said[1];
    },
  },
  'limits.lock_wait': {
    ...{ to: '1ms', was: 'UpdateClusterPayload', is: 'BusyError' },
    async see() {
      const cluster = await world.seed.cluster();
      const { coordination } = world.app.services;
      const request = { holder: 'a test', waitMs: 0 };
      const lock = await coordination.lock(`cluster/${cluster.uuid}`, request);
      const answer = mutate(admin, 'updateCluster', { id: cluster.id, description: 'x' });
      // Who may wait for a millisecond has been refused long before, who may wait for five seconds has not.
      const refused = await Promise.race([answer, sleep(1_000)]);
      await lock.release();
      return (refused ?? (await answer)).__typename;
    },
  },
  'drs.recommendation_max_age': {
    ...{ to: '1h', was: 'PENDING', is: 'EXPIRED' },
    async see() {
      const { id } = await world.seed.recommendation(await world.seed.cluster(), {
        recommendationType: 'POWER_OFF',
        createdAt: ago(2 * 3600),
      });
      await run(drsExpiry);
      const { node } = await ask<{ node: { status: string } }>(
        'query R($id: ID!) { node(id: $id) { ... on DrsRecommendation { status } } }',
        { id },
      );
      return node.status;
    },
  },
  'cache.enabled': { to: 'off', was: true, is: undefined, see: () => hitAfter(0) },
  'cache.ttl': { to: '20s', was: true, is: false, see: () => hitAfter(30) },
  'cache.max_entry_bytes': { to: '1KiB', was: true, is: false, see: () => hitAfter(0) },
  'limits.requests_per_minute_principal': {
    ...{ to: '1', was: undefined, is: 'RATE_LIMITED' },
    async see() {
      const bob = await world.seed.user('VIEWER');
      const client = await world.signIn(bob.name);
      await client.answer('{ viewer { name } }');
      const { errors } = await client.answer('{ viewer { name } }');
      return errors[0]?.extensions.code;
    },
  },
  'limits.cost_per_minute_principal': {
    ...{ to: '100', was: undefined, is: 'RATE_LIMITED' },
    async see() {
      const bob = await world.seed.user('VIEWER');
      const client = await world.signIn(bob.name);
      const page = (first: number) => `{ virtualMachines(first: ${first}) { nodes { id } } }`;
      await client.answer(page(60));
      const { errors } = await client.answer(page(61));
      return errors[0]?.extensions.code;
    },
  },
  // The last ones: the server that they need brings the controllers with it.
  'limits.requests_per_minute_address': {
    ...{ to: '1', was: 200, is: 429 },
    async see() {
      server ??= await world.app.start();
      const url = `${new URL(server.url).origin}/graphql?query=${encodeURIComponent('{ server { version } }')}`;
      await fetch(url);
      return (await fetch(url)).status;
    },
  },
  'limits.subscriptions_per_socket': {
    ...{ to: '1', was: 'SNAPSHOT', is: 'TOO_MANY_SUBSCRIPTIONS' },
    async see() {
      server ??= await world.app.start();
      const { id } = await world.seed.vm(project);
      const { subscribe, client } = openSocket(server.url, { token: admin.token });
      subscribe(CHANGES, { id });
      const { events, ended } = subscribe(CHANGES, { id });
      const refused = ended.then((errors) => (errors as GraphQLFault[])[0]?.extensions.code);
      const begun = until('the first event', () => events[0]?.data as Change | undefined);
      const said = await Promise.race([refused, begun.then((c) => c.virtualMachineChanged.kind)]);
      await client.dispose();
      begun.catch(() => {}); // refused: there is none
      return said;
    },
  },
};

const set = (key: string, value: string) => mutate(admin, 'setSystemConfig', { key, value });

describe('a shared setting', () => {
  it('has a probe here: whoever marks another one proves that it is read at each use', () => {
    expect(Object.keys(PROBES).sort()).toEqual(sharedEntries.map(({ path }) => path).sort());
  });

  it.each(Object.entries(PROBES))('%s works on what runs', async (key, { to, see, was, is }) => {
    expect(await see()).toEqual(was);
    expect(await set(key, to)).toMatchObject({ systemConfig: { value: to, source: 'SHARED' } });
    project = await world.seed.project();
    expect(await see()).toEqual(is);
    expect(await mutate(admin, 'resetSystemConfig', { key })).toHaveProperty('systemConfig');
  });
});
