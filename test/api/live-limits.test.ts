/** Subscriptions under strain: slow clients, too much at once, clients that vanish, and metrics that are always the newest. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ChangeHint } from '../../src/core/hints.js';
import { ephemeralChannels } from '../../src/ephemeral/keys.js';
import { decodeGlobalId, encodeGlobalId, newId } from '../../src/ids.js';
import { graphql } from '../gen/gql.js';
import type { LiveSlowVmSubscription } from '../gen/graphql.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { createStage, METRICS, mutate, type Stage } from '../support/mutations.js';
import type { Made } from '../support/seed.js';
import { createTestAgent } from '../support/test-agent.js';
import { until } from '../support/until.js';
import { type Watch, watch } from '../support/watch.js';

const VmChanged = graphql(`
  subscription LiveSlowVm($id: ID, $projectId: ID) {
    virtualMachineChanged(id: $id, projectId: $projectId) {
      kind id droppedCount virtualMachine { description }
    }
  }
`);
const Metrics = graphql(`
  subscription LiveNodeMetrics($nodeIds: [ID!], $intervalMs: Int) {
    nodeMetrics(nodeIds: $nodeIds, intervalMs: $intervalMs) {
      hypervisorNodeId metrics { cpuPercent sampledAt }
    }
  }
`);

let world: TestApp;
let stage: Stage;
beforeAll(async () => {
  world = await createTestApp();
  stage = await createStage(world);
});
afterAll(() => world.stop());

type Change = LiveSlowVmSubscription['virtualMachineChanged'];
const changeOf = async (events: Watch<LiveSlowVmSubscription>): Promise<Change> =>
  (await events.next()).virtualMachineChanged;

async function cost() {
  const { values } = await world.app.services.metrics.subscribers.get();
  const open = values.reduce((sum, { value }) => sum + value, 0);
  return { listeners: world.app.services.hints.listeners(), open };
}

/** Watches the one machine of a new project. Its snapshot has been read: nothing that happens from now on is missed. */
async function watchProject() {
  const project = await world.seed.project();
  const vm = await world.seed.vm(project);
  const events = await watch(stage.admin, VmChanged, { projectId: project.id });
  expect(await changeOf(events)).toMatchObject({ kind: 'SNAPSHOT', id: vm.id });
  return { project, vm, events };
}

/** What waits in the buffers of a stream, in bytes: nothing is read from the source beyond that. */
const STREAM_BUFFER = 16 * 1024;

/** The objects of a project "change" without anybody writing: what a subscriber costs does not depend on why. */
const announce = (project: Made, ids: readonly string[], kind: ChangeHint['kind'] = 'UPDATED') =>
  world.app.services.hints.announce(
    ids.map((id) => ({ type: 'VirtualMachine', id, projectId: project.uuid, kind })),
  );

