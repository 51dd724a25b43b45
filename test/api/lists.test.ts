/** Every list of the API, generated from the schema: pages join up to the whole, in the order that the database says, both ways. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeGlobalId } from '../../src/ids.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import {
  getPage,
  idsOf,
  type ListField,
  nestedListFields,
  type OrderBy,
  type Page,
  rootListFields,
  tryPage,
  walkPages,
} from '../support/list-walk.js';
import { type Populated, populate } from '../support/populate.js';
import { filterTypeOf, nodeTypes, ordersOf } from '../support/schema-walk.js';
import { idsIn, TABLES } from '../support/tables.js';

/** What a list is ordered by when the caller says nothing. */
const NEWEST_FIRST = { field: 'CREATED_AT', direction: 'DESC' } as const;
const DEFAULT_ORDER: Readonly<Record<string, OrderBy>> = {
  Alert: NEWEST_FIRST,
  AuditEntry: NEWEST_FIRST,
  Task: NEWEST_FIRST,
  DrsRecommendation: { field: 'PRIORITY' },
  HypervisorNode: { field: 'HOSTNAME' },
  NetworkInterface: { field: 'POSITION' },
  SecurityRule: { field: 'PRIORITY' },
  Session: { field: 'CREATED_AT' },
  User: { field: 'USERNAME' },
  VirtualMachineSnapshot: { field: 'CREATED_AT' },
};
const DIRECTIONS = ['ASC', 'DESC'] as const;

let world: TestApp;
let admin: Client;
let made: Populated;
beforeAll(async () => {
  world = await createTestApp();
  await world.seed.user('ADMIN', { username: 'zoe' });
  made = await populate(world.data);
  admin = await world.signIn('zoe');
});
afterAll(() => world.stop());

const hubOf = (type: string): string => made.ids[type]?.[0] ?? expect.fail(`no ${type}`);
const parentOf = ({ on }: ListField) => (on === null ? {} : { parent: hubOf(on) });

/** All rows of a type, as the database itself orders them: an order is called like its column. */
const inDatabase = (type: string, { field, direction = 'ASC' }: OrderBy): Promise<string[]> =>
  idsIn(world.data, type, `${field.toLowerCase()} ${direction}, id ${direction}`);

/** How many different values the rows have in the column that an order is about. */
async function distinctValues(type: string, { field }: OrderBy): Promise<number> {
  const sql = `SELECT count(DISTINCT ${field.toLowerCase()})::int AS n FROM ${TABLES[type]}`;
  const [row] = await world.data.db.$queryRawUnsafe<{ n: number }[]>(sql);
  return row?.n ?? 0;
}

/** Each page says exactly whether there is more on either side, none is blank, and all but the last one got are full. */
function expectExact(pages: readonly Page[], size: number, backwards: boolean): void {
  pages.forEach((page, i) => {
    const { nodes, edges, pageInfo } = page;
    expect(edges.map(({ node }) => node.id)).toEqual(nodes.map(({ id }) => id));
    expect(pageInfo.startCursor).toBe(edges.at(0)?.cursor);
    expect(pageInfo.endCursor).toBe(edges.at(-1)?.cursor);
    const isLast = i === pages.length - 1;
    expect(nodes.length > 0 && (isLast || nodes.length === size)).toBe(true);
    const ahead = backwards ? pageInfo.hasPreviousPage : pageInfo.hasNextPage;
    const behind = backwards ? pageInfo.hasNextPage : pageInfo.hasPreviousPage;
    expect({ ahead, behind }).toEqual({ ahead: !isLast, behind: i > 0 });
  });
}

async function expectWalks(list: ListField, all: readonly string[], orderBy?: OrderBy) {
  const args = { ...parentOf(list), ...(orderBy ? { orderBy } : {}) };
  // Three pages, the last of them not full; and one that holds exactly all.
  for (const size of [Math.ceil(all.length / 2) - 1, all.length]) {
    for (const backwards of [false, true]) {
      const pages = await walkPages(admin, list, { ...args, size, backwards });
      expect(idsOf(pages, backwards)).toEqual(all);
      expectExact(pages, size, backwards);
      expect(pages.map(({ totalCount }) => totalCount)).toEqual(pages.map(() => all.length));
    }
  }
}

describe('every list at the root', () => {
  it('is known here, with its table', () => {
    expect(Object.keys(TABLES).sort()).toEqual([...nodeTypes].sort());
    expect(rootListFields.length).toBeGreaterThan(10);
  });

  const orders = rootListFields.flatMap((list) =>
    ordersOf(list.type).flatMap((field) =>
      DIRECTIONS.map((direction) => ({ list, name: list.name, field, direction })),
    ),
  );
  it.each(orders)(
    '$name by $field $direction walks as the database sorts, both ways',
    async ({ list, field, direction }) => {
      const all = await inDatabase(list.type, { field, direction });
      expect(all.length).toBeGreaterThan(10);
      await expectWalks(list, all, { field, direction });
    },
  );

  it('is tried with many equal values, so that only the id tells rows apart', async () => {
    const unique = new Set<string>();
    for (const { type, name } of rootListFields) {
      for (const field of ordersOf(type)) {
        const total = (await inDatabase(type, { field })).length;
        if ((await distinctValues(type, { field })) > total / 2) unique.add(`${name} ${field}`);
      }
    }
    // names that the database keeps unique
    expect([...unique].sort()).toEqual([
      'clusters NAME',
      'hypervisorNodes HOSTNAME',
      'projects NAME',
      'storagePools NAME',
      'users USERNAME',
      'virtualNetworks NAME',
    ]);
  });

  it.each(rootListFields)('$name has an order of its own when none is asked for', async (list) => {
    const expected = await inDatabase(list.type, DEFAULT_ORDER[list.type] ?? { field: 'NAME' });
    const page = await getPage(admin, list, {});
    expect(page.nodes.map(({ id }) => id)).toEqual(expected);
  });
});

