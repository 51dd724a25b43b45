/** What one project has does not exist for members of another, through every path of the graph. Generated from the schema. */
import { getNamedType } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeGlobalId, encodeGlobalId, newId } from '../../src/ids.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { getPage, nestedListFields, rootListFields } from '../support/list-walk.js';
import {
  api,
  binLists,
  everythingOf,
  filterTypeOf,
  nodeTypes,
  rootLists,
  rootSingles,
  tellingOf,
  toMany,
  toOne,
} from '../support/schema-walk.js';
import {
  makeTwoTenants,
  markOf,
  sees,
  type TwoTenants,
  type Viewer,
} from '../support/two-tenants.js';

let world: TestApp;
let made: TwoTenants;
beforeAll(async () => {
  world = await createTestApp();
  made = await makeTwoTenants(world);
});
afterAll(() => world.stop());

const NAMES = [
  'viewer-of-a',
  'operator-of-b',
  'viewer-of-both',
  'nobodys-viewer',
  'admin',
  'agent',
];

const viewerCalled = (name: string): Viewer =>
  made.viewers.find((viewer) => viewer.name === name) ?? expect.fail(`there is no ${name}`);
const typeOf = (id: string): string => decodeGlobalId(id)?.type ?? '';
const idsOf = (holds: (id: string) => boolean): string[] =>
  [...made.owners.keys()].filter(holds).sort();
const visibleTo = (viewer: Viewer, type?: string): string[] =>
  idsOf((id) => {
    const owner = made.owners.get(id);
    return owner !== undefined && sees(viewer, owner) && (!type || typeOf(id) === type);
  });
const hiddenFrom = (viewer: Viewer): string[] => {
  const visible = new Set(visibleTo(viewer));
  return idsOf((id) => !visible.has(id));
};

interface Nested {
  readonly totalCount: number;
  readonly nodes: readonly { id: string }[];
  readonly edges: readonly { node: { id: string } }[];
}
type Node = { readonly id: string } & Readonly<Record<string, unknown>>;

async function readNode(client: Client, id: string): Promise<Node | null> {
  const type = typeOf(id);
  const query = `query($id: ID!) { node(id: $id) { id ... on ${type} { ${everythingOf(type)} } } }`;
  const { data, errors } = await client.answer<{ node: Node | null }, unknown>(query, { id });
  expect(errors).toEqual([]);
  return data?.node ?? null;
}

/** The ids at the ends of all relations of an object, with the connections that they were on. */
function endsOf(node: Node): { ids: string[]; lists: { field: string; list: Nested }[] } {
  const type = typeOf(node.id);
  const lists = [...toMany(type), ...tellingOf(type)].map(({ field }) => ({
    field,
    list: node[field] as Nested,
  }));
  const one = toOne(type).flatMap(({ field }) => (node[field] as Node | null)?.id ?? []);
  return { ids: [...one, ...lists.flatMap(({ list }) => list.nodes.map(({ id }) => id))], lists };
}

/** They belong to all, to administrators, or to one user: to no project. */
const OF_NO_PROJECT = [
  'ApiToken',
  'Cluster',
  'EnrolmentToken',
  'HypervisorNode',
  'Session',
  'User',
];

it('the two projects have something in every table', () => {
  for (const type of nodeTypes) {
    const owners = new Set(idsOf((id) => typeOf(id) === type).map((id) => made.owners.get(id)));
    expect(owners.size, type).toBeGreaterThan(0);
    if (!OF_NO_PROJECT.includes(type))
      expect([type, owners.has('a'), owners.has('b')]).toEqual([type, true, true]);
  }
});

