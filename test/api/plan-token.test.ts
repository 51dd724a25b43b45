/** Plan tokens, of every mutation that the schema has: what a dry run showed is done exactly, or nothing is. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeGlobalId } from '../../src/ids.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { changedTables, digest } from '../support/digest.js';
import {
  createStage,
  inputFieldsOf,
  MUTATIONS,
  mutate,
  type Stage,
  sampleOf,
} from '../support/mutations.js';

let world: TestApp;
let stage: Stage;
beforeAll(async () => {
  world = await createTestApp();
  stage = await createStage(world);
});
afterAll(() => world.stop());

const STALE = { __typename: 'PlanStaleError', code: 'PLAN_STALE', path: ['planToken'] };

type Input = Readonly<Record<string, unknown>>;
const plan = async (mutation: string, input: Input): Promise<string> => {
  const { planToken } = await mutate(stage.admin, mutation, { ...input, dryRun: true });
  expect(planToken).toMatch(/^[\w-]{43}$/);
  return String(planToken);
};
const apply = (mutation: string, input: Input, planToken: string) =>
  mutate(stage.admin, mutation, { ...input, planToken });
const stale = async (mutation: string, input: Input, planToken: string) => {
  const before = await digest(world.data);
  expect(await apply(mutation, input, planToken)).toMatchObject(STALE);
  expect(changedTables(before, await digest(world.data))).toEqual(['audit_log']);
};

describe.each(MUTATIONS.filter((m) => inputFieldsOf(m).includes('planToken')))('%s', (mutation) => {
  it('refuses the plan of another request, and does what its own plan says', async () => {
    const other = await sampleOf(mutation, stage);
    const before = await digest(world.data);
    const strange = { ...other.input, planToken: 'of-something-else' };
    expect(await mutate(other.client, mutation, strange)).toMatchObject(STALE);
    expect(changedTables(before, await digest(world.data))).toEqual(['audit_log']);

    const { client, input } = await sampleOf(mutation, stage);
    const { planToken } = await mutate(client, mutation, { ...input, dryRun: true });
    const again = await mutate(client, mutation, { ...input, dryRun: true, planToken });
    expect(again).toMatchObject({ planToken, dryRun: true });
    const done = await mutate(client, mutation, { ...input, planToken });
    expect(done).toMatchObject({ dryRun: false, planToken: null });
  });
});

const START = `mutation Start($input: StartVirtualMachineInput!) { startVirtualMachine(input: $input) {
  __typename ... on StartVirtualMachinePayload { virtualMachine { hypervisorNode { id } } } } }`;
interface Started {
  readonly startVirtualMachine: { virtualMachine: { hypervisorNode: { id: string } } };
}

describe('a plan', () => {
  it('does not hold once the node that it chose is full: the next one chooses another', async () => {
    const { seed, data } = world;
    const cluster = await seed.cluster();
    const nodes = [(await seed.node(cluster)).id, (await seed.node(cluster)).id];
    const input = { id: (await seed.vm(stage.project, { cluster })).id };
    const start = async (more: object) => {
      const { data } = await stage.admin.answer<Started, object>(START, {
        input: { ...input, ...more },
      });
      return data?.startVirtualMachine;
    };
    const token = await plan('startVirtualMachine', input);
    expect(await plan('startVirtualMachine', input)).toBe(token);
    const chosen = (await start({ dryRun: true }))?.virtualMachine.hypervisorNode.id;
    expect(nodes).toContain(chosen);
    await data.db.node.update({
      where: { id: decodeGlobalId(String(chosen))?.id ?? '' },
      data: { allocatable: { vcpus: 0, memoryMib: 0, storageGib: 0 } },
    });

    await stale('startVirtualMachine', input, token);
    const next = await plan('startVirtualMachine', input);
    const hypervisorNode = { id: nodes.find((id) => id !== chosen) };
    expect(await start({ planToken: next })).toMatchObject({ virtualMachine: { hypervisorNode } });
  });

  it('does not hold once its address is taken, and does while others take other ones', async () => {
    const { seed } = world;
    const networkId = (await seed.network({ cidr: '10.7.0.0/24' })).id;
    const attach = async (more: object = {}) => ({
      virtualMachineId: (await seed.vm(stage.project)).id,
      nic: { name: 'eth0', networkId, ...more },
    });
    const [any, certain] = [await attach(), await attach({ ipAddresses: ['10.7.0.77'] })];
    const token = await plan('attachNetworkInterface', any);
    const certainly = await plan('attachNetworkInterface', certain);
    await mutate(stage.admin, 'attachNetworkInterface', await attach());
    await stale('attachNetworkInterface', any, token);
    expect(await apply('attachNetworkInterface', certain, certainly)).toMatchObject({
      networkInterface: { ipAddresses: ['10.7.0.77'] },
    });
  });

  it('holds while others use the quota, as long as there is room', async () => {
    const project = await world.seed.project({ quota: { virtualMachines: 2 } });
    const spec = { cpu: { cores: 1 }, memory: { sizeMib: 512 } };
    const create = (name: string) => ({ projectId: project.id, name, spec });
    const token = await plan('createVirtualMachine', create('one'));
    const last = await plan('createVirtualMachine', create('three'));
    await mutate(stage.admin, 'createVirtualMachine', create('two'));
    const done = await apply('createVirtualMachine', create('one'), token);
    expect(done).toMatchObject({ virtualMachine: { name: 'one' } });
    expect(await apply('createVirtualMachine', create('three'), last)).toMatchObject({
      __typename: 'QuotaExceededError',
    });
  });

  it('does not hold once somebody edited the object, and its dry run says so without a trace', async () => {
    const { id } = await world.seed.cluster();
    const input = { id, description: 'planned' };
    const token = await plan('updateCluster', input);
    await mutate(stage.admin, 'updateCluster', { id, haEnabled: true });
    const before = await digest(world.data);
    expect(await apply('updateCluster', { ...input, dryRun: true }, token)).toMatchObject(STALE);
    expect(changedTables(before, await digest(world.data))).toEqual([]);
    await stale('updateCluster', input, token);
    const [entry] = await world.data.db.auditEntry.findMany({ orderBy: { seq: 'desc' }, take: 1 });
    expect(entry).toMatchObject({
      action: 'cluster.update',
      status: 'FAILED',
      details: { error: { code: 'PLAN_STALE' } },
    });
  });

  it('is for one input, one mutation and one caller', async () => {
    const { id } = await world.seed.cluster();
    const token = await plan('updateCluster', { id, description: 'planned' });
    await stale('updateCluster', { id, description: 'other' }, token);
    await stale('deleteCluster', { id }, token);
    await world.seed.user('ADMIN', { username: 'another' });
    const input = { id, description: 'planned', planToken: token };
    expect(await mutate(await world.signIn('another'), 'updateCluster', input)).toMatchObject(
      STALE,
    );
    expect(await mutate(stage.admin, 'updateCluster', input)).toMatchObject({
      cluster: { description: 'planned' },
    });
  });

  it('tells passwords apart that nobody is shown', async () => {
    const { id } = await world.seed.user('VIEWER');
    const token = await plan('setUserPassword', { id, password: 'the one that was planned' });
    await stale('setUserPassword', { id, password: 'the one that was not' }, token);
  });

  it('is done once with its idempotency key, whose request it is part of', async () => {
    const { id } = await world.seed.cluster();
    const input = { id, description: 'planned', idempotencyKey: 'planned-once' };
    const token = await plan('updateCluster', input);
    const done = await apply('updateCluster', input, token);
    expect(done).toMatchObject({ cluster: { version: 2 } });
    expect(await apply('updateCluster', input, token)).toMatchObject({ cluster: { version: 2 } });
    const other = await mutate(stage.admin, 'updateCluster', input);
    expect(other).toMatchObject({ __typename: 'IdempotencyMismatchError' });
  });

  it('that is stale leaves shared settings alone, at every moment', async () => {
    const { settings } = world.app.services.coordination;
    const input = { key: 'tasks.retention', value: '900h' };
    const token = await plan('setSystemConfig', input);
    await mutate(stage.admin, 'setSystemConfig', { ...input, value: '901h' });
    const before = await settings.list();
    await stale('setSystemConfig', input, token);
    expect(await settings.list()).toEqual(before);
  });

  it.each([
    ['empty', ''],
    ['longer than 100 characters', 'x'.repeat(101)],
  ])('%s is none', async (_case, planToken) => {
    expect(await apply('createCluster', { name: 'unplanned' }, planToken)).toMatchObject({
      __typename: 'ValidationError',
      path: ['planToken'],
    });
  });
});
