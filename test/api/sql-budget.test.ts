/** What a read costs: one SQL statement for a page or an object with all that hangs on it, one more for `totalCount`. Generated from the schema. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { graphql } from '../gen/gql.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { nestedListFields } from '../support/list-walk.js';
import { type Populated, populate } from '../support/populate.js';
import {
  leaves,
  nodeTypes,
  rootLists,
  rootSingles,
  toMany,
  toOne,
} from '../support/schema-walk.js';

const MachineScreen = graphql(`
  query SqlBudgetMachineScreen {
    virtualMachines(first: 50, filter: { project: { isNull: false } }) {
      nodes {
        id
        name
        powerState
        labels
        spec { cpu { cores } memory { sizeMib } disks { name volumeId } }
        hypervisorNode { hostname phase cluster { name } }
        cluster { name }
        project { name quota { resource limit used } }
        createdBy { username }
        volumes(first: 10) { totalCount nodes { name sizeBytes pool { name } } }
        snapshots(first: 3) { nodes { name parent { name } } }
        currentTask { operation progressPercent createdBy { username } }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
`);

let world: TestApp;
let made: Populated;
const clients: Record<string, Client> = {};
beforeAll(async () => {
  world = await createTestApp({ config: { cache: { enabled: 'off' } } });
  made = await populate(world.data);
  const { seed } = world;
  await seed.user('ADMIN', { username: 'zoe' });
  await seed.user('VIEWER', { username: 'mia' });
  const members = await world.data.db.project.findMany({ take: 7, orderBy: { name: 'asc' } });
  const mia = await world.data.db.user.findFirstOrThrow({ where: { username: 'mia' } });
  await world.data.db.projectMember.createMany({
    data: members.map(({ id }) => ({ projectId: id, userId: mia.id })),
  });
  clients.administrator = await world.signIn('zoe');
  clients.member = await world.signIn('mia');
});
afterAll(() => world.stop());

/** The statements of a query alone: who asks is looked up before. */
async function statements(who: string, query: string, variables: object = {}) {
  const client = clients[who] ?? expect.fail(`nobody is called ${who}`);
  await client.answer('{ viewer { name } }');
  let data: unknown;
  const sql = await world.statementsOf(async () => {
    const answer = await client.answer(query, variables);
    expect(answer.errors).toEqual([]);
    data = answer.data;
  });
  return { sql, data: data as Record<string, unknown> };
}

const ones = (type: string): string =>
  toOne(type)
    .map((relation) => `${relation.field} { ${leaves(relation.type)} }`)
    .join(' ');
/** `currentTask` is read from the relation that `tasks` lists; together they are two, see below. */
const onesBesideTasks = (type: string): string =>
  ones(type).replace(/currentTask \{(?:[^{}]|\{[^{}]*\})*\}/, '');
const lists = (type: string, selection = 'nodes { id } pageInfo { endCursor }'): string =>
  toMany(type)
    .map((relation) => `${relation.field}(first: 3) { ${selection} }`)
    .join(' ');
const deepLists = (type: string): string =>
  toMany(type)
    .map(
      ({ field, type: of }) =>
        `${field}(first: 3) { totalCount nodes { ${leaves(of)} ${ones(of)} } }`,
    )
    .join(' ');

