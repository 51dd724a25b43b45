/** Naming an object of another project is like naming one that never was: in every argument, of every field, found in the schema. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { decodeGlobalId, encodeGlobalId, newId } from '../../src/ids.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { changedTables, digest } from '../support/digest.js';
import { type IdArgument, idArguments, idAt, withId } from '../support/id-arguments.js';
import {
  documentOf,
  inputFieldsOf,
  mutate,
  outcomeOf,
  type Sample,
  type Stage,
  sampleOf,
} from '../support/mutations.js';
import { api, nodeTypes, rootSingles } from '../support/schema-walk.js';
import { makeTwoTenants, markOf, type TwoTenants } from '../support/two-tenants.js';
import { until } from '../support/until.js';
import { watch } from '../support/watch.js';

let world: TestApp;
let made: TwoTenants;
let stage: Stage;
let member: Client;
/** An administrator's token that is for one project. */
let confined: Client;

const projectOf = (tenant: 'a' | 'b') => theOne(tenant, 'Project');
const typeOf = (id: string): string => decodeGlobalId(id)?.type ?? '';
function theOne(tenant: string, type: string): string | undefined {
  return [...made.owners].find(([id, owner]) => owner === tenant && typeOf(id) === type)?.[0];
}

beforeAll(async () => {
  world = await createTestApp();
  made = await makeTwoTenants(world);
  const { seed, data } = world;
  const id = projectOf('a') ?? '';
  const uuid = decodeGlobalId(id)?.id ?? '';
  const group = await data.db.securityGroup.findFirstOrThrow({
    where: { projectId: uuid, name: 'default' },
  });
  const cluster = await seed.cluster();
  const client = (name: string) =>
    made.viewers.find((viewer) => viewer.name === name)?.client ?? expect.fail(name);
  member = client('operator-of-a');
  stage = {
    world,
    admin: client('admin'),
    project: { id, uuid, name: markOf('a'), groupUuid: group.id },
    cluster,
    node: await seed.node(cluster),
  };
  const { id: adminId } = await data.db.user.findUniqueOrThrow({ where: { username: 'admin' } });
  const owner = { uuid: adminId, id: encodeGlobalId('User', adminId), name: 'admin' };
  confined = world.withToken((await seed.apiToken(owner, { projectIds: [uuid] })).token);
});
afterAll(() => world.stop());

/** Of these nobody's are hidden: they are infrastructure, which all share. */
const SHARED = ['Cluster', 'HypervisorNode'];

/** What the id is of, where the sample does not say. */
const TYPES: Readonly<Record<string, string>> = {
  imageId: 'Image',
  networkId: 'VirtualNetwork',
  poolId: 'StoragePool',
  projectId: 'Project',
  projectIds: 'Project',
  remoteGroupId: 'SecurityGroup',
  securityGroupIds: 'SecurityGroup',
  snapshotId: 'VirtualMachineSnapshot',
  sourceId: 'VirtualMachine',
  storagePoolId: 'StoragePool',
  storagePoolIds: 'StoragePool',
  taskId: 'Task',
  virtualMachineId: 'VirtualMachine',
  volumeId: 'Volume',
  clusterId: 'Cluster',
  excludedNodeIds: 'HypervisorNode',
  requiredNodeIds: 'HypervisorNode',
  nodeIds: 'HypervisorNode',
  nodeId: 'HypervisorNode',
  targetNodeId: 'HypervisorNode',
};

/** Where the sample does not lead to the id: what it has to be given beside, or instead. */
const BESIDE: Readonly<Record<string, () => Promise<object>>> = {
  'Mutation.createVirtualMachine(input.newDisks.source.imageId)': () => newDisk({}),
  'Mutation.createVirtualMachine(input.newDisks.source.snapshotId)': () =>
    newDisk({ volumeId: theOne('a', 'Volume') }),
  'Mutation.createVirtualMachine(input.newDisks.source.volumeId)': () => newDisk({}),
  'Mutation.createVolume(input.source.snapshotId)': async () => ({
    source: { volumeId: theOne('a', 'Volume') },
  }),
  'Mutation.createVolume(input.source.volumeId)': async () => ({ source: {} }),
  'Mutation.publishImage(input.projectId)': async () => ({ everybody: undefined }),
  'Mutation.reportNode(input.jobs.result.volumes.volumeId)': async () => ({
    jobs: [{ taskId: theOne('a', 'Task'), status: 'DONE' }],
  }),
};
async function newDisk(source: object) {
  const storagePoolId = theOne('everyone', 'StoragePool');
  return { newDisks: [{ name: 'data', storagePoolId, source }] };
}

/**
 * What is answered otherwise than with NOT_FOUND, to a member and to the token: the id decides nothing there. Whoever may not do it
 * at all hears that first, and what is not there is removed already.
 */