describe.each(NAMES)('%s', (name) => {
  it('finds in every list exactly what is there for it', async () => {
    const viewer = viewerCalled(name);
    for (const list of rootListFields) {
      const page = await getPage(viewer.client, list, { first: 100 });
      const found = page.nodes.map(({ id }) => id).sort();
      expect([list.name, found]).toEqual([list.name, visibleTo(viewer, list.type)]);
      expect([list.name, page.totalCount]).toEqual([list.name, found.length]);
    }
  });

  it('finds the same one by one, and gets one answer for what is hidden and what never was', async () => {
    const viewer = viewerCalled(name);
    const visible = new Set(visibleTo(viewer));
    for (const { field, type } of rootSingles) {
      const query = `query($id: ID!) { one: ${field}(id: $id) { id __typename } }`;
      const types = type === 'Node' ? nodeTypes : [type];
      for (const of of types) {
        const absent = await viewer.client.answer(query, { id: encodeGlobalId(of, newId()) });
        expect(absent).toMatchObject({ data: { one: null }, errors: [] });
        for (const id of idsOf((key) => typeOf(key) === of)) {
          const answer = await viewer.client.answer(query, { id });
          const one = visible.has(id) ? { id, __typename: of } : null;
          expect([field, id, answer.data]).toEqual([field, id, { one }]);
          expect([answer.status, answer.errors]).toEqual([absent.status, absent.errors]);
        }
      }
    }
  });

  it('finds nothing else through any relation, whichever way, and counts only what it sees', async () => {
    const viewer = viewerCalled(name);
    const visible = new Set(visibleTo(viewer));
    const reached = new Set<string>();
    for (const id of visible) {
      const node = (await readNode(viewer.client, id)) ?? expect.fail(`${id} is not there`);
      const { ids, lists } = endsOf(node);
      for (const end of ids) reached.add(end);
      for (const { field, list } of lists) {
        expect([typeOf(id), field, list.totalCount]).toEqual([
          typeOf(id),
          field,
          list.nodes.length,
        ]);
        expect(list.edges.map((edge) => edge.node.id)).toEqual(list.nodes.map((n) => n.id));
      }
    }
    expect([...reached].filter((id) => !visible.has(id))).toEqual([]);
  });

  it('reads no word and no id of what is hidden, anywhere in the answers', async () => {
    const viewer = viewerCalled(name);
    const answers = [];
    for (const id of visibleTo(viewer)) answers.push(await readNode(viewer.client, id));
    const text = JSON.stringify(answers);
    const leaked = hiddenFrom(viewer).filter((id) => text.includes(id));
    expect(leaked).toEqual([]);
    const foreign = (['a', 'b'] as const).filter(
      (tenant) => viewer.role !== 'ADMIN' && !viewer.tenants.includes(tenant),
    );
    for (const tenant of foreign) expect(text).not.toContain(markOf(tenant));
  });

  it('filters by hidden objects as by such as never were', async () => {
    const viewer = viewerCalled(name);
    const hidden = hiddenFrom(viewer);
    for (const list of rootLists) {
      const document = `query($filter: ${list.type}Filter) { ${list.field}(filter: $filter) { totalCount nodes { id } } }`;
      const ask = async (filter: object) => {
        const { data, errors } = await viewer.client.answer(document, { filter });
        return { data, errors: errors.map(({ message }) => message) };
      };
      const references = Object.keys(list.filters).filter((f) => list.filters[f] === 'IdFilter');
      for (const field of references) {
        for (const type of nodeTypes) {
          const ids = hidden.filter((key) => typeOf(key) === type);
          if (ids.length === 0) continue;
          const shapes = [
            (of: string[]) => ({ or: of.map((id) => ({ [field]: { eq: id } })) }),
            (of: string[]) => ({ not: { [field]: { in: of } } }),
          ];
          for (const shape of shapes) {
            const absent = await ask(shape(ids.map(() => encodeGlobalId(type, newId()))));
            if (absent.errors.length > 0) {
              expect(absent.errors[0]).toMatch(/This is the id of a/); // the filter is about another type
              break;
            }
            expect([list.field, field, ids, await ask(shape(ids))]).toEqual([
              list.field,
              field,
              ids,
              absent,
            ]);
          }
        }
      }
    }
  });

  it('finds no row of others by its words, neither at the root nor hanging on what all share', async () => {
    const viewer = viewerCalled(name);
    const foreign = (['a', 'b'] as const).filter(
      (tenant) => viewer.role !== 'ADMIN' && !viewer.tenants.includes(tenant),
    );
    const parents = visibleTo(viewer);
    for (const list of [...rootListFields, ...nestedListFields]) {
      const on = parents.filter((id) => typeOf(id) === list.on).map((parent) => ({ parent }));
      const texts = textFilters(list.type);
      for (const args of list.on === null ? [{}] : on) {
        for (const tenant of foreign) {
          const filter = { or: texts.map((field) => ({ [field]: { contains: markOf(tenant) } })) };
          const page = await getPage(viewer.client, list, { ...args, filter });
          expect([list.name, page.totalCount, page.nodes]).toEqual([list.name, 0, []]);
        }
      }
    }
  });

  it('gets nowhere with the cursors of others', async () => {
    const viewer = viewerCalled(name);
    const admin = viewerCalled('admin');
    for (const list of rootListFields) {
      const visible = visibleTo(viewer, list.type);
      const { edges } = await getPage(admin.client, list, { first: 100 });
      for (const [i, { cursor }] of edges.entries()) {
        const behind = new Set(edges.slice(i + 1).map(({ node }) => node.id));
        const page = await getPage(viewer.client, list, { after: cursor, first: 100 });
        const found = page.nodes.map(({ id }) => id).sort();
        expect([list.name, found]).toEqual([list.name, visible.filter((id) => behind.has(id))]);
      }
    }
  });
});

