/** What a mutation's payload says beside its object: what is changed along with it, and what that does to quota; scoped by who asks. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../support/app.js';
import { createStage, METRICS, mutate, type Stage } from '../support/mutations.js';
import type { Made } from '../support/seed.js';

let world: TestApp;
let stage: Stage;
beforeAll(async () => {
  world = await createTestApp();
  stage = await createStage(world);
});
afterAll(() => world.stop());

const GIB = 2n ** 30n;
/** A machine that is off, with a volume, a snapshot and an interface. */
async function furnished(project: Made) {
  const { seed, data } = world;
  const vm = await seed.vm(project);
  const attached = { attachedVmId: vm.uuid, phase: 'IN_USE' } as const;
  const volume = await seed.claimedVolume(project, undefined, attached);
  const snapshot = await seed.snapshot(vm);
  const usedSnapshots = { increment: 1 };
  await data.db.project.update({ where: { id: project.uuid }, data: { usedSnapshots } });
  const network = await seed.network({ cidr: '10.7.0.0/24' });
  const nic = await seed.networkInterface(vm, network, { addresses: ['10.7.0.9'] });
  return { vm, volume, snapshot, nic };
}
/** The same for a dry run, the real run, and its repeat. */
async function thrice(mutation: string, input: object, client = stage.admin) {
  const tried = await mutate(client, mutation, { ...input, dryRun: true });
  const keyed = { ...input, idempotencyKey: `effects-${mutation}` };
  const [done, again] = [await mutate(client, mutation, keyed), await mutate(client, mutation, keyed)]; // biome-ignore format: one pair
  const { cascades, quotaChanges } = tried;
  expect(tried.__typename).toMatch(/Payload$/);
  // What is new gets another id each time.
  const names = (cascades as { name: string; effect: string }[]).map(({ name, effect }) => ({ name, effect })); // biome-ignore format: one call
  expect(done).toMatchObject({ cascades: names, quotaChanges });
  expect(again).toEqual(done);
  return { cascades: cascades as object[], quotaChanges: quotaChanges as object[] };
}
const byName = (rows: readonly object[]) =>
  (rows as readonly { name: string }[]).toSorted((a, b) => (a.name < b.name ? -1 : 1));

describe('a payload says', () => {
  it('what goes with a machine that is deleted, and what its project gets back', async () => {
    const project = await world.seed.project({ quota: { vcpus: 4 } });
    const { vm, volume, snapshot, nic } = await furnished(project);
    const { cascades, quotaChanges } = await thrice('deleteVirtualMachine', { id: vm.id });
    const row = (made: Made, type: string, effect: string) => ({
      id: made.id,
      type,
      name: made.name,
      effect,
    });
    expect(byName(cascades)).toEqual(
      byName([
        row(volume, 'Volume', 'UPDATED'),
        row(snapshot, 'VirtualMachineSnapshot', 'DELETED'),
        row(nic, 'NetworkInterface', 'DELETED'),
      ]),
    );
    const back = (resource: string, change: number, limit: number | null = null) => ({
      projectId: project.id,
      resource,
      change,
      used: 0,
      limit,
    });
    expect(quotaChanges).toEqual([
      back('virtualMachines', -1),
      back('vcpus', -1, 4),
      back('memoryMib', -1024),
      back('snapshots', -1),
    ]);
  });

  it('what a machine takes from its quota when it is made, volumes and all', async () => {
    const project = await world.seed.project({ quota: { vcpus: 8, storageGib: 100 } });
    const pool = await world.seed.pool();
    const { cascades, quotaChanges } = await thrice('createVirtualMachine', {
      projectId: project.id,
      name: 'asked-for',
      spec: { cpu: { cores: 2 }, memory: { sizeMib: 2048 } },
      newDisks: [{ name: 'root', storagePoolId: pool.id, sizeGib: 10 }],
    });
    expect(cascades).toMatchObject([{ type: 'Volume', name: 'asked-for-root', effect: 'CREATED' }]);
    expect(quotaChanges).toMatchObject([
      { resource: 'virtualMachines', change: 1, used: 1, limit: null },
      { resource: 'vcpus', change: 2, used: 2, limit: 8 },
      { resource: 'memoryMib', change: 2048, used: 2048 },
      { resource: 'storageGib', change: 10, used: 10, limit: 100 },
      { resource: 'volumes', change: 1, used: 1 },
    ]);
  });

  it('what a copy takes, of a machine and of a volume', async () => {
    const project = await world.seed.project();
    const { vm, volume } = await furnished(project);
    const machine = await thrice('cloneVirtualMachine', { id: vm.id, name: 'twin' });
    const copied = { type: 'Volume', name: `twin-${volume.name}`, effect: 'CREATED' };
    expect(machine.cascades).toMatchObject([copied]);
    expect(machine.quotaChanges).toMatchObject([
      { resource: 'virtualMachines', change: 1, used: 2 },
      { resource: 'vcpus', change: 1, used: 2 },
      { resource: 'memoryMib', change: 1024, used: 2048 },
      { resource: 'storageGib', change: 10, used: 20 },
      { resource: 'volumes', change: 1, used: 2 },
    ]);
    await world.data.db.task.deleteMany({});
    const free = await world.seed.claimedVolume(project, undefined, { sizeBytes: 10n * GIB });
    const copy = await thrice('cloneVolume', { id: free.id, name: 'copy', mode: 'FULL' });
    expect(copy).toMatchObject({ cascades: [], quotaChanges: [{ change: 10 }, { change: 1 }] });
  });

  it('what moves with a machine, and what that is in both projects', async () => {
    const [from, to] = [
      await world.seed.project(),
      await world.seed.project({ quota: { vcpus: 1 } }),
    ];
    const { vm, volume } = await furnished(from);
    const { cascades, quotaChanges } = await thrice('moveVirtualMachine', {
      id: vm.id,
      projectId: to.id,
    });
    expect(cascades).toMatchObject([{ id: volume.id, effect: 'UPDATED' }]);
    const of = ({ id }: Made) =>
      quotaChanges.filter((change) => (change as { projectId: string }).projectId === id);
    expect(of(from)).toContainEqual(expect.objectContaining({ resource: 'vcpus', change: -1, used: 0 })); // biome-ignore format: one call
    expect(of(to)).toContainEqual(expect.objectContaining({ resource: 'vcpus', change: 1, used: 1, limit: 1 })); // biome-ignore format: one call
    expect(of(from)).toHaveLength(of(to).length);
  });

  it('nothing of what does not change: a start touches no quota', async () => {
    const vm = await world.seed.vm(stage.project, { cluster: stage.cluster });
    expect(await thrice('startVirtualMachine', { id: vm.id })).toEqual({
      cascades: [],
      quotaChanges: [],
    });
  });
});