const OTHERWISE: Readonly<Record<string, readonly string[]>> = {
  'Mutation.createApiToken(input.projectIds)': ['NOT_FOUND', 'FORBIDDEN'],
  'Mutation.detachCdrom(input.imageId)': ['DetachCdromPayload', 'DetachCdromPayload'],
  'Mutation.raiseAlert(input.sourceId)': ['FORBIDDEN', 'FORBIDDEN'],
  'Mutation.removeProjectMember(input.userId)': ['FORBIDDEN', 'NOT_FOUND'],
  // Agents alone report, and belong to no project.
  'Mutation.reportNode(input.jobs.result.volumes.volumeId)': ['FORBIDDEN', 'FORBIDDEN'],
  'Mutation.reportNode(input.jobs.taskId)': ['FORBIDDEN', 'FORBIDDEN'],
  'Mutation.reportNode(input.virtualMachines.virtualMachineId)': ['FORBIDDEN', 'FORBIDDEN'],
  'Mutation.setProjectMember(input.userId)': ['FORBIDDEN', 'NOT_FOUND'],
  'Mutation.unpublishImage(input.projectId)': ['UnpublishImagePayload', 'UnpublishImagePayload'],
};

const nameOf = (answer: Record<string, unknown> | undefined): string =>
  String(outcomeOf(answer as never)?.code ?? answer?.__typename);

/** An object of the other project, or of whom nobody else knows. */
function foreignOf(type: string): string | undefined {
  const owners = ['b', 'self:operator-of-b', 'admins'];
  return owners.map((owner) => theOne(owner, type)).find((id) => id !== undefined);
}

interface Case {
  readonly argument: IdArgument;
  readonly type: string;
  readonly given: Readonly<Record<string, unknown>>;
}

async function mutationCases(): Promise<Case[]> {
  const samples = new Map<string, Sample>();
  const cases: Case[] = [];
  for (const argument of idArguments.filter(({ root }) => root === 'Mutation')) {
    const { field, path, name } = argument;
    const sample = samples.get(field) ?? (await sampleOf(field, stage));
    samples.set(field, sample);
    const last = path.at(-1) ?? '';
    const at = idAt({ input: sample.input }, path);
    const type = last !== 'sourceId' && at ? typeOf(at) : (TYPES[last] ?? '');
    const given = { input: { ...sample.input, ...(await BESIDE[name]?.()) } };
    cases.push({ argument, type, given });
  }
  return cases;
}

it('every argument of a mutation that takes an id takes one of another project for one that never was', async () => {
  const cases = await mutationCases();
  expect(cases.filter(({ type }) => !nodeTypes.includes(type)).map((c) => c.argument.name)).toEqual(
    [],
  );
  const session = await world.data.db.session.findFirstOrThrow({
    where: { user: { username: 'operator-of-b' } },
  });
  const before = await digest(world.data);
  const wrong: unknown[] = [];
  const otherwise: Record<string, string[]> = {};
  for (const { argument, type, given } of cases) {
    if (SHARED.includes(type)) continue;
    const foreign = type === 'Session' ? encodeGlobalId(type, session.id) : foreignOf(type);
    if (!foreign) expect.fail(`the other project has no ${type}`);
    const document = documentOf(argument.field);
    const ask = async (client: Client, id: string, dryRun: boolean) => {
      const { input } = withId(given, argument, id);
      const { data, errors } = await client.answer<{ answer: object }, unknown>(document, {
        input: { ...(input as object), ...(dryRun ? { dryRun } : {}) },
      });
      const text = JSON.stringify([data, errors])
        .replaceAll(id, 'the id')
        .replace(/"planToken":"[^"]*"/, '"planToken":"..."'); // of this very input
      return { text, name: nameOf(data?.answer as never) };
    };
    // The token asks what would be: a dry run must say no more than the call itself.
    const dry = inputFieldsOf(argument.field).includes('dryRun');
    const clients = [
      [member, false],
      [confined, dry],
    ] as const;
    const names = [];
    for (const [client, dryRun] of clients) {
      const absent = await ask(client, encodeGlobalId(type, newId()), dryRun);
      const hidden = await ask(client, foreign, dryRun);
      names.push(absent.name);
      if (hidden.text !== absent.text || hidden.text.includes(markOf('b')))
        wrong.push([argument.name, hidden.text, absent.text]);
    }
    if (names.some((name) => name !== 'NOT_FOUND')) otherwise[argument.name] = names;
  }
  expect(wrong).toEqual([]);
  expect(otherwise).toEqual(OTHERWISE);
  // Refusals are told in the audit, and that the token was used is noted.
  const written = changedTables(before, await digest(world.data));
  expect(written.filter((table) => !['audit_log', 'api_tokens'].includes(table))).toEqual([]);
}, 120_000);

/** A call for each other field that takes an id and is no plain `field(id)`: those are in tenancy.test.ts. */
const CALLS: Readonly<Record<string, string>> = {
  changes:
    'query ($projectId: ID) { changes(projectId: $projectId) { ... on ChangesPage { hasMore changes { id } } } }',
  explainPlacement:
    'query ($input: ExplainPlacementInput!) { explainPlacement(input: $input) { verdicts { nodeId fits reasons } } }',
  planMaintenance: '',
  waitForTask: 'query ($id: ID!) { waitForTask(id: $id, timeoutMs: 1) { id } }',
};