describe.each(['administrator', 'member'])('for the %s', (who) => {
  it.each(rootLists)(
    'a page of $field is one statement, however it is selected',
    async ({ field, type }) => {
      const all = `${leaves(type)} ${onesBesideTasks(type)} ${deepLists(type)}`;
      const variants = [
        'nodes { id }',
        `nodes { ${leaves(type)} ${ones(type)} }`,
        `nodes { ${all} }`,
        `edges { cursor node { ${all} } }`,
        `nodes { ${leaves(type)} } edges { cursor node { id ${onesBesideTasks(type)} } } pageInfo { hasNextPage }`,
        `nodes { ${onesBesideTasks(type)} id } edges { node { ${deepLists(type)} id } }`,
        'pageInfo { hasNextPage hasPreviousPage startCursor endCursor }',
        'edges { cursor }',
      ];
      // What a member may see is one more condition of the same statement: the widest selections show that.
      for (const variant of who === 'member' ? variants.slice(2, 4) : variants) {
        const { sql } = await statements(who, `{ ${field}(first: 5) { ${variant} } }`);
        expect([variant, sql.length]).toEqual([variant, 1]);
      }
      const counted = await statements(
        who,
        `{ ${field}(first: 5) { totalCount nodes { ${all} } } }`,
      );
      expect(counted.sql).toHaveLength(2);
      expect((await statements(who, `{ ${field} { totalCount } }`)).sql).toHaveLength(1);
      expect((await statements(who, `{ ${field} { __typename } }`)).sql).toHaveLength(0);
    },
  );

  it.each(rootLists)('nested lists of $field are cut in SQL, not here', async ({ field, type }) => {
    const { sql } = await statements(who, `{ ${field}(first: 5) { nodes { ${lists(type)} id } } }`);
    expect(sql[0]?.match(/ORDER BY [^()]+ LIMIT \$\d+/g)).toHaveLength(1 + toMany(type).length);
    const counts = await statements(
      who,
      `{ ${field}(first: 5) { nodes { ${lists(type, 'totalCount')} id } } }`,
    );
    expect(counts.sql).toHaveLength(1);
    expect(counts.sql[0]?.match(/COUNT\(\*\)/g) ?? []).toHaveLength(toMany(type).length);
    expect(counts.sql[0]).not.toContain('JSONB_AGG');
  });

  const singles = rootSingles.flatMap(({ field, type }) =>
    (type === 'Node' ? nodeTypes : [type]).map((of) => ({ field, type, of })),
  );
  it.each(singles)(
    '$field of a $of with all that hangs on it is one statement',
    async ({ field, type, of }) => {
      const all = `${leaves(of)} ${onesBesideTasks(of)} ${deepLists(of)}`;
      const selection = type === 'Node' ? `id ... on ${of} { ${all} }` : all;
      const variables = { id: made.ids[of]?.[0] };
      const { sql, data } = await statements(
        who,
        `query($id: ID!) { one: ${field}(id: $id) { ${selection} } }`,
        variables,
      );
      expect(sql).toHaveLength(1);
      if (who === 'administrator') expect(data.one).toMatchObject({ id: made.ids[of]?.[0] });
    },
  );

  it('a filter by references is part of that statement', async () => {
    const filters: Record<string, object> = {
      volumes: { pool: { in: made.ids.StoragePool?.slice(0, 5) } },
      images: {
        and: [{ pool: { eq: made.ids.StoragePool?.[0] } }, { project: { isNull: false } }],
      },
      securityGroups: { project: { in: made.ids.Project?.slice(0, 5) } },
      drsRecommendations: { not: { virtualMachine: { eq: made.ids.VirtualMachine?.[0] } } },
    };
    for (const { field, type } of rootLists.filter((list) => filters[list.field])) {
      const query = `query($filter: ${type}Filter) { ${field}(filter: $filter) { nodes { id } } }`;
      expect((await statements(who, query, { filter: filters[field] })).sql).toHaveLength(1);
    }
  });

  it('a screen of fifty machines with all that is around them is one statement', async () => {
    const { sql, data } = await statements(who, MachineScreen.toString());
    expect(sql).toHaveLength(1);
    expect((data.virtualMachines as { nodes: object[] }).nodes.length).toBeGreaterThan(5);
  });

  it('who is asking, and the server, are hardly any', async () => {
    expect(
      (await statements(who, '{ viewer { name permissions } server { version } }')).sql,
    ).toHaveLength(0);
    expect((await statements(who, `{ viewer { user { ${leaves('User')} } } }`)).sql).toHaveLength(
      1,
    );
  });
});

describe('whether there is more behind a cursor', () => {
  it('costs one statement more, and only where it is selected', async () => {
    const ask = (selection: string, variables: object) =>
      statements(
        'administrator',
        `query($after: String${selection.includes('$inner') ? ', $inner: String' : ''}) {
          projects(first: 3, after: $after) { ${selection} } }`,
        variables,
      );
    const machines = 'virtualMachines(first: 1, after: $inner)';
    const { data } = await ask(
      'pageInfo { startCursor } nodes { virtualMachines { pageInfo { startCursor } } }',
      {},
    );
    const { pageInfo, nodes } = data.projects as {
      pageInfo: { startCursor: string };
      nodes: { virtualMachines: { pageInfo: { startCursor: string } } }[];
    };
    const after = pageInfo.startCursor;
    const inner = nodes.map((node) => node.virtualMachines.pageInfo.startCursor).find(Boolean);
    for (const [selection, count] of [
      ['pageInfo { hasNextPage startCursor endCursor } nodes { id }', 1],
      ['pageInfo { hasNextPage hasPreviousPage } nodes { id }', 2],
      [`nodes { ${machines} { nodes { id } pageInfo { hasNextPage } } }`, 1],
      [`nodes { ${machines} { nodes { id } pageInfo { hasPreviousPage } } }`, 2],
    ] as const) {
      const { sql } = await ask(selection, { after, inner });
      expect([selection, sql.length]).toEqual([selection, count]);
    }
  });
});