describe('in a bulk call', () => {
  it.each(['ATOMIC', 'BEST_EFFORT'])('%s, each object says its own', async (mode) => {
    const project = await world.seed.project();
    const [one, two] = [await furnished(project), await furnished(project)];
    const input = { ids: [one.vm.id, two.vm.id], mode, idempotencyKey: `effects-${mode}` };
    const document = `mutation($input: BulkDeleteVirtualMachinesInput!) {
      answer: bulkDeleteVirtualMachines(input: $input) { ... on BulkDeleteVirtualMachinesPayload { results { outcome {
        ... on DeleteVirtualMachinePayload { cascades { name } quotaChanges { resource change } } } } } } }`;
    const ask = async () => (await stage.admin.answer<{ answer: unknown }, unknown>(document, { input })).data?.answer; // biome-ignore format: one call
    const outcome = (made: typeof one) => ({
      outcome: {
        cascades: expect.arrayContaining([made.volume, made.snapshot, made.nic].map(({ name }) => ({ name }))), // biome-ignore format: one list
        quotaChanges: expect.arrayContaining([{ resource: 'vcpus', change: -1 }]),
      },
    });
    const done = await ask();
    expect(done).toEqual({ results: [outcome(one), outcome(two)] });
    expect(await ask()).toEqual(done);
  });
});

describe('what belongs to others', () => {
  it('is not told: neither objects nor figures of a project that one is no member of any more', async () => {
    const { seed, data } = world;
    const project = await seed.project();
    const user = await seed.user('OPERATOR', { projects: { [project.uuid]: 'OPERATOR' } });
    const client = await world.signIn(user.name);
    const { vm } = await furnished(project);
    const input = { id: vm.id, idempotencyKey: 'leaving' };
    const first = await mutate(client, 'deleteVirtualMachine', input);
    expect(first.cascades).toHaveLength(3);
    await data.db.projectMember.deleteMany({ where: { projectId: project.uuid } });
    await world.app.services.hints.announce([
      { type: 'ProjectMember', id: project.uuid, projectId: null, kind: 'DELETED' },
    ]);
    const again = await mutate(client, 'deleteVirtualMachine', input);
    expect(again).toMatchObject({ cascades: [], quotaChanges: [] });
  });

  it('is not told to an agent', async () => {
    const node = await world.seed.node(stage.cluster);
    const { vm } = await furnished(stage.project);
    await world.data.db.virtualMachine.update({ where: { id: vm.uuid }, data: { nodeId: node.uuid, desiredState: 'DELETED' } }); // biome-ignore format: one call
    const client = world.withToken(await world.seed.agentToken(node));
    const answer = await mutate(client, 'reportNode', {
      nodeId: node.id,
      agentInstance: '0199c7a0-0000-7000-8000-000000000001',
      sequence: 1,
      metrics: METRICS,
      virtualMachines: [],
    });
    expect(answer).toMatchObject({ __typename: 'ReportNodePayload', cascades: [], quotaChanges: [] }); // biome-ignore format: one call
  });
});