describe('a slow client', () => {
  it('gets the newest state of a machine, and how many changes it slept through', async () => {
    const vm = await world.seed.vm(stage.project);
    const events = await watch(stage.admin, VmChanged, { id: vm.id });
    expect((await changeOf(events)).kind).toBe('SNAPSHOT');
    const changes = 100;
    const text = (i: number) => `edit ${i} ${'.'.repeat(980)}`;
    for (let i = 1; i <= changes; i += 1) {
      await mutate(stage.admin, 'updateVirtualMachine', { id: vm.id, description: text(i) });
    }
    let accounted = 0;
    let delivered = 0;
    let last: Change | undefined;
    while (accounted < changes) {
      last = await changeOf(events);
      delivered += 1;
      accounted += 1 + last.droppedCount;
    }
    expect(accounted).toBe(changes);
    expect(delivered).toBeLessThan(STREAM_BUFFER / 1_000 + 10);
    expect(last?.virtualMachine?.description).toBe(text(changes));
    events.hangUp();
  });

  it('of many machines gets each a few times at most, however often they change', async () => {
    const { project, events } = await watchProject();
    const ids = Array.from({ length: 100 }, () => newId());
    for (let round = 0; round < 20; round += 1) await announce(project, ids);
    const seen = new Map<string, number>();
    let accounted = 0;
    while (accounted < 2_000) {
      const { id, droppedCount } = await changeOf(events);
      accounted += 1 + droppedCount;
      seen.set(id ?? '', (seen.get(id ?? '') ?? 0) + 1);
    }
    expect(accounted).toBe(2_000);
    expect(seen.size).toBe(100);
    expect([...seen.values()].reduce((a, b) => a + b)).toBeLessThan(100 + STREAM_BUFFER / 100);
    events.hangUp();
  });

  it('that slept through too much is told to read afresh, and then goes on', async () => {
    const { project, vm, events } = await watchProject();
    const ids = Array.from({ length: 5_000 }, () => newId());
    await announce(project, ids);
    const before: Change[] = [];
    let resync: Change;
    do {
      resync = await changeOf(events);
      before.push(resync);
    } while (resync.kind !== 'RESYNC');
    expect(resync).toMatchObject({ id: null, virtualMachine: null });
    let accounted = before.length - 1 + resync.droppedCount;
    // What came after the last overflow is delivered as usual, and nothing is unaccounted for.
    while (accounted < ids.length) {
      const event = await changeOf(events);
      accounted += event.droppedCount + (event.kind === 'RESYNC' ? 0 : 1);
    }
    expect(accounted).toBe(ids.length);
    await mutate(stage.admin, 'updateVirtualMachine', { id: vm.id, description: 'after' });
    expect(await changeOf(events)).toMatchObject({
      kind: 'UPDATED',
      id: vm.id,
      virtualMachine: { description: 'after' },
    });
    events.hangUp();
  });

  it('costs a bounded amount of memory, however much happens', async () => {
    const { project, events } = await watchProject();
    const burst = async (): Promise<number> => {
      for (let i = 0; i < 20; i += 1) {
        await announce(
          project,
          Array.from({ length: 1_000 }, () => newId()),
        );
      }
      return process.memoryUsage().heapUsed;
    };
    await burst();
    const start = await burst();
    let end = start;
    for (let i = 0; i < 8; i += 1) end = await burst();
    // Nobody read, and of 200,000 changes all but a few thousand are in one notice.
    const { droppedCount } = await untilResync(events);
    expect(droppedCount).toBeGreaterThan(190_000);
    expect(end - start).toBeLessThan(150 * 2 ** 20);
    events.hangUp();
  });
});

/** Reads on to the notice that things were forgotten. */
async function untilResync(events: Watch<LiveSlowVmSubscription>): Promise<Change> {
  for (;;) {
    const change = await changeOf(events);
    if (change.kind === 'RESYNC') return change;
  }
}

describe('a project with very many machines', () => {
  it('comes whole, some at a time and two statements for each hundred, and then its changes', async () => {
    const project = await world.seed.project();
    const rows = Array.from({ length: 1_050 }, (_, i) => ({
      id: newId(),
      name: `vm-${i}`,
      description: `machine ${i}`,
      projectId: project.uuid,
    }));
    await world.data.db.virtualMachine.createMany({ data: rows });
    const seen = new Map<string, string | undefined>();
    const statements = await world.statementsOf(async () => {
      const events = await watch(stage.admin, VmChanged, { projectId: project.id });
      for (let i = 0; i < rows.length; i += 1) {
        const { kind, id, virtualMachine } = await changeOf(events);
        expect(kind).toBe('SNAPSHOT');
        seen.set(id ?? '', virtualMachine?.description);
      }
      await announce(project, [rows[7]?.id ?? '']);
      expect(await changeOf(events)).toMatchObject({
        kind: 'UPDATED',
        virtualMachine: { description: 'machine 7' },
      });
      events.hangUp();
    });
    const expected = rows.map((row) => [encodeGlobalId('VirtualMachine', row.id), row.description]);
    expect([...seen].sort()).toEqual(expected.sort());
    expect(statements.length).toBeLessThan(2 * 11 + 5);
    await world.data.db.virtualMachine.deleteMany({ where: { projectId: project.uuid } });
  });
});

describe('a client that vanishes', () => {
  it('leaves nothing behind, whether something was on its way to it or not', async () => {
    const before = await cost();
    const quiet = await world.seed.vm(stage.project);
    const busy = await world.seed.vm(stage.project);
    const streams = [
      await watch(stage.admin, VmChanged, { id: quiet.id }),
      await watch(stage.admin, VmChanged, { id: busy.id }),
      await watch(stage.admin, VmChanged, { projectId: stage.project.id }),
      await watch(stage.admin, Metrics, { intervalMs: 60_000 }),
    ];
    await (await createTestAgent(world, stage.node)).report();
    for (const stream of streams) await (stream as Watch<unknown>).next();
    expect(await cost()).toEqual({ listeners: before.listeners + 4, open: before.open + 4 });
    await mutate(stage.admin, 'updateVirtualMachine', { id: busy.id, description: 'on its way' });
    for (const stream of streams) stream.hangUp();
    await until('nothing of them is left', async () => {
      const { listeners, open } = await cost();
      return listeners === before.listeners && open === before.open;
    });
  });

  it('is not what a server waits for that stops', async () => {
    const own = await createTestApp();
    const ownStage = await createStage(own);
    const vm = await own.seed.vm(ownStage.project);
    const events = await watch(ownStage.admin, VmChanged, { id: vm.id });
    await events.next();
    const end = events.event();
    await own.app.stop();
    expect(await end).toBeNull();
    expect(own.app.services.hints.listeners()).toBe(0);
    await own.stop();
  });
});

