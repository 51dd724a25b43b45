/** What objects say the caller may do, and what the gate then answers, are the same, for every kind of caller; nobody gets anything. */
import { isNonNullType } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Permission } from '../../src/core/authz.js';
import { viewerCanFields } from '../../src/graphql/viewer-can.js';
import { encodeGlobalId, newId } from '../../src/ids.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { mutate } from '../support/mutations.js';
import { api } from '../support/schema-walk.js';
import type { Made } from '../support/seed.js';

/** For each field a mutation that asks for the same; with `dryRun`, so that nothing is used up. */
const ASKS: Readonly<Record<string, readonly [mutation: string, input?: object]>> = {
  'Alert.viewerCanUpdate': ['acknowledgeAlert'],
  'Cluster.viewerCanDelete': ['deleteCluster'],
  'Cluster.viewerCanUpdate': ['updateCluster'],
  'HypervisorNode.viewerCanDelete': ['deleteHypervisorNode'],
  'HypervisorNode.viewerCanUpdate': ['cordonHypervisorNode'],
  'Image.viewerCanDelete': ['deleteImage'],
  'Image.viewerCanUpdate': ['updateImage'],
  'Project.viewerCanDelete': ['deleteProject'],
  'Project.viewerCanUpdate': ['updateProject'],
  'SecurityGroup.viewerCanDelete': ['deleteSecurityGroup'],
  'SecurityGroup.viewerCanUpdate': ['updateSecurityGroup'],
  'StoragePool.viewerCanDelete': ['deleteStoragePool'],
  'StoragePool.viewerCanUpdate': ['updateStoragePool'],
  'VirtualMachine.viewerCanDelete': ['deleteVirtualMachine'],
  'VirtualMachine.viewerCanMigrate': ['migrateVirtualMachine'],
  'VirtualMachine.viewerCanPower': ['startVirtualMachine'],
  'VirtualMachine.viewerCanUpdate': ['updateVirtualMachine'],
  'VirtualNetwork.viewerCanDelete': ['deleteVirtualNetwork'],
  'VirtualNetwork.viewerCanUpdate': ['updateVirtualNetwork'],
  'Volume.viewerCanDelete': ['deleteVolume'],
  'Volume.viewerCanUpdate': ['updateVolume'],
};

let world: TestApp;
const objects: Record<string, Made[]> = {};
const callers: Record<string, Client> = {};
beforeAll(async () => {
  world = await createTestApp();
  const { seed } = world;
  const cluster = await seed.cluster();
  const node = await seed.node(cluster);
  const project = await seed.project();
  const projectId = project.uuid;
  const pool = await seed.pool({ projectId });
  Object.assign(objects, {
    Alert: [await seed.alert(), await seed.alert({ projectId })],
    Cluster: [cluster],
    HypervisorNode: [node],
    Image: [await seed.image(), await seed.image({ projectId, poolId: pool.uuid })],
    Project: [project],
    SecurityGroup: [await seed.group(project)],
    StoragePool: [await seed.pool(), pool],
    VirtualMachine: [await seed.vm(project, { cluster })],
    VirtualNetwork: [await seed.network(), await seed.network({ projectId })],
    Volume: [await seed.volume(project, pool)],
  });
  // Tokens instead of sessions: a password costs more than all the rest of this file.
  const admin = await seed.user('ADMIN');
  const member = (role: 'OPERATOR' | 'VIEWER', inProject: 'OPERATOR' | 'VIEWER') =>
    seed.user(role, { projects: { [projectId]: inProject } });
  const operator = await member('OPERATOR', 'OPERATOR');
  const people = {
    admin,
    operator,
    observer: await member('OPERATOR', 'VIEWER'),
    viewer: await member('VIEWER', 'OPERATOR'),
  };
  for (const [name, user] of Object.entries(people))
    callers[name] = world.withToken((await seed.apiToken(user)).token);
  const READS = [
    'vm',
    'node',
    'cluster',
    'storage',
    'network',
    'security',
    'image',
    'project',
    'alert',
  ];
  const scopes = [...READS.map((noun) => `${noun}:read`), 'vm:power'];
  callers['operator’s token for power'] = world.withToken(
    (await seed.apiToken(operator, { scopes })).token,
  );
  const projectIds = [projectId];
  callers['admin’s token for a project'] = world.withToken(
    (await seed.apiToken(admin, { projectIds })).token,
  );
});
afterAll(() => world.stop());

