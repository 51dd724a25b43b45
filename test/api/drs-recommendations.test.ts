/** Deciding about recommendations, and doing what they say: at once, or not at all when things have changed. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { drsExpiry } from '../../src/controllers/drs-expiry.js';
import type { Prisma } from '../../src/gen/client/client.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import type { Made } from '../support/seed.js';

let world: TestApp;
let admin: Client;
let ada: Made;
let cluster: Made;
let project: Made;
let source: Made;
let target: Made;
let vm: Made;
beforeAll(async () => {
  world = await createTestApp();
  ada = await world.seed.user('ADMIN', { username: 'ada' });
  admin = await world.signIn('ada');
  project = await world.seed.project();
});
beforeEach(async () => {
  cluster = await world.seed.cluster();
  source = await world.seed.node(cluster);
  target = await world.seed.node(cluster);
  const running = { powerState: 'RUNNING', desiredState: 'RUNNING' } as const;
  vm = await world.seed.vm(project, { ...running, cluster, node: source, claimed: true });
});
afterAll(() => world.stop());

const recommend = (data: Partial<Prisma.DrsRecommendationCreateManyInput> = {}) =>
  world.seed.recommendation(cluster, {
    virtualMachineId: vm.uuid,
    sourceNodeId: source.uuid,
    targetNodeId: target.uuid,
    ...data,
  });
interface Answer {
  answer: {
    code?: string;
    reason?: string;
    allowed?: string[];
    drsRecommendation?: { status: string; appliedAt: string | null };
    task?: { operation: string } | null;
  };
}
async function give(verb: 'approve' | 'reject' | 'apply', recommendation: Made) {
  const Name = `${verb.charAt(0).toUpperCase()}${verb.slice(1)}DrsRecommendation`;
  const more = verb === 'apply' ? 'task { operation }' : '';
  const stale = verb === 'apply' ? '... on StaleRecommendationError { reason }' : '';
  const { data, errors } = await admin.answer<Answer, object>(
    `mutation Decide($id: ID!) { answer: ${verb}DrsRecommendation(input: { id: $id }) { __typename
      ... on ${Name}Payload { drsRecommendation { status appliedAt appliedBy { username } } ${more} }
      ... on UserError { code } ... on InvalidStateError { allowed } ${stale} } }`,
    { id: recommendation.id },
  );
  expect(errors).toEqual([]);
  return data?.answer;
}
const row = ({ uuid: id }: Made) =>
  world.data.db.drsRecommendation.findUniqueOrThrow({ where: { id } });
const tasks = () => world.data.db.task.findMany({ where: { virtualMachineId: vm.uuid } });

describe('a recommendation', () => {
  it('is approved, then rejected, and then nothing more can be done with it', async () => {
    const made = await recommend();
    expect(await give('approve', made)).toMatchObject({
      drsRecommendation: { status: 'APPROVED' },
    });
    expect(await give('reject', made)).toMatchObject({ drsRecommendation: { status: 'REJECTED' } });
    expect(await give('approve', made)).toMatchObject({ code: 'INVALID_STATE', allowed: [] });
    expect(await give('apply', made)).toMatchObject({ code: 'INVALID_STATE', allowed: [] });
    expect(await tasks()).toEqual([]);
  });

  it('to migrate begins the migration, and remembers who had it done', async () => {
    const made = await recommend({ status: 'APPROVED' });
    expect(await give('apply', made)).toMatchObject({
      drsRecommendation: { status: 'APPLIED', appliedBy: { username: 'ada' } },
      task: { operation: 'MIGRATE' },
    });
    expect(await row(made)).toMatchObject({ appliedById: ada.uuid, appliedAt: expect.any(Date) });
    expect(await tasks()).toMatchObject([{ targetNodeId: target.uuid, status: 'PENDING' }]);
    // A second one about the same machine has to wait, and stays as it is.
    const other = await recommend();
    expect(await give('apply', other)).toMatchObject({ code: 'BUSY' });
    expect(await row(other)).toMatchObject({ status: 'PENDING', appliedAt: null });
  });

  it('is applied once, however many apply it at the same moment', async () => {
    const made = await recommend();
    const answers = await Promise.all([1, 2, 3].map(() => give('apply', made)));
    expect(answers.filter((answer) => answer?.drsRecommendation)).toHaveLength(1);
    expect(await tasks()).toHaveLength(1);
  });

  it.each<[string, () => Promise<unknown>, string]>([
    [
      'whose machine has moved',
      () =>
        world.data.db.virtualMachine.update({
          where: { id: vm.uuid },
          data: { nodeId: target.uuid },
        }),
      'is not on the source node',
    ],
    [
      'whose machine is paused',
      () =>
        world.data.db.virtualMachine.update({
          where: { id: vm.uuid },
          data: { powerState: 'PAUSED' },
        }),
      'is PAUSED',
    ],
    [
      'whose target is cordoned',
      () => world.data.db.node.update({ where: { id: target.uuid }, data: { intent: 'CORDONED' } }),
      'is cordoned',
    ],
    [
      'whose target is full',
      () =>
        world.data.db.node.update({
          where: { id: target.uuid },
          data: { allocatable: { vcpus: 0, memoryMib: 0, storageGib: 0 } },
        }),
      'vCPUs free',
    ],
  ])('%s is stale, says why, and changes nothing', async (_which, happens, why) => {
    const made = await recommend();
    await happens();
    expect(await give('apply', made)).toMatchObject({
      code: 'STALE',
      reason: expect.stringContaining(why),
    });
    expect(await row(made)).toMatchObject({ status: 'PENDING', version: 1 });
    expect(await tasks()).toEqual([]);
  });

  it('to switch off stops its machine; one about no machine is for people to do', async () => {
    const off = await recommend({ recommendationType: 'POWER_OFF' });
    expect(await give('apply', off)).toMatchObject({
      drsRecommendation: { status: 'APPLIED' },
      task: { operation: 'STOP' },
    });
    const node = await recommend({ recommendationType: 'POWER_OFF', virtualMachineId: null });
    expect(await give('apply', node)).toMatchObject({
      code: 'INVALID_STATE',
      allowed: ['APPROVE', 'REJECT'],
    });
  });
});

describe('a recommendation that has become pointless', () => {
  const round = () =>
    drsExpiry.run(world.app.services, () => true, new AbortController().signal, new Date(0));

  it('is EXPIRED by the control plane, once, with an audit entry, and not approved any more', async () => {
    await world.data.db.drsRecommendation.deleteMany({});
    const day = 24 * 3_600_000;
    const old = await recommend({ createdAt: new Date(Date.now() - day - 1) });
    const young = await recommend({ createdAt: new Date(Date.now() - day + 60_000) });
    const decided = await recommend({ status: 'REJECTED', createdAt: new Date(0) });
    await round();
    expect(await row(old)).toMatchObject({ status: 'EXPIRED', version: 2 });
    expect(await row(young)).toMatchObject({ status: 'PENDING', version: 1 });
    expect(await row(decided)).toMatchObject({ status: 'REJECTED', version: 1 });
    await world.data.db.virtualMachine.update({ where: { id: vm.uuid }, data: { nodeId: target.uuid } }); // biome-ignore format: one call
    await round();
    await round();
    expect(await row(young)).toMatchObject({ status: 'EXPIRED', version: 2 });
    expect(await give('approve', young)).toMatchObject({ code: 'INVALID_STATE', allowed: [] });
    const where = { action: 'drs.expire' };
    const entries = await world.data.db.auditEntry.findMany({ where, orderBy: { seq: 'asc' } });
    expect(entries).toMatchObject(
      [old, young].map(({ uuid }) => ({
        resourceId: uuid,
        username: 'system:drs-expiry',
        details: { before: { status: 'PENDING' }, after: { status: 'EXPIRED' } },
      })),
    );
  });
});