const textFilters = (type: string): string[] =>
  Object.values(filterTypeOf(type).getFields())
    .filter((field) => getNamedType(field.type).name === 'TextFilter')
    .map((field) => field.name);

it('what belongs to no project, and public images, are there for users without any', () => {
  const visible = visibleTo(viewerCalled('nobodys-viewer'));
  // its own is not shared: that it signed in, and with what
  const own = ['ApiToken', 'AuditEntry', 'Session'];
  const types = new Set(visible.map(typeOf).filter((type) => !own.includes(type)));
  const shared = ['Alert', 'DrsRecommendation', 'Image', 'StoragePool', 'VirtualNetwork'];
  expect([...types].sort()).toEqual([...shared, 'Cluster', 'HypervisorNode', 'User'].sort());
  // one of nobody, and one public one of each project
  expect(visible.filter((id) => typeOf(id) === 'Image')).toHaveLength(3);
});

it('the end of a relation that is hidden is null, and its neighbours are not', async () => {
  const { client } = viewerCalled('viewer-of-a');
  const images = await client.answer<Record<string, { nodes: object[] }>, unknown>(
    '{ images(filter: { name: { startsWith: "public-" } }) { nodes { name project { name } pool { name } } } }',
  );
  const mark = markOf('a');
  expect(images.data?.images?.nodes).toEqual([
    { name: 'public-a', project: { name: mark }, pool: { name: `${mark}-pool` } },
    { name: 'public-b', project: null, pool: null },
  ]);
  const volumes = await client.answer<Record<string, { nodes: object[] }>, unknown>(
    '{ volumes(filter: { name: { in: ["only-a-astray", "only-a-crossing"] } }) { nodes { name attachedVirtualMachine { id } pool { id } } } }',
  );
  expect(volumes.data?.volumes?.nodes).toEqual([
    { name: `${mark}-astray`, attachedVirtualMachine: null, pool: { id: expect.any(String) } },
    { name: `${mark}-crossing`, attachedVirtualMachine: null, pool: null },
  ]);
});

describe('somebody who is not signed in', () => {
  it.each([...rootLists, ...binLists, ...rootSingles])(
    'reads nothing through $field',
    async ({ field }) => {
      const id = [...made.owners.keys()][0];
      const single = rootSingles.some((one) => one.field === field);
      const query = single
        ? `query($id: ID!) { ${field}(id: $id) { id } }`
        : `{ ${field} { totalCount nodes { id } } }`;
      for (const client of [world.anonymous, world.withToken('expired')]) {
        const { data, errors } = await client.answer<Record<string, unknown>, unknown>(query, {
          id,
        });
        expect(data?.[field] ?? null).toBeNull();
        expect(errors.map(({ extensions }) => extensions.code)).toEqual(['UNAUTHENTICATED']);
      }
    },
  );

  it('every field of Query is tried here, but for the server, who asks, one that waits (see wait-for-task), and changes (see change-feed)', async () => {
    const tried = [...rootLists, ...binLists, ...rootSingles].map(({ field }) => field);
    const others = Object.keys(api.getQueryType()?.getFields() ?? {}).filter(
      (f) => !tried.includes(f),
    );
    expect(others).toEqual([
      'changes',
      'explainPlacement',
      'planMaintenance',
      'server',
      'systemConfig',
      'systemConfigProblems',
      'viewer',
      'waitForTask',
    ]);
    const plans = [
      '{ changes { __typename } }',
      '{ planMaintenance(nodeId: "x") { remaining } }',
      '{ explainPlacement(input: { virtualMachineId: "x" }) { __typename } }',
      '{ systemConfig { key } }',
      '{ systemConfigProblems { key } }',
    ];
    for (const query of plans) {
      const { errors } = await world.anonymous.answer(query);
      expect(errors.map(({ extensions }) => extensions.code)).toEqual(['UNAUTHENTICATED']);
    }
  });
});