describe('every list that hangs on an object', () => {
  it.each(nestedListFields)('$name pages on to its end, both ways', async (list) => {
    const whole = await getPage(admin, list, { ...parentOf(list), first: 500 });
    const all = whole.nodes.map(({ id }) => id);
    const column = DEFAULT_ORDER[list.type] ?? { field: 'NAME' };
    const inOrder = (await inDatabase(list.type, column)).filter((id) => all.includes(id));
    expect(all).toEqual(inOrder);
    expect(all.length, 'long enough for pages').toBeGreaterThan(4);
    await expectWalks(list, all);
  });

  const rootTypes = rootListFields.map(({ type }) => type);
  const onlyNested = nestedListFields.filter(({ type }) => !rootTypes.includes(type));
  const orders = onlyNested.flatMap((list) =>
    ordersOf(list.type).flatMap((field) =>
      DIRECTIONS.map((direction) => ({ list, name: list.name, field, direction })),
    ),
  );
  it.each(orders)(
    '$name, which has no root list, walks by $field $direction',
    async ({ list, field, direction }) => {
      const whole = await getPage(admin, list, { ...parentOf(list), first: 500 });
      const members = new Set(whole.nodes.map(({ id }) => id));
      const all = await inDatabase(list.type, { field, direction });
      await expectWalks(
        list,
        all.filter((id) => members.has(id)),
        { field, direction },
      );
    },
  );
});

describe('a page between two cursors', () => {
  it.each(rootListFields)('of $name holds what lies strictly between', async (list) => {
    const { edges } = await getPage(admin, list, { first: 10 });
    const between = { after: edges[1]?.cursor, before: edges[8]?.cursor };
    const inside = edges.slice(2, 8).map(({ node }) => node.id);
    const whole = await getPage(admin, list, between);
    expect(whole.nodes.map(({ id }) => id)).toEqual(inside);
    const head = await getPage(admin, list, { ...between, first: 4 });
    expect(head.nodes.map(({ id }) => id)).toEqual(inside.slice(0, 4));
    expect(head.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: true });
    const tail = await getPage(admin, list, { ...between, last: 4 });
    expect(tail.nodes.map(({ id }) => id)).toEqual(inside.slice(2));
    expect(tail.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: true });
    const nothing = await getPage(admin, list, { after: between.before, before: between.after });
    expect(nothing.nodes).toEqual([]);
  });
});

describe('the size of a page', () => {
  const lists = [...rootListFields, ...nestedListFields];

  it.each(lists)('of $name is refused when it is no number from 1 to the most', async (list) => {
    for (const name of ['first', 'last']) {
      for (const size of [-1, 0, 501, 100_000, 2_147_483_647]) {
        const { answer } = await tryPage(admin, list, { ...parentOf(list), [name]: size });
        const [error] = answer.errors;
        expect(error?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', path: [name] });
        expect(error?.message).toContain(`between 1 and 500, not ${size}`);
      }
    }
    const { answer } = await tryPage(admin, list, { ...parentOf(list), first: 2, last: 2 });
    expect(answer.errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
  });

  it.each(rootListFields)('of $name is refused by GraphQL when it is no Int', async (list) => {
    for (const first of [2 ** 31, 1.5, '5', true, []]) {
      const { answer } = await tryPage(admin, list, { first });
      expect(answer.errors[0]?.extensions.code).toBe('GRAPHQL_VALIDATION_FAILED');
    }
  });

  it('is the configured one when none is asked for', async () => {
    const small = await createTestApp({
      data: world.data,
      config: { limits: { defaultPageSize: 3, maxPageSize: 4 } },
    });
    const client = await small.signIn('zoe');
    for (const list of lists) {
      const page = await getPage(client, list, parentOf(list));
      expect([list.name, page.nodes.length]).toEqual([list.name, 3]);
      expect(page.pageInfo.hasNextPage).toBe(true);
    }
    await small.stop();
  });
});

describe('an order', () => {
  it.each(rootListFields)('that $name does not have is refused by GraphQL', async (list) => {
    for (const orderBy of [{ field: 'PASSWORD_HASH' }, { field: 'NAME', direction: 'UP' }, {}]) {
      const { answer } = await tryPage(admin, list, { orderBy });
      expect(answer.errors[0]?.extensions.code).toBe('GRAPHQL_VALIDATION_FAILED');
    }
  });

  it.each(rootListFields)('of $name without a direction ascends', async (list) => {
    const [field = ''] = ordersOf(list.type);
    const ascending = await inDatabase(list.type, { field });
    for (const orderBy of [{ field }, { field, direction: null }]) {
      const page = await getPage(admin, list, { orderBy });
      expect(page.nodes.map(({ id }) => id)).toEqual(ascending);
    }
  });
});

it('every id that a list gives is one of its type, and every list can be filtered', async () => {
  for (const list of rootListFields) {
    const { nodes } = await getPage(admin, list, { first: 500 });
    for (const { id } of nodes) expect(decodeGlobalId(id)?.type).toBe(list.type);
    expect(Object.keys(filterTypeOf(list.type).getFields()).length).toBeGreaterThan(3);
  }
});
