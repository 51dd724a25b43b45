/** What the graph says is what the database says: every column of every object, and every relation from both its ends. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEMO_USERS, hashDemoPasswords, seedDemo } from '../../src/cli/demo/seed.js';
import { allEntities, delegateOf } from '../../src/core/entity.js';
import { toJson } from '../../src/core/json.js';
import { decodeGlobalId, encodeGlobalId } from '../../src/ids.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { isId, leaves, nodeTypes, type Relation, toMany, toOne } from '../support/schema-walk.js';
import { idsIn, referencesOf, TO_MANY, TO_ONE } from '../support/tables.js';

type Node = { readonly id: string } & Readonly<Record<string, unknown>>;
interface Nested {
  readonly totalCount: number;
  readonly nodes: readonly Node[];
}
/** Everything that a viewer reads of one object: `own` without what hangs on it. */
interface Read {
  readonly whole: Node;
  readonly own: Node;
}

let world: TestApp;
/** By user name, then by public id. */
const read: Record<string, ReadonlyMap<string, Read>> = {};
beforeAll(async () => {
  world = await createTestApp();
  await seedDemo(world.data, { now: new Date(), hashes: await hashDemoPasswords() });
  await addWhatTheDemoLacks();
  // all before the first reads: signing in changes what is read
  const clients = new Map<string, Client>();
  for (const { username, password } of DEMO_USERS) {
    clients.set(username, world.withToken(await world.anonymous.login(username, password)));
  }
  for (const [username, client] of clients) read[username] = await readAll(client);
});
afterAll(() => world.stop());

/** Tasks, a pool of one project, and references from one project to another, which the demo is too well kept to have. */
async function addWhatTheDemoLacks(): Promise<void> {
  const { data, seed } = world;
  const made = (type: string, row: { id: string; name: string }) => ({
    uuid: row.id,
    id: encodeGlobalId(type, row.id),
    name: row.name,
  });
  const machines = await data.db.virtualMachine.findMany({ include: { project: true } });
  const [user] = await data.db.user.findMany({ take: 1 });
  const [volume] = await data.db.volume.findMany({ take: 1, orderBy: { id: 'desc' } });
  const [image] = await data.db.image.findMany({ take: 1, orderBy: { id: 'asc' } });
  const [pool] = await data.db.storagePool.findMany({ take: 1 });
  const about = {
    volumeId: volume?.id ?? null,
    imageId: image?.id ?? null,
    poolId: pool?.id ?? null,
  };
  for (const [i, machine] of machines.entries()) {
    const vm = made('VirtualMachine', machine);
    const project = made('Project', machine.project);
    const origin = {
      nodeId: machine.nodeId,
      createdById: user?.id ?? null,
    };
    const failure = { status: 'FAILED', errorCode: 'NO_SPACE', errorMessage: 'full' } as const;
    const target = { targetNodeId: machine.nodeId };
    await seed.task(
      project,
      vm,
      i % 2 ? { ...origin, ...failure, ...target } : { ...origin, ...about },
    );
    if (i % 3 === 0)
      await seed.task(project, vm, {
        ...origin,
        status: 'RUNNING',
        startedAt: new Date(),
        finishedAt: null,
      });
  }
  const [first, second] = await data.db.volume.findMany({ take: 2 });
  await data.db.volume.updateMany({
    where: { id: first?.id ?? '' },
    data: { parentId: second?.id ?? null },
  });
  const snapshot = await data.db.vmSnapshot.findFirstOrThrow();
  await data.db.virtualMachine.update({
    where: { id: snapshot.virtualMachineId },
    data: { currentSnapshotId: snapshot.id },
  });
  const [one, other] = await data.db.securityGroup.findMany({
    where: { isDefault: true },
    distinct: ['projectId'],
    orderBy: { id: 'desc' },
  });
  if (!one || !other) return expect.fail('the demo has two projects');
  await seed.pool({ projectId: one.projectId });
  const node = await data.db.node.findFirstOrThrow();
  const cluster = await data.db.cluster.findFirstOrThrow();
  const owner = { uuid: user?.id ?? '', id: '', name: '' };
  await seed.apiToken(owner);
  await seed.apiToken(owner, { userId: null, nodeId: node.id, scopes: [] });
  await seed.enrolmentToken(made('Cluster', cluster), { createdById: owner.uuid });
  await seed.rule({ uuid: one.id }, { remoteGroupId: other.id });
  await seed.rule({ uuid: other.id }, { remoteGroupId: one.id });
}

const typeOf = (id: string): string => decodeGlobalId(id)?.type ?? '';