/** Where a machine fits, its images and networks do not decide: they are not looked up. */
const MUTE = ['cdroms.imageId', 'nics.networkId', 'nics.securityGroupIds'].map(
  (path) => `Query.explainPlacement(input.spec.${path})`,
);

it('so does every query with one among its arguments', async () => {
  const singles = rootSingles.map(({ field }) => field);
  const rest = idArguments.filter((a) => a.root === 'Query' && !singles.includes(a.field));
  expect([...new Set(rest.map(({ field }) => field))].sort()).toEqual(Object.keys(CALLS));
  const spec = { cpu: { cores: 1 }, memory: { sizeMib: 512 } };
  const wrong: unknown[] = [];
  for (const argument of rest) {
    const last = argument.path.at(-1) ?? '';
    const type = last === 'id' ? 'Task' : (TYPES[last] ?? expect.fail(argument.name));
    if (SHARED.includes(type)) continue;
    const existing = last === 'virtualMachineId' || last === 'projectId';
    const input = existing ? {} : { projectId: theOne('a', 'Project') };
    const given = { input: last === 'virtualMachineId' ? {} : { ...input, spec } };
    const ask = async (client: Client, id: string) => {
      const variables = withId(given, argument, id);
      const { data, errors } = await client.answer(CALLS[argument.field] ?? '', variables);
      return JSON.stringify([data, errors.map(({ message }) => message)]).replaceAll(id, 'the id');
    };
    for (const client of [member, confined]) {
      const absent = await ask(client, encodeGlobalId(type, newId()));
      const hidden = await ask(client, foreignOf(type) ?? '');
      if (hidden !== absent || hidden.includes(markOf('b'))) wrong.push([argument.name, hidden, absent]); // biome-ignore format: one line
      // What the caller gets of its own is another answer: the id is looked at.
      if (hidden === (await ask(client, theOne('a', type) ?? '')) && !MUTE.includes(argument.name))
        wrong.push([argument.name, 'is not looked at', hidden]);
    }
  }
  expect(wrong).toEqual([]);
});

const STREAMS: Readonly<Record<string, string>> = {
  changes:
    'subscription ($projectId: ID) { changes(projectId: $projectId) { ... on ObjectChange { id actor object { id } } } }',
  nodeMetrics: '',
  taskChanged: 'subscription ($id: ID!) { taskChanged(id: $id) { id task { id createdByName } } }',
  virtualMachineChanged:
    'subscription ($id: ID, $projectId: ID) { virtualMachineChanged(id: $id, projectId: $projectId) { id virtualMachine { id name } } }',
};
const follow = (client: Client, field: string, variables: object) =>
  watch<object, object>(client, (STREAMS[field] ?? '') as never, variables);

it('and every subscription', async () => {
  const live = idArguments.filter(({ root }) => root === 'Subscription');
  expect(Object.keys(api.getSubscriptionType()?.getFields() ?? {}).sort()).toEqual(
    Object.keys(STREAMS),
  );
  for (const argument of live) {
    const [name = ''] = argument.path;
    const type = { changes: 'Project', taskChanged: 'Task', virtualMachineChanged: 'VirtualMachine' }[argument.field]; // biome-ignore format: a table
    const of = name === 'projectId' ? 'Project' : type;
    if (!of) continue; // nodes, which all share
    const ask = async (client: Client, id: string) => {
      const events = await follow(client, argument.field, { [name]: id });
      return JSON.stringify(await events.event()).replaceAll(id, 'the id');
    };
    for (const client of [member, confined]) {
      const absent = await ask(client, encodeGlobalId(of, newId()));
      expect([argument.name, await ask(client, foreignOf(of) ?? '')]).toEqual([argument.name, absent]); // biome-ignore format: one line
      expect(absent).toContain('NOT_FOUND');
    }
  }
});

it('what happens in the other project is told to nobody in this one, who hears of their own', async () => {
  const everything = await follow(member, 'changes', {});
  const machines = await follow(member, 'virtualMachineChanged', {
    projectId: theOne('a', 'Project'),
  });
  const heard = [JSON.stringify(await machines.event())];
  let count = 0;
  const change = (tenant: 'a' | 'b') =>
    mutate(stage.admin, 'labelVirtualMachine', {
      id: theOne(tenant, 'VirtualMachine') ?? '',
      set: { by: `${markOf(tenant)}-${++count}` },
    });
  await until('it follows', async () => {
    const { values } = await world.app.services.metrics.subscribers.get();
    return values.reduce((sum, { value }) => sum + value, 0) >= 2;
  });
  for (const tenant of ['b', 'a', 'b', 'a'] as const)
    expect((await change(tenant)).__typename).toMatch(/Payload$/);
  for (const events of [everything, machines])
    for (let n = 0; n < 2; n += 1) heard.push(JSON.stringify(await events.event()));
  const text = heard.join();
  expect(text).toContain(theOne('a', 'VirtualMachine'));
  const foreign = [...made.owners].filter(([, owner]) => owner === 'b').map(([id]) => id);
  expect(foreign.filter((id) => text.includes(id))).toEqual([]);
  expect(text).not.toContain(markOf('b'));
  for (const events of [everything, machines]) events.hangUp();
});