describe('one relation asked for twice', () => {
  const variants = [
    'first: 2',
    'last: 3',
    'first: 4, orderBy: { field: CREATED_AT, direction: DESC }',
    'first: 500, filter: { not: { createdAt: { gt: "2027-02-01T00:00:00Z" } } }',
  ];
  const page =
    'totalCount nodes { id createdAt } pageInfo { hasNextPage hasPreviousPage endCursor }';
  const usable = ({ type }: { type: string }) =>
    variants.filter((variant) => type !== 'SecurityRule' || !variant.includes('orderBy'));

  it.each(nestedListFields)('gives each its own answer: $name', async (list) => {
    const { field, on } = list;
    const ask = (selection: string) =>
      statements(
        'administrator',
        `query($id: ID!) { node(id: $id) { ... on ${on} { ${selection} } } }`,
        {
          id: made.ids[on ?? '']?.[0],
        },
      );
    const alone = [];
    for (const args of usable(list)) {
      const { data } = await ask(`list: ${field}(${args}) { ${page} }`);
      alone.push((data.node as { list: object }).list);
    }
    const together = usable(list).map((args, i) => `list${i}: ${field}(${args}) { ${page} }`);
    const { sql, data } = await ask(together.join(' '));
    expect(Object.values(data.node as object)).toEqual(alone);
    // the first in the object's own statement, each of the others in one of its own
    expect(sql).toHaveLength(usable(list).length);
  });

  it('with the same arguments costs nothing more', async () => {
    const { sql, data } = await statements(
      'administrator',
      '{ clusters(first: 3) { nodes { a: nodes(first: 2) { nodes { id } } b: nodes(first: 2) { nodes { hostname id } } } } }',
    );
    expect(sql).toHaveLength(1);
    const { nodes } = data.clusters as { nodes: Record<'a' | 'b', { nodes: { id: string }[] }>[] };
    for (const { a, b } of nodes) {
      expect(b.nodes.map(({ id }) => ({ id }))).toEqual(a.nodes);
    }
  });

  it('costs one statement for a whole page of parents, not one for each', async () => {
    const { sql, data } = await statements(
      'administrator',
      `{ projects(first: 50) { nodes { name
          few: virtualMachines(first: 1) { totalCount nodes { name } }
          running: virtualMachines(filter: { powerState: { eq: RUNNING } }) { totalCount nodes { name powerState } } } } }`,
    );
    expect(sql).toHaveLength(2);
    const { nodes } = data.projects as {
      nodes: Record<'few' | 'running', { totalCount: number; nodes: { powerState: string }[] }>[];
    };
    expect(nodes.length).toBeGreaterThan(10);
    const all = await world.data.db.virtualMachine.groupBy({ by: ['powerState'], _count: true });
    const inDatabase = Object.fromEntries(all.map((group) => [group.powerState, group._count]));
    const sum = (key: 'few' | 'running') => nodes.reduce((n, node) => n + node[key].totalCount, 0);
    expect(sum('running')).toBe(inDatabase.RUNNING);
    expect(sum('few')).toBe(Object.values(inDatabase).reduce((a, b) => a + b, 0));
    for (const { few } of nodes) expect(few.nodes.length).toBe(Math.min(1, few.totalCount));
  });

  it('is so for the current task of machines whose tasks are listed as well', async () => {
    const { seed } = world;
    const project = await seed.project({ name: 'two-machines' });
    const machine = await seed.vm(project);
    await seed.task(project, machine);
    const running = await seed.task(project, machine, { status: 'RUNNING', finishedAt: null });
    const idle = await seed.vm(project);
    const { sql, data } = await statements(
      'administrator',
      `query($filter: VirtualMachineFilter) { virtualMachines(filter: $filter) { nodes { id currentTask { id status } tasks(first: 5) { totalCount nodes { id } } } } }`,
      { filter: { project: { eq: project.id } } },
    );
    expect(sql).toHaveLength(2);
    expect((data.virtualMachines as { nodes: object[] }).nodes).toEqual([
      {
        id: machine.id,
        currentTask: { id: running.id, status: 'RUNNING' },
        tasks: { totalCount: 2, nodes: expect.any(Array) },
      },
      { id: idle.id, currentTask: null, tasks: { totalCount: 0, nodes: [] } },
    ]);
  });
});
