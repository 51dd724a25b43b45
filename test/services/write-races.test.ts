/**
 * Races of commands that meet in the database, each brought about on purpose: a transaction of the test holds a row until
 * the commands wait for it, does what somebody else would have done meanwhile, and lets go. Only PostgreSQL has them:
 * in memory transactions run one by one.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemViewer } from '../../src/core/authz.js';
import type { Call } from '../../src/core/context.js';
import { execute } from '../../src/core/execute.js';
import type { Data, Tx } from '../../src/data/client.js';
import { newId } from '../../src/ids.js';
import { markSilentNode } from '../../src/modules/node/system-commands.js';
import { expireTask } from '../../src/modules/task/system-commands.js';
import type { TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { METRICS, mutate } from '../support/mutations.js';
import { operate } from '../support/operations.js';
import type { Made } from '../support/seed.js';
import { until } from '../support/until.js';
import { createCrowdApp, openPatientData } from './crowd.js';

let data: Data;
let world: TestApp;
/** Another instance on the same database: what the first one's locks keep apart meets here. */
let twin: TestApp;
let admin: Client;
let twinAdmin: Client;
let cluster: Made;
let project: Made;

beforeAll(async () => {
  data = await openPatientData('postgres');
  world = await createCrowdApp(data);
  twin = await createCrowdApp(data);
  await world.seed.user('ADMIN', { username: 'ada' });
  admin = await world.signIn('ada');
  twinAdmin = await twin.signIn('ada');
  cluster = await world.seed.cluster();
  project = await world.seed.project();
});
afterAll(async () => {
  await Promise.all([world.stop(), twin.stop()]);
  await data.close();
});

/** Runs `first` in a transaction that stays open until `release` is called; `last` is done right before its COMMIT. */
async function holding(first: (tx: Tx) => Promise<unknown>) {
  let begun: () => void = () => {};
  let finish: (last: (tx: Tx) => Promise<unknown>) => void = () => {};
  const beginning = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const ending = new Promise<(tx: Tx) => Promise<unknown>>((resolve) => {
    finish = resolve;
  });
  const done = data.transaction(async (tx) => {
    await first(tx);
    begun();
    await (await ending)(tx);
  });
  await beginning;
  return {
    async release(last: (tx: Tx) => Promise<unknown> = async () => undefined) {
      finish(last);
      await done;
    },
  };
}

