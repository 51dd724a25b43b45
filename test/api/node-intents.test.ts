/** What an operator wants of a node: every pair of the table, and nothing starts where nothing should. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allowedIntents, INTENTS, type IntentOperation } from '../../src/modules/node/rules.js';
import { graphql } from '../gen/gql.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import type { Made } from '../support/seed.js';

const DOCUMENTS = {
  CORDON: graphql(`mutation IntentTestCordon($input: CordonHypervisorNodeInput!) {
    answer: cordonHypervisorNode(input: $input) { __typename ... on CordonHypervisorNodePayload { hypervisorNode { intent phase } } ... on InvalidStateError { current allowed } ... on UserError { code } }
  }`),
  UNCORDON: graphql(`mutation IntentTestUncordon($input: UncordonHypervisorNodeInput!) {
    answer: uncordonHypervisorNode(input: $input) { __typename ... on UncordonHypervisorNodePayload { hypervisorNode { intent phase } } ... on InvalidStateError { current allowed } ... on UserError { code } }
  }`),
  ENTER_MAINTENANCE: graphql(`mutation IntentTestEnter($input: EnterMaintenanceInput!) {
    answer: enterMaintenance(input: $input) { __typename ... on EnterMaintenancePayload { hypervisorNode { intent phase } } ... on InvalidStateError { current allowed } ... on UserError { code } }
  }`),
  EXIT_MAINTENANCE: graphql(`mutation IntentTestExit($input: ExitMaintenanceInput!) {
    answer: exitMaintenance(input: $input) { __typename ... on ExitMaintenancePayload { hypervisorNode { intent phase } } ... on InvalidStateError { current allowed } ... on UserError { code } }
  }`),
};
const Start = graphql(`
  mutation IntentTestStart($input: StartVirtualMachineInput!) {
    startVirtualMachine(input: $input) {
      __typename
      ... on NoSuitableNodeError { verdicts { hostname reasons } }
      ... on UserError { code }
    }
  }
`);

let world: TestApp;
let admin: Client;
let cluster: Made;

beforeAll(async () => {
  world = await createTestApp();
  await world.seed.user('ADMIN', { username: 'ada' });
  admin = await world.signIn('ada');
  cluster = await world.seed.cluster();
});
afterAll(() => world.stop());

const apply = async (operation: IntentOperation, id: string) =>
  // The four answer alike.
  (
    await admin.run(DOCUMENTS[operation] as (typeof DOCUMENTS)['ENTER_MAINTENANCE'], {
      input: { id },
    })
  ).answer;

const STATES = ['IN_SERVICE', 'CORDONED', 'DRAINING', 'MAINTENANCE'] as const;
const pairs = (Object.keys(INTENTS) as IntentOperation[]).flatMap((operation) =>
  STATES.map((intent) => [operation, intent] as const),
);

describe('an intent', () => {
  it.each(pairs)('%s from %s follows the table', async (operation, intent) => {
    const node = await world.seed.node(cluster, { intent });
    const { to } = INTENTS[operation];
    const goes = intent === to || allowedIntents(intent).includes(operation);
    const expected = goes
      ? { hypervisorNode: { intent: to, phase: to === 'MAINTENANCE' ? 'MAINTENANCE' : 'READY' } }
      : { code: 'INVALID_STATE', current: intent, allowed: allowedIntents(intent) };
    expect(await apply(operation, node.id)).toMatchObject(expected);
    const row = await world.data.db.node.findUniqueOrThrow({ where: { id: node.uuid } });
    expect([row.intent, row.version]).toEqual([goes ? to : intent, goes && intent !== to ? 2 : 1]);
  });
});

describe('a node that is cordoned or in maintenance', () => {
  it('takes no virtual machine, and says why', async () => {
    const own = await world.seed.cluster();
    const node = await world.seed.node(own, { intent: 'CORDONED' });
    const vm = await world.seed.vm(await world.seed.project(), { cluster: own });
    const start = async () =>
      (await admin.run(Start, { input: { id: vm.id } })).startVirtualMachine;
    expect(await start()).toMatchObject({
      code: 'NO_SUITABLE_NODE',
      verdicts: [{ hostname: node.name, reasons: ['is cordoned'] }],
    });
    await apply('UNCORDON', node.id);
    expect((await start()).__typename).toBe('StartVirtualMachinePayload');
  });

  it('is DRAINING while something is claimed there, and in maintenance at once when nothing is', async () => {
    const node = await world.seed.node(cluster);
    const running = { powerState: 'RUNNING', desiredState: 'RUNNING' } as const;
    const vm = await world.seed.vm(await world.seed.project(), {
      cluster,
      node,
      claimed: true,
      ...running,
    });
    const draining = { hypervisorNode: { intent: 'DRAINING', phase: 'DRAINING' } };
    expect(await apply('ENTER_MAINTENANCE', node.id)).toMatchObject(draining);
    expect(await apply('ENTER_MAINTENANCE', node.id)).toMatchObject(draining);
    const row = await world.data.db.node.findUniqueOrThrow({ where: { id: node.uuid } });
    expect([row.intent, row.version]).toEqual(['DRAINING', 2]);
    await world.data.db.virtualMachine.delete({ where: { id: vm.uuid } });
    const none = { vcpus: 0, memoryMib: 0, storageGib: 0 };
    await world.data.db.node.update({ where: { id: node.uuid }, data: { allocated: none } });
    expect(await apply('ENTER_MAINTENANCE', node.id)).toMatchObject({
      hypervisorNode: { intent: 'MAINTENANCE' },
    });
  });
});