/** What is read of samples from the ephemeral port, and who waits there to hear of them. */
function countReads() {
  const { ephemeral } = world.app.services;
  const { getMany, subscribe } = ephemeral;
  const keys = new Map<string, number>();
  let trips = 0;
  let listeners = 0;
  ephemeral.getMany = (asked) => {
    const samples = asked.filter((key) => key.startsWith('metrics:node:'));
    if (samples.length > 0) trips += 1;
    for (const key of samples) keys.set(key, (keys.get(key) ?? 0) + 1);
    return getMany(asked);
  };
  ephemeral.subscribe = async (channel, listener) => {
    const stop = await subscribe(channel, listener);
    if (channel !== ephemeralChannels.samples) return stop;
    listeners += 1;
    return async () => {
      listeners -= 1;
      await stop();
    };
  };
  return {
    count: () => ({ keys, trips }),
    listeners: () => listeners,
    forget() {
      keys.clear();
      trips = 0;
    },
    end: () => void Object.assign(ephemeral, { getMany, subscribe }),
  };
}

describe('metrics', () => {
  const reporting = async (sampledAt: string, cpuPercent: number) => {
    const node = await world.seed.node(stage.cluster);
    const agent = await createTestAgent(world, node);
    await agent.report({ metrics: { ...METRICS, sampledAt, cpuPercent } });
    return { node, agent };
  };
  const at = (second: number) => new Date(Date.UTC(2026, 4, 4, 9, 0, second)).toISOString();

  it('come at once, then what is new, and never the same sample twice', async () => {
    const { node, agent } = await reporting(at(1), 10);
    const events = await watch(stage.admin, Metrics, { nodeIds: [node.id], intervalMs: 500 });
    const next = async () => (await events.next()).nodeMetrics;
    expect(await next()).toEqual([
      { hypervisorNodeId: node.id, metrics: { cpuPercent: 10, sampledAt: at(1) } },
    ]);
    await agent.report({ metrics: { ...METRICS, sampledAt: at(1), cpuPercent: 10 } });
    await agent.report({ metrics: { ...METRICS, sampledAt: at(2), cpuPercent: 20 } });
    expect(await next()).toMatchObject([{ metrics: { cpuPercent: 20, sampledAt: at(2) } }]);
    events.hangUp();
  });

  it('skip what a slow client did not fetch: the next is the newest', async () => {
    const { node, agent } = await reporting(at(1), 1);
    const events = await watch(stage.admin, Metrics, { nodeIds: [node.id], intervalMs: 500 });
    await events.next();
    for (let second = 2; second <= 30; second += 1) {
      const metrics = { ...METRICS, sampledAt: at(second), cpuPercent: second };
      await agent.report({ metrics });
    }
    const seen: number[] = [];
    while (seen.at(-1) !== 30) {
      const [event] = (await events.next()).nodeMetrics;
      seen.push(event?.metrics.cpuPercent ?? 0);
    }
    expect(seen.length).toBeLessThan(10);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    events.hangUp();
  });

  it('are read once for all who watch, and no more when the last has left', async () => {
    const [first, second, other] = [
      await reporting(at(1), 1),
      await reporting(at(1), 1),
      await reporting(at(1), 1),
    ];
    // Whoever signs in is remembered by a listener of the app's own.
    await until('nobody else watches', async () => world.app.services.hints.listeners() === 1);
    const reads = countReads();
    const nodeIds = [first.node.id, second.node.id];
    const streams = await Promise.all(
      Array.from({ length: 40 }, () => watch(stage.admin, Metrics, { nodeIds, intervalMs: 500 })),
    );
    const sent = async () => {
      const all = await Promise.all(streams.map((events) => events.next()));
      return all.flatMap(({ nodeMetrics }) => nodeMetrics.map(({ metrics }) => metrics.cpuPercent));
    };
    expect(await sent()).toEqual(Array.from({ length: 80 }, () => 1));
    expect(reads.listeners()).toBe(1);
    reads.forget();
    const started = performance.now();
    const rounds = 4;
    for (let round = 2; round < 2 + rounds; round += 1) {
      for (const { agent } of [first, second, other])
        await agent.report({ metrics: { ...METRICS, sampledAt: at(round), cpuPercent: round } });
      const seen: number[] = [];
      while (seen.filter((value) => value === round).length < 80) seen.push(...(await sent()));
    }
    // Each report once, and nodes that are silent for 5 s: their report may have gone unheard of.
    const looks = Math.ceil((performance.now() - started) / 1_000);
    const { keys, trips } = reads.count();
    expect(trips).toBeLessThanOrEqual(2 * rounds + looks);
    for (const { node } of [first, second])
      expect(keys.get(`metrics:node:${node.uuid}`)).toBeLessThanOrEqual(rounds + looks);
    expect(keys.get(`metrics:node:${other.node.uuid}`)).toBeUndefined();

    const [last, ...rest] = streams;
    for (const events of rest) events.hangUp();
    await first.agent.report({ metrics: { ...METRICS, sampledAt: at(20), cpuPercent: 20 } });
    expect((await last?.next())?.nodeMetrics).toMatchObject([{ metrics: { cpuPercent: 20 } }]);
    last?.hangUp();
    await until('nobody listens for samples', async () => reads.listeners() === 0);
    reads.forget();
    await first.agent.report({ metrics: { ...METRICS, sampledAt: at(21), cpuPercent: 21 } });
    expect(reads.count().trips).toBe(0);
    reads.end();
  });

  it('of a node that is watched already come to a newcomer as they are now', async () => {
    const { node, agent } = await reporting(at(1), 1);
    const old = await watch(stage.admin, Metrics, { nodeIds: [node.id], intervalMs: 60_000 });
    await old.next();
    for (let second = 2; second < 6; second += 1) {
      await agent.report({ metrics: { ...METRICS, sampledAt: at(second), cpuPercent: second } });
      const late = await watch(stage.admin, Metrics, { nodeIds: [node.id] });
      expect((await late.next()).nodeMetrics).toMatchObject([{ metrics: { cpuPercent: second } }]);
      late.hangUp();
    }
    old.hangUp();
  });

  it('of all nodes come when none is named, and agents get none', async () => {
    const { node, agent } = await reporting(at(1), 33);
    const events = await watch(stage.admin, Metrics, {});
    const all = (await events.next()).nodeMetrics;
    expect(all.map((event) => event.hypervisorNodeId)).toContain(node.id);
    events.hangUp();

    const theirs = await watch(world.withToken(agent.token), Metrics, { nodeIds: [node.id] });
    expect(await theirs.event()).toMatchObject({
      errors: [{ extensions: { code: 'NOT_FOUND', path: ['nodeIds'] } }],
    });
    expect(await theirs.event()).toBeNull();
  });

  it('of a node that is registered while all are watched come, too', async () => {
    await reporting(at(1), 1);
    const events = await watch(stage.admin, Metrics, { intervalMs: 500 });
    await events.next();
    const answer = await mutate(stage.admin, 'registerHypervisorNode', {
      hostname: 'latecomer',
      managementIp: '192.0.2.9',
      clusterId: stage.cluster.id,
    });
    const { id } = answer.hypervisorNode as { id: string };
    const uuid = decodeGlobalId(id)?.id ?? '';
    const agent = await createTestAgent(world, { id, uuid, name: 'latecomer' });
    await agent.report({ metrics: { ...METRICS, sampledAt: at(9), cpuPercent: 99 } });
    const seen: string[] = [];
    while (!seen.includes(id)) {
      seen.push(...(await events.next()).nodeMetrics.map((event) => event.hypervisorNodeId));
    }
    events.hangUp();
  });

  it.each([
    ['too often', { intervalMs: 499 }],
    ['too seldom', { intervalMs: 60_001 }],
    ['of something that is no node', { nodeIds: ['rubbish'] }],
    ['of no node at all', { nodeIds: [] }],
  ])('%s are refused', async (_case, variables) => {
    const events = await watch(stage.admin, Metrics, variables);
    expect(await events.event()).toMatchObject({
      errors: [{ extensions: { code: 'BAD_USER_INPUT' } }],
    });
  });
});