/** Resolves when this many sessions of the database wait for a row. */
const waiters = (count: number) =>
  until(`${count} sessions wait for a row`, async () => {
    const [row] = await data.db.$queryRaw<{ waiting: number }[]>`
      SELECT count(*)::int AS waiting FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    return row?.waiting === count;
  });

const lockRow =
  (table: 'virtual_machines' | 'nodes' | 'tasks' | 'clusters', id: string) => (tx: Tx) =>
    tx.$queryRawUnsafe(`SELECT id FROM ${table} WHERE id = '${id}' FOR UPDATE`);
/** As a controller calls. */
const systemCall = (): Call => ({
  services: world.app.services,
  requestId: newId(),
  viewer: systemViewer('test'),
  ipAddress: null,
  userAgent: '',
  signal: new AbortController().signal,
});
const vmRow = (vm: Made) => data.db.virtualMachine.findUniqueOrThrow({ where: { id: vm.uuid } });
const nodeRow = (node: Made) => data.db.node.findUniqueOrThrow({ where: { id: node.uuid } });

describe('starting a crashed machine', () => {
  it('whose node reports it off at that moment does not run it without capacity', async () => {
    const node = await world.seed.node(cluster);
    const crashed = { powerState: 'CRASHED', desiredState: 'STOPPED' } as const;
    const vm = await world.seed.vm(project, { ...crashed, cluster, node, claimed: true });
    const held = await holding(lockRow('virtual_machines', vm.uuid));
    const start = operate(admin, 'START', vm.id);
    await waiters(1);
    // What a report does that finds the machine off: it gives its capacity back.
    await held.release(async (tx) => {
      const off = { powerState: 'STOPPED', capacityClaimed: false } as const;
      await tx.virtualMachine.update({ where: { id: vm.uuid }, data: off });
      const allocated = { vcpus: 0, memoryMib: 0, storageGib: 0 };
      await tx.node.update({ where: { id: node.uuid }, data: { allocated } });
    });
    // It waited for the report, and places the machine anew.
    expect((await start).task).toMatchObject({ operation: 'START' });
    expect(await vmRow(vm)).toMatchObject({ capacityClaimed: true, desiredState: 'RUNNING' });
    expect((await nodeRow(node)).allocated).toMatchObject({ vcpus: 1 });
  });
});

describe('lowering a quota', () => {
  it('while a machine is being created does not end below what is in use', async () => {
    const tight = await world.seed.project();
    await world.seed.vm(tight);
    const held = await holding((tx) =>
      tx.project.update({
        where: { id: tight.uuid },
        data: { usedVirtualMachines: { increment: 1 } },
      }),
    );
    const lowering = mutate(admin, 'updateProject', {
      id: tight.id,
      quota: { virtualMachines: 1 },
    });
    await waiters(1);
    await held.release();
    expect(await lowering).toMatchObject({
      __typename: 'ValidationError',
      issues: [{ path: ['quota', 'virtualMachines'], message: expect.stringContaining('2 are') }],
    });
  });
});

describe('two reports of a node on two instances', () => {
  it('count in the order of their numbers, whichever comes to the database last', async () => {
    const node = await world.seed.node(cluster);
    const running = { powerState: 'RUNNING', desiredState: 'RUNNING' } as const;
    const vm = await world.seed.vm(project, { ...running, cluster, node, claimed: true });
    const token = await world.seed.agentToken(node);
    const agentInstance = randomUUID();
    const report = (app: TestApp, sequence: number, powerState: string) =>
      mutate(app.withToken(token), 'reportNode', {
        nodeId: node.id,
        agentInstance,
        sequence,
        metrics: METRICS,
        virtualMachines: [{ virtualMachineId: vm.id, powerState, generation: 1 }],
      });
    const held = await holding(lockRow('nodes', node.uuid));
    const newer = report(world, 2, 'RUNNING');
    await waiters(1);
    const older = report(twin, 1, 'CRASHED');
    await waiters(2);
    await held.release();
    expect(await newer).toMatchObject({ accepted: true });
    expect(await older).toMatchObject({ accepted: false, assignments: [] });
    expect((await nodeRow(node)).reportSequence).toBe(2n);
    expect((await vmRow(vm)).powerState).toBe('RUNNING');
  });

  it('release capacity once, when both say that the machine is off', async () => {
    const node = await world.seed.node(cluster);
    const stopping = { powerState: 'RUNNING', desiredState: 'STOPPED', generation: 2 } as const;
    const vm = await world.seed.vm(project, { ...stopping, cluster, node, claimed: true });
    const token = await world.seed.agentToken(node);
    const report = (app: TestApp) =>
      mutate(app.withToken(token), 'reportNode', {
        nodeId: node.id,
        agentInstance: randomUUID(),
        sequence: 1,
        metrics: METRICS,
        virtualMachines: [{ virtualMachineId: vm.id, powerState: 'STOPPED', generation: 2 }],
      });
    const held = await holding(lockRow('nodes', node.uuid));
    const reports = [report(world), report(twin)];
    await waiters(2);
    await held.release();
    for (const answer of await Promise.all(reports)) expect(answer.accepted).toBe(true);
    expect((await nodeRow(node)).allocated).toMatchObject({ vcpus: 0, memoryMib: 0 });
    expect((await vmRow(vm)).capacityClaimed).toBe(false);
  });
});

describe('a task that ends and expires at the same moment', () => {
  it('has one end, and neither side has to try twice', async () => {
    const node = await world.seed.node(cluster);
    const starting = { desiredState: 'RUNNING', generation: 2 } as const;
    const vm = await world.seed.vm(project, { ...starting, cluster, node, claimed: true });
    const task = await world.seed.task(project, vm, {
      status: 'PENDING',
      finishedAt: null,
      nodeId: node.uuid,
      generation: 2,
    });
    const token = await world.seed.agentToken(node);
    const begins: string[] = [];
    const stop = data.onStatement((sql) => {
      if (/^BEGIN/i.test(sql)) begins.push(sql);
    });
    const held = await holding(lockRow('tasks', task.uuid));
    const expiry = execute(expireTask, { taskId: task.uuid }, systemCall());
    await waiters(1);
    const report = mutate(world.withToken(token), 'reportNode', {
      nodeId: node.id,
      agentInstance: randomUUID(),
      sequence: 1,
      metrics: METRICS,
      virtualMachines: [{ virtualMachineId: vm.id, powerState: 'RUNNING', generation: 2 }],
    });
    await waiters(2);
    await held.release();
    await expiry;
    expect(await report).toMatchObject({ accepted: true });
    stop();
    // One transaction each: the holder's, the expiry's and the report's. A deadlock would have made one of them begin again.
    expect(begins).toHaveLength(3);
    const row = await data.db.task.findUniqueOrThrow({ where: { id: task.uuid } });
    expect(row.status).toBe('TIMED_OUT');
    const ends = await data.db.auditEntry.findMany({
      where: { resourceId: task.uuid, action: { in: ['task.expire', 'node.report'] } },
    });
    expect(ends).toHaveLength(1);
  });
});

describe('a node that is taken for silent', () => {
  it('and reports at that very moment stays as it is', async () => {
    const lastHeartbeat = new Date(Date.now() - 3_600_000);
    const node = await world.seed.node(cluster, { lastHeartbeat });
    const vm = await world.seed.vm(project, {
      powerState: 'RUNNING',
      cluster,
      node,
      claimed: true,
    });
    const held = await holding(lockRow('nodes', node.uuid));
    const marking = execute(markSilentNode, { nodeId: node.uuid }, systemCall());
    await waiters(1);
    await held.release((tx) =>
      tx.node.update({ where: { id: node.uuid }, data: { lastHeartbeat: new Date() } }),
    );
    expect((await marking).result).toMatchObject({ phase: null });
    expect(await nodeRow(node)).toMatchObject({ phase: 'READY' });
    expect(await vmRow(vm)).toMatchObject({ powerState: 'RUNNING' });
  });
});

describe('two edits on two instances', () => {
  it('of what both have read cannot both win', async () => {
    const edited = await world.seed.cluster();
    const held = await holding(lockRow('clusters', edited.uuid));
    const edit = (client: Client, description: string) =>
      mutate(client, 'updateCluster', { id: edited.id, description });
    const edits = [edit(admin, 'one'), edit(twinAdmin, 'two')];
    await waiters(2);
    await held.release();
    const kinds = (await Promise.all(edits)).map((answer) => answer.__typename);
    expect(kinds.sort()).toEqual(['ConflictError', 'UpdateClusterPayload']);
    const row = await data.db.cluster.findUniqueOrThrow({ where: { id: edited.uuid } });
    expect(row.version).toBe(2);
  });
});

describe('a machine that two instances start at once', () => {
  it('is started once; the others are told that it is busy, or changed', async () => {
    const node = await world.seed.node(cluster, {
      allocatable: { vcpus: 40, memoryMib: 65_536, storageGib: 0 },
    });
    const vm = await world.seed.vm(project, { cluster });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => operate(i % 2 ? admin : twinAdmin, 'START', vm.id)),
    );
    const kinds = answers.map((answer) => answer.__typename);
    expect(kinds.filter((kind) => kind === 'StartVirtualMachinePayload')).toHaveLength(1);
    for (const kind of kinds) {
      expect(['StartVirtualMachinePayload', 'BusyError', 'ConflictError']).toContain(kind);
    }
    expect(await data.db.task.count({ where: { resourceId: vm.uuid } })).toBe(1);
    const nodes = await data.db.node.findMany({ where: { clusterId: cluster.uuid } });
    const claimed = nodes.find((row) => row.id === node.uuid)?.allocated;
    expect([0, 1]).toContain((claimed as { vcpus: number }).vcpus);
  });
});

describe('a volume that many want', () => {
  it('is attached to one machine; for the others there is no machine either', async () => {
    await world.seed.node(cluster);
    const volume = await world.seed.volume(project, await world.seed.pool());
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        mutate(i % 2 ? admin : twinAdmin, 'createVirtualMachine', {
          projectId: project.id,
          name: `wants-it-${i}`,
          spec: {
            cpu: { cores: 1 },
            memory: { sizeMib: 256 },
            disks: [{ name: 'root', volumeId: volume.id }],
          },
        }),
      ),
    );
    const made = answers.filter((a) => a.__typename === 'CreateVirtualMachinePayload');
    expect(made).toHaveLength(1);
    for (const { __typename } of answers) {
      expect(['CreateVirtualMachinePayload', 'ConflictError', 'ValidationError']).toContain(
        __typename,
      );
    }
    const machines = await data.db.virtualMachine.findMany({
      where: { name: { startsWith: 'wants-it-' } },
      include: { volumes: true },
    });
    expect(machines.map((vm) => vm.volumes.map((v) => v.id))).toEqual([[volume.uuid]]);
  });
});
