/** The history of an object: who changed which field, from what to what, as far as the reader may see it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { createStage, mutate, type Stage } from '../support/mutations.js';

let world: TestApp;
let stage: Stage;
beforeAll(async () => {
  world = await createTestApp();
  stage = await createStage(world);
});
afterAll(() => world.stop());

interface History {
  readonly totalCount: number;
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
  readonly nodes: readonly {
    readonly action: string;
    readonly status: string;
    readonly username: string;
    readonly taskId: string | null;
    readonly changes: readonly { path: string[]; before: unknown; after: unknown }[];
  }[];
}

async function historyOf(client: Client, id: string, page = ''): Promise<History | undefined> {
  const { data, errors } = await client.answer<{ node: { history: History } | null }, object>(
    `query H($id: ID!) { node(id: $id) { ... on VirtualMachine { history${page} { totalCount pageInfo { hasNextPage endCursor }
      nodes { action status username taskId changes { path before after } } } } } }`,
    { id },
  );
  expect(errors).toEqual([]);
  return data?.node?.history;
}

describe('the history of a virtual machine', () => {
  it('tells each change field by field, the newest first, with its task, page by page', async () => {
    const vm = await world.seed.vm(stage.project, { labels: { tier: 'web' } });
    const input = { id: vm.id, description: 'new', labels: { tier: 'db', app: 'x' } };
    await mutate(stage.admin, 'updateVirtualMachine', input);
    await mutate(stage.admin, 'stopVirtualMachine', { id: vm.id });
    await mutate(stage.admin, 'updateVirtualMachine', { ...input, expectedVersion: 99 });
    const history = await historyOf(stage.admin, vm.id);
    expect(history?.nodes.map(({ action, status }) => `${action} ${status}`)).toEqual([
      'virtualMachine.update FAILED',
      'virtualMachine.stop SUCCEEDED',
      'virtualMachine.update SUCCEEDED',
    ]);
    expect(history?.nodes[0]?.changes).toEqual([]);
    const changes = history?.nodes[2]?.changes ?? [];
    expect(changes).toContainEqual({ path: ['labels', 'tier'], before: 'web', after: 'db' });
    expect(changes).toContainEqual({ path: ['labels', 'app'], before: null, after: 'x' });
    expect(changes).toContainEqual({ path: ['version'], before: 1, after: 2 });
    const first = await historyOf(stage.admin, vm.id, '(first: 2)');
    expect(first).toMatchObject({ totalCount: 3, pageInfo: { hasNextPage: true } });
    const rest = await historyOf(
      stage.admin,
      vm.id,
      `(first: 2, after: "${first?.pageInfo.endCursor}")`,
    );
    expect([...(first?.nodes ?? []), ...(rest?.nodes ?? [])]).toEqual(history?.nodes);
  });

  it('names the task that an entry began', async () => {
    const cluster = await world.seed.cluster();
    const node = await world.seed.node(cluster, { lastHeartbeat: new Date() });
    const vm = await world.seed.vm(stage.project, { cluster, node });
    const started = await mutate(stage.admin, 'startVirtualMachine', { id: vm.id });
    expect(started.__typename).toBe('StartVirtualMachinePayload');
    const task = await world.data.db.task.findFirstOrThrow({
      where: { virtualMachineId: vm.uuid },
    });
    const history = await historyOf(stage.admin, vm.id);
    const taskId = history?.nodes[0]?.taskId ?? '';
    expect(Buffer.from(taskId, 'base64url').toString()).toBe(`Task:${task.id}`);
  });

  it('is not there for those who do not see the machine, and shows members what happened in their project', async () => {
    const vm = await world.seed.vm(stage.project);
    await mutate(stage.admin, 'stopVirtualMachine', { id: vm.id });
    const member = await world.seed.user('VIEWER', {
      projects: { [stage.project.uuid]: 'VIEWER' },
    });
    const stranger = await world.seed.user('OPERATOR');
    const seen = await historyOf(await world.signIn(member.name), vm.id);
    expect(seen?.nodes).toMatchObject([{ action: 'virtualMachine.stop', username: 'stage-admin' }]);
    expect(await historyOf(await world.signIn(stranger.name), vm.id)).toBeUndefined();
  });

  it('of infrastructure shows those who do not administer it what they did themselves', async () => {
    const cluster = await world.seed.cluster();
    await mutate(stage.admin, 'updateCluster', { id: cluster.id, description: 'x' });
    const { name } = await world.seed.user('VIEWER');
    const viewer = await world.signIn(name);
    await mutate(viewer, 'updateCluster', { id: cluster.id, description: 'y' });
    const query =
      'query H($id: ID!) { cluster(id: $id) { history { nodes { username status } } } }';
    const { data } = await viewer.answer<object, object>(query, { id: cluster.id });
    expect(data).toEqual({
      cluster: { history: { nodes: [{ username: name, status: 'DENIED' }] } },
    });
  });
});

describe('the audit log', () => {
  it('is searched by address and by what was shown', async () => {
    const [entry] = await world.data.db.auditEntry.findMany({
      where: { credentialKind: 'SESSION' },
      take: 1,
    });
    await world.data.db.auditEntry.createMany({
      data: [
        {
          id: '0198c000-0000-7000-8000-00000000aaaa',
          username: 'u',
          action: 'a.b',
          resourceType: 'X',
          ipAddress: '2001:db8::7',
        },
      ],
    });
    const count = async (filter: object) => {
      const { data, errors } = await stage.admin.answer<
        { auditEntries: { totalCount: number } },
        object
      >('query A($filter: AuditEntryFilter) { auditEntries(filter: $filter) { totalCount } }', {
        filter,
      });
      expect(errors).toEqual([]);
      return data?.auditEntries.totalCount;
    };
    expect(await count({ ipAddress: { eq: '2001:db8:0::7' } })).toBe(1);
    expect(await count({ ipAddress: { in: ['192.0.2.250'] } })).toBe(0);
    expect(await count({ credentialId: { eq: entry?.credentialId } })).toBeGreaterThan(0);
    expect(await count({ credentialKind: { eq: 'API_TOKEN' } })).toBe(0);
  });
});