async function readOne(client: Client, id: string, selection: string): Promise<Node | null> {
  const query = `query($id: ID!) { node(id: $id) { id ... on ${typeOf(id)} { ${selection} } } }`;
  const { data, errors } = await client.answer<{ node: Node | null }, unknown>(query, { id });
  expect(errors).toEqual([]);
  return data?.node ?? null;
}

/** Every object that the viewer sees, with everything at the other ends of its relations. */
async function readAll(client: Client): Promise<Map<string, Read>> {
  const found = new Map<string, Read>();
  for (const type of nodeTypes) {
    const one = toOne(type).map((r) => `${r.field} { ${leaves(r.type)} }`);
    const many = toMany(type).map(
      (r) => `${r.field}(first: 200) { totalCount nodes { ${leaves(r.type)} } }`,
    );
    for (const id of await idsIn(world.data, type)) {
      const own = await readOne(client, id, leaves(type));
      const whole = await readOne(client, id, ['id', ...one, ...many].join(' '));
      expect(own === null).toBe(whole === null);
      if (own && whole) found.set(id, { own, whole });
    }
  }
  return found;
}

const rowsOf = (username: string) => read[username] ?? new Map<string, Read>();
const users = DEMO_USERS.map(({ username }) => username);
const relations = (of: (type: string) => Relation[]) =>
  nodeTypes.flatMap((on) =>
    of(on).map(({ field, type }) => ({ name: `${on}.${field}`, on, field, type })),
  );
/** Found by what is going on, not by a reference: see below. */
const CURRENT_TASK = 'VirtualMachine.currentTask';

it('every relation of the schema is compared with the database here', () => {
  const names = (of: (type: string) => Relation[]) => relations(of).map(({ name }) => name);
  expect(names(toOne).sort()).toEqual([...Object.keys(TO_ONE), CURRENT_TASK].sort());
  expect(names(toMany).sort()).toEqual(Object.keys(TO_MANY).sort());
});

it('the three users see all, some, and other parts of it', () => {
  const sizes = users.map((username) => rowsOf(username).size);
  expect(new Set(sizes).size).toBe(3);
  expect(Math.min(...sizes)).toBeGreaterThan(20);
});

describe.each(users)('read by the %s', (username) => {
  it.each(relations(toOne).filter(({ name }) => name !== CURRENT_TASK))(
    '$name is what the row refers to, or null where that is hidden',
    async ({ name, field, type }) => {
      const rows = rowsOf(username);
      for (const { from, to } of await referencesOf(world.data, name, type)) {
        const row = rows.get(from);
        if (!row) continue;
        const expected = to === null ? null : (rows.get(to)?.own ?? null);
        expect([from, row.whole[field]]).toEqual([from, expected]);
      }
    },
  );

  it.each(relations(toMany))(
    '$name is all that refers to the object and is not hidden',
    async ({ name, on, field }) => {
      const rows = rowsOf(username);
      const back = TO_MANY[name] ?? '';
      const references = await referencesOf(world.data, back, on);
      for (const [id, { whole }] of rows) {
        if (typeOf(id) !== on) continue;
        const expected = references
          .filter((r) => r.to === id && rows.has(r.from))
          .map((r) => r.from);
        const list = whole[field] as Nested;
        expect([id, list.totalCount]).toEqual([id, expected.length]);
        expect(list.nodes.map((node) => node.id).sort()).toEqual(expected.sort());
        for (const node of list.nodes) expect(node).toEqual(rows.get(node.id)?.own);
      }
    },
  );

  it('the current task of a machine is the one that has not ended', async () => {
    const unfinished = await world.data.db.task.findMany({
      where: { status: { in: ['PENDING', 'RUNNING'] } },
    });
    const current = new Map(unfinished.map((task) => [task.virtualMachineId, task.id]));
    expect(current.size).toBeGreaterThan(3);
    for (const [id, { whole }] of rowsOf(username)) {
      if (typeOf(id) !== 'VirtualMachine') continue;
      const task = whole.currentTask as Node | null;
      const expected = current.get(decodeGlobalId(id)?.id ?? '') ?? null;
      expect([id, task && decodeGlobalId(task.id)?.id]).toEqual([id, expected]);
      if (task) expect(task).toEqual(rowsOf(username).get(task.id)?.own);
    }
  });
});

it('relations are tried where they lead somewhere, where to nothing, and where to what is hidden', async () => {
  const led = { somewhere: 0, nowhere: 0, hidden: 0 };
  for (const { name, type } of relations(toOne)) {
    if (name === CURRENT_TASK) continue;
    const references = await referencesOf(world.data, name, type);
    expect([name, references.some(({ to }) => to !== null)]).toEqual([name, true]);
    const rows = rowsOf('viewer');
    for (const { from, to } of references) {
      if (!rows.has(from)) continue;
      led[to === null ? 'nowhere' : rows.has(to) ? 'somewhere' : 'hidden'] += 1;
    }
  }
  expect(Math.min(...Object.values(led))).toBeGreaterThan(10);
});

