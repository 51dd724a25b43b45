/** A node that leaves: decommissioned for ever, or deleted; never while anything depends on it. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import type { Made } from '../support/seed.js';
import { createTestAgent } from '../support/test-agent.js';

let world: TestApp;
let admin: Client;
let cluster: Made;
let project: Made;
let node: Made;
beforeAll(async () => {
  world = await createTestApp();
  await world.seed.user('ADMIN', { username: 'ada' });
  admin = await world.signIn('ada');
  cluster = await world.seed.cluster();
  project = await world.seed.project();
});
beforeEach(async () => {
  node = await world.seed.node(cluster);
});
afterAll(() => world.stop());

interface Answer {
  answer: { code?: string; usedBy?: object[]; hypervisorNode?: { intent: string } };
}
type Mutation =
  | 'decommissionHypervisorNode'
  | 'deleteHypervisorNode'
  | 'uncordonHypervisorNode'
  | 'exitMaintenance'
  | 'enterMaintenance';

async function give(mutation: Mutation) {
  const using = mutation.startsWith('de')
    ? '... on InUseError { usedBy { type count names } }'
    : '';
  const { data, errors } = await admin.answer<Answer, object>(
    `mutation Give($id: ID!) { answer: ${mutation}(input: { id: $id }) { __typename ... on UserError { code } ${using} } }`,
    { id: node.id },
  );
  expect(errors).toEqual([]);
  return data?.answer;
}
const row = () => world.data.db.node.findUnique({ where: { id: node.uuid } });

describe.each(['decommissionHypervisorNode', 'deleteHypervisorNode'] as const)('%s', (mutation) => {
  it('is refused while machines are placed on the node, and names them', async () => {
    const vm = await world.seed.vm(project, { cluster, node });
    expect(await give(mutation)).toMatchObject({
      code: 'IN_USE',
      usedBy: [{ type: 'VirtualMachine', count: 1, names: [vm.name] }],
    });
    expect(await row()).toMatchObject({ intent: 'IN_SERVICE', version: 1 });
  });

  it.each(['nodeId', 'targetNodeId'] as const)(
    'is refused while an unfinished task has it as %s, and not for the sake of finished ones',
    async (column) => {
      const vm = await world.seed.vm(project);
      const about = { operation: 'MIGRATE' as const, [column]: node.uuid };
      const task = await world.seed.task(project, vm, {
        ...about,
        status: 'RUNNING',
        finishedAt: null,
      });
      expect(await give(mutation)).toMatchObject({
        code: 'IN_USE',
        usedBy: [{ type: 'Task', count: 1 }],
      });
      await world.data.db.task.update({
        where: { id: task.uuid },
        data: { status: 'SUCCEEDED', finishedAt: new Date() },
      });
      expect((await give(mutation))?.code).toBeUndefined();
    },
  );
});

describe('a decommissioned node', () => {
  it('is not heard any more, gets no new token, and never comes back', async () => {
    const agent = await createTestAgent(world, node);
    await agent.report();
    await give('decommissionHypervisorNode');
    expect(await row()).toMatchObject({ intent: 'DECOMMISSIONED', version: 2 });
    await expect(agent.report()).rejects.toThrow(/not valid/);
    for (const way of ['uncordonHypervisorNode', 'exitMaintenance', 'enterMaintenance'] as const)
      expect(await give(way)).toMatchObject({ code: 'INVALID_STATE' });
    const { data } = await admin.answer<Answer, object>(
      'mutation Issue($id: ID!) { answer: issueAgentToken(input: { nodeId: $id }) { __typename ... on UserError { code } } }',
      { id: node.id },
    );
    expect(data?.answer).toMatchObject({ code: 'INVALID_STATE' });
    // Asking again changes nothing; deleting it is still possible.
    expect((await give('decommissionHypervisorNode'))?.code).toBeUndefined();
    expect(await row()).toMatchObject({ version: 2 });
    expect((await give('deleteHypervisorNode'))?.code).toBeUndefined();
    expect(await row()).toBeNull();
  });

  it('is not heard by an instance that still remembers its token either', async () => {
    const agent = await createTestAgent(world, node);
    await agent.report();
    const data = { intent: 'DECOMMISSIONED' as const };
    await world.data.db.node.update({ where: { id: node.uuid }, data });
    const heard = (await row())?.lastHeartbeat;
    expect(await agent.send(agent.draft())).toMatchObject({ __typename: 'ForbiddenError' });
    expect((await row())?.lastHeartbeat).toEqual(heard);
  });
});

describe('deleting a node that storage pools are assigned to', () => {
  it('takes it out of them', async () => {
    const other = await world.seed.node(cluster);
    const assignedNodeIds = [node.uuid, other.uuid];
    const pool = await world.seed.pool({ assignedNodeIds });
    expect((await give('deleteHypervisorNode'))?.code).toBeUndefined();
    expect(
      await world.data.db.storagePool.findUniqueOrThrow({ where: { id: pool.uuid } }),
    ).toMatchObject({ assignedNodeIds: [other.uuid], version: 2 });
  });

  it('is refused when it is the only one: then every node would have the pool', async () => {
    const pool = await world.seed.pool({ assignedNodeIds: [node.uuid] });
    expect(await give('deleteHypervisorNode')).toMatchObject({
      code: 'IN_USE',
      usedBy: [{ type: 'StoragePool', count: 1, names: [pool.name] }],
    });
    expect(await row()).not.toBeNull();
  });
});
