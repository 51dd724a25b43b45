/** What an agent's report does to its node, and what an agent may not do. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ReportNodeInput } from '../../src/gen/api/graphql.js';
import { encodeGlobalId, newId } from '../../src/ids.js';
import { graphql } from '../gen/gql.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { changedTables, digest } from '../support/digest.js';
import { createStage, HARDWARE, mutate, type Stage } from '../support/mutations.js';
import { operate } from '../support/operations.js';
import type { Made } from '../support/seed.js';
import { createTestAgent } from '../support/test-agent.js';
import { createTestClock } from '../support/test-clock.js';

const clock = createTestClock();
let world: TestApp;
let stage: Stage;
beforeAll(async () => {
  // Two thousand machines are more than the usual body has room for.
  world = await createTestApp({ clock, config: { limits: { maxRequestBytes: 2 ** 20 } } });
  stage = await createStage(world);
});
afterAll(() => world.stop());

const rowOf = (node: Made) => world.data.db.node.findUniqueOrThrow({ where: { id: node.uuid } });
const vmRow = (vm: Made) =>
  world.data.db.virtualMachine.findUniqueOrThrow({ where: { id: vm.uuid } });
const running = { powerState: 'RUNNING', desiredState: 'RUNNING' } as const;
const SYSTEM = {
  os: 'Alpine Linux v3.22',
  kernel: '6.12',
  architecture: 'x86_64',
  hypervisorVersion: 'test',
  agentVersion: '1',
};

describe('a report that a former process of the agent sent', () => {
  it('comes late, says that a machine is off, and does not leave it running without capacity', async () => {
    const node = await world.seed.node(stage.cluster);
    const vm = await world.seed.vm(stage.project, {
      ...running,
      cluster: stage.cluster,
      node,
      claimed: true,
    });
    const agent = await createTestAgent(world, node, { clock: clock.source });
    const seen = { virtualMachineId: vm.id, generation: 1 };
    const late = agent.draft({ virtualMachines: [{ ...seen, powerState: 'STOPPED' }] });
    agent.restart();
    const on = { virtualMachines: [{ ...seen, powerState: 'RUNNING' as const }] };
    for (const input of [agent.draft(on), late, agent.draft(on)]) await agent.send(input);
    expect(await vmRow(vm)).toMatchObject({ powerState: 'RUNNING', capacityClaimed: true });
    expect((await rowOf(node)).allocated).toMatchObject({ vcpus: 1, memoryMib: 1024 });
  });
});

describe('a heartbeat', () => {
  it('makes a new node READY, once, and says when', async () => {
    const node = await world.seed.node(stage.cluster, { phase: 'PENDING', lastHeartbeat: null });
    const agent = await createTestAgent(world, node);
    await agent.report();
    const first = await rowOf(node);
    expect(first).toMatchObject({ phase: 'READY', lastHeartbeat: clock.now() });
    expect(first.conditions).toEqual([
      expect.objectContaining({
        type: 'Ready',
        status: 'TRUE',
        changedAt: clock.now().toISOString(),
      }),
    ]);
    clock.advance(5_000);
    await agent.report();
    const second = await rowOf(node);
    expect(second.lastHeartbeat).toEqual(clock.now());
    // Nothing but the heartbeat has moved: neither version nor updated_at, so nobody's edit is disturbed.
    const { lastHeartbeat: _, reportSequence: __, ...rest } = second;
    expect(rest).toEqual({ ...first, lastHeartbeat: undefined, reportSequence: undefined });
  });

  it('touches no table but the node’s, when nothing is new', async () => {
    const node = await world.seed.node(stage.cluster);
    const agent = await createTestAgent(world, node);
    await agent.report();
    const before = await digest(world.data);
    await agent.report();
    expect(changedTables(before, await digest(world.data))).toEqual(['nodes']);
  });

  it.each(['MAINTENANCE', 'DRAINING', 'CORDONED'] as const)(
    'does not cancel %s: that is for whoever asked for it',
    async (intent) => {
      const silent = { phase: 'NOT_READY', intent } as const;
      const node = await world.seed.node(stage.cluster, silent);
      const agent = await createTestAgent(world, node);
      await agent.report();
      expect(await rowOf(node)).toMatchObject({ phase: 'READY', intent });
      const { data } = await stage.admin.answer<
        { hypervisorNode: { phase: string } },
        { id: string }
      >('query($id: ID!) { hypervisorNode(id: $id) { phase } }', { id: node.id });
      expect(data?.hypervisorNode.phase).toBe(intent === 'CORDONED' ? 'READY' : intent);
    },
  );

  it('brings hardware and software with it, and what can be allocated follows', async () => {
    const node = await world.seed.node(stage.cluster, { phase: 'PENDING', allocatable: {} });
    const agent = await createTestAgent(world, node);
    const hardware = { spec: HARDWARE as ReportNodeInput['spec'], systemInfo: SYSTEM };
    await agent.report(hardware);
    expect(await rowOf(node)).toMatchObject({
      spec: HARDWARE,
      systemInfo: SYSTEM,
      allocatable: { vcpus: 16, memoryMib: 65_536, storageGib: 100 },
    });
    const entries = () => world.data.db.auditEntry.count({ where: { resourceId: node.uuid } });
    const before = await entries();
    await agent.report(hardware);
    expect(await entries()).toBe(before);
  });
});

describe('reports out of order', () => {
  const vmOn = (node: Made) =>
    world.seed.vm(stage.project, { ...running, cluster: stage.cluster, node, claimed: true });
  const saying = (vm: Made, powerState: 'RUNNING' | 'CRASHED') => ({
    virtualMachines: [{ virtualMachineId: vm.id, powerState, generation: 1 }],
  });

  it('a late one changes nothing and is told so', async () => {
    const node = await world.seed.node(stage.cluster);
    const vm = await vmOn(node);
    const agent = await createTestAgent(world, node);
    const late = agent.draft(saying(vm, 'CRASHED'));
    await agent.report(saying(vm, 'RUNNING'));
    const before = await digest(world.data);
    clock.advance(1_000);
    const answer = await agent.send(late);
    expect(answer).toMatchObject({
      accepted: false,
      assignments: [],
      unknownVirtualMachineIds: [],
    });
    expect(changedTables(before, await digest(world.data))).toEqual([]);
  });

  it('a repeated one changes nothing', async () => {
    const node = await world.seed.node(stage.cluster);
    const vm = await vmOn(node);
    const agent = await createTestAgent(world, node);
    const report = agent.draft(saying(vm, 'CRASHED'));
    expect(await agent.send(report)).toMatchObject({ accepted: true });
    const before = await digest(world.data);
    expect(await agent.send(report)).toMatchObject({ accepted: false });
    expect(changedTables(before, await digest(world.data))).toEqual([]);
  });

  it('the first one of a new process counts, although its number is lower', async () => {
    const node = await world.seed.node(stage.cluster);
    const vm = await vmOn(node);
    const agent = await createTestAgent(world, node);
    for (let i = 0; i < 3; i += 1) await agent.report(saying(vm, 'RUNNING'));
    agent.restart();
    expect(await agent.report(saying(vm, 'CRASHED'))).toMatchObject({ accepted: true });
    expect((await vmRow(vm)).powerState).toBe('CRASHED');
  });

  it('any number of them lost costs nothing: the next one is whole', async () => {
    const node = await world.seed.node(stage.cluster);
    const vm = await vmOn(node);
    const agent = await createTestAgent(world, node);
    await agent.report(saying(vm, 'RUNNING'));
    for (let i = 0; i < 50; i += 1) agent.draft();
    await agent.report(saying(vm, 'CRASHED'));
    expect((await vmRow(vm)).powerState).toBe('CRASHED');
  });
});

describe('a machine that is found off', () => {
  const alertsOf = (vm: Made) =>
    world.data.db.alert.findMany({ where: { sourceId: vm.uuid, kind: 'found-off' } });

  it('although nobody switched it off is STOPPED, its room is free, and one alert says so however often', async () => {
    const node = await world.seed.node(stage.cluster);
    const state = { powerState: 'RUNNING', desiredState: 'RUNNING' } as const;
    const vm = await world.seed.vm(stage.project, { node, claimed: true, ...state });
    const agent = await createTestAgent(world, node);
    const seen = { virtualMachineId: vm.id, generation: 1 };
    await agent.report({ virtualMachines: [{ ...seen, powerState: 'RUNNING' }] });
    expect(await alertsOf(vm)).toEqual([]);
    await agent.report({ virtualMachines: [{ ...seen, powerState: 'STOPPED' }] });
    await agent.report({ virtualMachines: [{ ...seen, powerState: 'STOPPED' }] });
    expect(
      await world.data.db.virtualMachine.findUniqueOrThrow({ where: { id: vm.uuid } }),
    ).toMatchObject({ powerState: 'STOPPED', desiredState: 'STOPPED', capacityClaimed: false });
    expect(await alertsOf(vm)).toMatchObject([
      {
        severity: 'WARNING',
        sourceType: 'VM',
        projectId: stage.project.uuid,
        count: 1,
        resolved: false,
      },
    ]);
  });

  it('because it was asked to stop is no reason for an alert', async () => {
    const node = await world.seed.node(stage.cluster);
    const state = { powerState: 'RUNNING', desiredState: 'RUNNING' } as const;
    const vm = await world.seed.vm(stage.project, { node, claimed: true, ...state });
    const agent = await createTestAgent(world, node);
    await mutate(stage.admin, 'stopVirtualMachine', { id: vm.id });
    await agent.report({
      virtualMachines: [{ virtualMachineId: vm.id, generation: 2, powerState: 'STOPPED' }],
    });
    expect(await alertsOf(vm)).toEqual([]);
  });
});

describe('machines that the control plane did not place there', () => {
  it('are to be removed: unknown ones, deleted ones, and those of other nodes', async () => {
    const [node, other] = [
      await world.seed.node(stage.cluster),
      await world.seed.node(stage.cluster),
    ];
    const elsewhere = await world.seed.vm(stage.project, {
      ...running,
      cluster: stage.cluster,
      node: other,
      claimed: true,
    });
    const stranger = encodeGlobalId('VirtualMachine', newId());
    const agent = await createTestAgent(world, node);
    const answer = await agent.report({
      virtualMachines: [elsewhere.id, stranger].map((virtualMachineId) => ({
        virtualMachineId,
        powerState: 'CRASHED',
        generation: 9,
      })),
    });
    expect([...answer.unknownVirtualMachineIds].sort()).toEqual([elsewhere.id, stranger].sort());
    // What another node's agent says of it is nothing to go by.
    expect(await vmRow(elsewhere)).toMatchObject({ powerState: 'RUNNING', nodeId: other.uuid });
  });
});

const Everything = graphql(`
  query AgentTestEverything {
    hypervisorNodes { totalCount nodes { id } }
    virtualMachines { totalCount nodes { id } }
    clusters { totalCount }
    projects { totalCount }
    users { totalCount }
    tasks { totalCount }
    auditEntries { totalCount }
    volumes { totalCount }
    virtualNetworks { totalCount }
    securityGroups { totalCount }
    images { totalCount }
    storagePools { totalCount }
    alerts { totalCount }
    drsRecommendations { totalCount }
  }
`);

describe('the token of an agent', () => {
  it('does not report for another node, which is not even there for it', async () => {
    const [mine, other] = [
      await world.seed.node(stage.cluster),
      await world.seed.node(stage.cluster),
    ];
    const agent = await createTestAgent(world, mine);
    const before = await digest(world.data);
    const answer = await agent.send(agent.draft({ nodeId: other.id }));
    expect(answer).toMatchObject({ __typename: 'NotFoundError', code: 'NOT_FOUND' });
    expect(changedTables(before, await digest(world.data))).toEqual(['audit_log']);
  });

  it('reads nothing through the graph: no list, no object, not its own node', async () => {
    const node = await world.seed.node(stage.cluster);
    const vm = await world.seed.vm(stage.project, { node, cluster: stage.cluster });
    const agent = await createTestAgent(world, node);
    const client = world.withToken(agent.token);
    for (const list of Object.values(await client.run(Everything))) {
      expect(list).toMatchObject({ totalCount: 0 });
    }
    const { data } = await client.answer(
      `query($node: ID!, $vm: ID!) { viewer { name role hypervisorNodeId user { id } }
        a: node(id: $node) { id } b: node(id: $vm) { id } hypervisorNode(id: $node) { id } virtualMachine(id: $vm) { id } }`,
      { node: node.id, vm: vm.id },
    );
    expect(data).toEqual({
      viewer: {
        name: `agent:${node.name}`,
        role: 'AGENT',
        hypervisorNodeId: node.id,
        user: null,
      },
      a: null,
      b: null,
      hypervisorNode: null,
      virtualMachine: null,
    });
  });

  it('operates no machine, not even one on its own node', async () => {
    const node = await world.seed.node(stage.cluster);
    const vm = await world.seed.vm(stage.project, {
      ...running,
      node,
      cluster: stage.cluster,
      claimed: true,
    });
    const agent = await createTestAgent(world, node);
    const answer = await operate(world.withToken(agent.token), 'STOP', vm.id);
    expect(answer).toMatchObject({ __typename: 'NotFoundError' });
  });

  it('ends when it is revoked, and with its node', async () => {
    const node = await world.seed.node(stage.cluster);
    const agent = await createTestAgent(world, node);
    await agent.report();
    await mutate(stage.admin, 'issueAgentToken', { nodeId: node.id, revokeOthers: true });
    await expect(agent.report()).rejects.toThrow(/not valid/);

    const leaving = await world.seed.node(stage.cluster);
    const last = await createTestAgent(world, leaving);
    await last.report();
    const answer = await mutate(stage.admin, 'deleteHypervisorNode', { id: leaving.id });
    expect(answer).toMatchObject({ deletedHypervisorNodeId: leaving.id });
    await expect(last.report()).rejects.toThrow(/not valid/);
  });

  it('that is still remembered for a node that is gone meets no bug of ours', async () => {
    const node = await world.seed.node(stage.cluster);
    const agent = await createTestAgent(world, node);
    await agent.report();
    // As on another instance, whose memory of the token has not heard of the deletion yet.
    await world.data.db.$executeRaw`DELETE /* unseen */ FROM nodes WHERE id = ${node.uuid}::uuid`;
    expect(await agent.send(agent.draft())).toMatchObject({ __typename: 'NotFoundError' });
  });
});

describe('a report that is malformed', () => {
  it.each<[string, Partial<Record<keyof ReportNodeInput, unknown>>, string]>([
    ['no UUID for its process', { agentInstance: 'me' }, 'agentInstance'],
    ['number 0', { sequence: 0 }, 'sequence'],
    [
      'more than 100 %',
      { virtualMachines: [{ powerState: 'RUNNING', generation: 1, progressPercent: 101 }] },
      'virtualMachines.0.progressPercent',
    ],
    [
      'more machines than a node can have',
      { virtualMachines: Array.from({ length: 1001 }, () => ({ generation: 0 })) },
      'virtualMachines',
    ],
  ])('%s is refused as a whole', async (_case, changes, path) => {
    const node = await world.seed.node(stage.cluster);
    const agent = await createTestAgent(world, node);
    const draft = agent.draft({ agentInstance: randomUUID(), ...(changes as object) });
    const virtualMachines = draft.virtualMachines.map((vm) => ({
      powerState: 'RUNNING',
      virtualMachineId: encodeGlobalId('VirtualMachine', newId()),
      ...(vm as object),
    }));
    const client = world.withToken(agent.token);
    const answer = await mutate(client, 'reportNode', { ...draft, virtualMachines });
    expect(answer).toMatchObject({ code: 'VALIDATION', path: path.split('.') });
  });
});