type Row = Readonly<Record<string, unknown>> & { id: string };

/** Columns that have another name in the API, or are a part of something there. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'ApiToken.scopes': 'permissions',
  'DrsRecommendation.estimatedDuration': 'estimatedDurationSeconds',
  'Project.usedVirtualMachines': 'quota',
  'Project.usedVcpus': 'quota',
  'Project.usedMemoryMib': 'quota',
  'Project.usedStorageGib': 'quota',
  'Project.usedVolumes': 'quota',
  'Project.usedSnapshots': 'quota',
  'Task.errorCode': 'error',
  'Task.errorMessage': 'error',
  'Task.resourceType': 'resourceId',
  'Task.resultType': 'resultId',
  'VirtualMachine.guestAgent': 'guestAgentRunning',
  'VirtualMachineSnapshot.vmState': 'powerState',
};
/** Columns that are the control plane's own business. */
const INTERNAL = [
  'ApiToken.tokenHash',
  'AuditEntry.seenAfter',
  'AuditEntry.seenBefore',
  'AuditEntry.seq',
  'AuditEntry.txId',
  'EnrolmentToken.tokenHash',
  'HypervisorNode.agentInstance',
  'HypervisorNode.reportSequence',
  'Task.generation',
  'User.passwordHash',
  'VirtualMachine.capacityClaimed',
  'VirtualMachineSnapshot.discardAfterTaskId',
];
/** Fields that say something else than the column of their name: typed JSON (see typed-json.test.ts), and what is made of several columns. */
const MADE = [
  'Alert.sourceId',
  'ApiToken.projectIds',
  'AuditEntry.resourceId',
  'HypervisorNode.allocatable',
  'HypervisorNode.allocated',
  'HypervisorNode.conditions',
  'HypervisorNode.phase',
  'HypervisorNode.spec',
  'HypervisorNode.systemInfo',
  'Project.quota',
  'StoragePool.spec',
  'Task.details',
  'VirtualMachine.resources',
  'VirtualMachine.spec',
  'Volume.spec',
];

/** Whether the field `createdById` of a row is the column `created_by`, and so on. */
const isColumn = (field: string, column: string): boolean => {
  const name = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return [name, name.replace(/_id$/, ''), name.replace('virtual_machine', 'vm')].includes(column);
};

/** A public id, several or none, as the database keeps them. */
const uuidsOf = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(uuidsOf)
    : typeof value === 'string'
      ? decodeGlobalId(value)?.id
      : value;

describe('columns', () => {
  const entities = nodeTypes.map((type) => {
    const entity = allEntities().find((one) => one.type === type);
    return entity ?? expect.fail(`${type} is no entity`);
  });
  const rowsIn = async (model: (typeof entities)[number]['model']) =>
    (await delegateOf(world.data.db, model).findMany({})) as Row[];

  it.each(entities)('of $type are shown as they are', async ({ type, model }) => {
    const rows = await rowsIn(model);
    expect(rows.length).toBeGreaterThan(0);
    const compared = new Set<string>();
    for (const row of rows) {
      const own = rowsOf('admin').get(encodeGlobalId(type, row.id))?.own ?? expect.fail(row.id);
      for (const [column, value] of Object.entries(row)) {
        if (!(column in own) || MADE.includes(`${type}.${column}`)) continue;
        compared.add(column);
        const shown = isId(type, column) ? uuidsOf(own[column]) : own[column];
        expect([row.id, column, shown]).toEqual([row.id, column, toJson(value)]);
      }
    }
    expect(compared.size).toBeGreaterThan(4);
  });

  it('are all shown, lead to a relation, or are the business of nobody else', async () => {
    const left: string[] = [];
    for (const { type, model } of entities) {
      const [row] = await rowsIn(model);
      const shown = new Set(
        Object.keys(rowsOf('admin').get(encodeGlobalId(type, row?.id ?? ''))?.own ?? {}),
      );
      const keys = Object.entries(TO_ONE).filter(([name]) => name.startsWith(`${type}.`));
      const references = (column: string) => keys.some(([, key]) => isColumn(column, key));
      for (const column of Object.keys(row ?? {})) {
        const elsewhere = ELSEWHERE[`${type}.${column}`];
        if (shown.has(column) || (elsewhere && shown.has(elsewhere)) || references(column))
          continue;
        left.push(`${type}.${column}`);
      }
    }
    expect(left.sort()).toEqual(INTERNAL);
  });
});