describe.each(Object.keys(ASKS))('%s', (field) => {
  it('says what the gate does', async () => {
    const [type = '', name = ''] = field.split('.');
    const [mutation] = ASKS[field] ?? expect.fail();
    const answers = new Set<boolean>();
    for (const { id } of objects[type] ?? expect.fail(`there is no ${type}`)) {
      for (const [caller, client] of Object.entries(callers)) {
        const { data, errors } = await client.answer<{ node: { can: boolean } | null }, unknown>(
          `query($id: ID!) { node(id: $id) { ... on ${type} { can: ${name} } } }`,
          { id },
        );
        expect(errors).toEqual([]);
        const can = data?.node?.can ?? expect.fail(`${caller} does not see it`);
        const answer = await mutate(client, mutation, { id, dryRun: true });
        expect([caller, can]).toEqual([caller, answer.__typename !== 'ForbiddenError']);
        answers.add(can);
      }
    }
    expect(answers.size, 'it depends on the caller').toBe(2);
  });
});

it('costs no statement more than the object', async () => {
  const [vm] = objects.VirtualMachine ?? [];
  const fields = [...(viewerCanFields().get('VirtualMachine')?.keys() ?? [])].join(' ');
  const ask = (selection: string) =>
    world.statementsOf(() =>
      (callers.operator as Client).answer(
        `{ node(id: "${vm?.id}") { ... on VirtualMachine { ${selection} } } }`,
      ),
    );
  expect((await ask(`name ${fields}`)).length).toBeLessThanOrEqual((await ask('name')).length);
});

it('each field asks for a permission that there is, and says so', () => {
  for (const [type, fields] of viewerCanFields()) {
    const declared = (
      api.getType(type) as { getFields(): Record<string, { description?: string; type: unknown }> }
    ).getFields();
    for (const [name, permission] of fields as ReadonlyMap<string, Permission>) {
      expect(declared[name]?.description).toContain(permission);
      expect(isNonNullType(declared[name]?.type)).toBe(true);
    }
  }
});

describe('without a token', () => {
  /** Its version is for everybody. Mutations: test/api/write-gate-access.test.ts, "by nobody". */
  const OPEN = new Set(['server']);
  const roots = [api.getQueryType(), api.getSubscriptionType()].flatMap((type) =>
    Object.values(type?.getFields() ?? {}).map((field) => ({
      operation: type?.name.toLowerCase(),
      field,
    })),
  );

  it.each(roots.filter(({ field }) => !OPEN.has(field.name)))(
    '$operation $field.name is refused',
    async ({ operation, field }) => {
      // Arguments are variables that a document may leave to a value: every one is null or a word, for nobody gets as far.
      const given = field.args.filter(({ type }) => isNonNullType(type));
      const variables = given.map(({ name, type }) => `$${name}: ${type}`).join(', ');
      const inputs = given.map(({ name }) => `${name}: $${name}`).join(', ');
      const head = variables ? `(${variables})` : '';
      const text = `${operation} X${head} { x: ${field.name}${inputs && `(${inputs})`} { __typename } }`;
      const leaf = text.replace(' { __typename }', '');
      const values = Object.fromEntries(given.map(({ name }) => [name, wordFor(name)]));
      const first = await world.anonymous.answer(text, values);
      const isLeaf = first.errors[0]?.extensions.code === 'GRAPHQL_VALIDATION_FAILED';
      const { data, errors } = isLeaf ? await world.anonymous.answer(leaf, values) : first;
      expect(errors.map((e) => e.extensions.code)).toEqual(['UNAUTHENTICATED']);
      expect((data as { x: unknown } | null)?.x ?? null).toBeNull();
    },
  );
});

const SOMETHING = encodeGlobalId('User', newId());
const wordFor = (name: string): unknown =>
  name === 'input' ? {} : name.endsWith('s') ? [] : SOMETHING;
