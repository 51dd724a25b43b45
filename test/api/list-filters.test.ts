/** Filters of every list, generated from the schema: what they find is what the rows say, `not` finds the rest, and nonsense is refused by name. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeGlobalId } from '../../src/ids.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { type Atom, atomsOf, type Row, readRows } from '../support/filter-oracle.js';
import {
  getFiltered,
  getPage,
  nestedListFields,
  rootListFields,
  tryPage,
} from '../support/list-walk.js';
import { type Populated, populate } from '../support/populate.js';
import { nodeTypes, rootLists } from '../support/schema-walk.js';

const lists = rootListFields.map((list, i) => ({
  ...list,
  ...(rootLists[i] as (typeof rootLists)[0]),
}));
type List = (typeof lists)[number];

let world: TestApp;
let admin: Client;
let made: Populated;
const rowsOf = new Map<string, readonly Row[]>();
beforeAll(async () => {
  world = await createTestApp();
  await world.seed.user('ADMIN', { username: 'zoe' });
  made = await populate(world.data);
  admin = await world.signIn('zoe');
  for (const list of lists) rowsOf.set(list.type, await readRows(admin, list));
});
afterAll(() => world.stop());

/** A filter, and what it says about a row. */
type Wanted = Pick<Atom, 'filter' | 'holds'>;

const rows = (list: List): readonly Row[] => rowsOf.get(list.type) ?? [];
const atoms = (list: List): Atom[] => atomsOf(list, rows(list));

async function expectFinds(list: List, wanted: readonly Wanted[]) {
  const pages = await getFiltered(
    admin,
    list,
    wanted.map(({ filter }) => filter),
  );
  for (const [i, { filter, holds }] of wanted.entries()) {
    const found = pages[i]?.nodes.map(({ id }) => id) ?? [];
    const expected = rows(list)
      .filter(holds)
      .map(({ id }) => id);
    expect({ filter, found: [...found].sort() }).toEqual({ filter, found: expected.sort() });
    expect(pages[i]?.totalCount).toBe(found.length);
  }
}

async function expectRefused(list: List, filter: unknown, path: readonly string[], why: RegExp) {
  const { answer } = await tryPage(admin, list, { filter });
  const [error] = answer.errors;
  expect(error?.extensions).toEqual({ code: 'BAD_USER_INPUT', path, retryable: false });
  expect(error?.message).toMatch(why);
}

describe('a filter', () => {
  it.each(lists)(
    'of $name finds the rows that meet it, and its negation all others',
    async (list) => {
      const wanted = atoms(list).flatMap(({ filter, holds }): Wanted[] => [
        { filter, holds },
        { filter: { not: filter }, holds: (row) => !holds(row) },
      ]);
      await expectFinds(list, wanted);
    },
  );

  it('is tried with values that split the rows, for every declared field', () => {
    const undecided = lists.flatMap((list) =>
      Object.keys(list.filters).flatMap((field) => {
        const own = atoms(list).filter((atom) => atom.field === field);
        const splits = own.some(({ holds }) => new Set(rows(list).map(holds)).size === 2);
        return splits ? [] : [`${list.name}.${field}`];
      }),
    );
    expect(undecided).toEqual([]);
  });

  it.each(lists)(
    'of $name that asks for nothing finds everything; `or` of nothing, nothing',
    async (list) => {
      const everything = [{}, { and: [] }, { and: [{}] }, { or: [{}] }, { not: { or: [] } }, null];
      const [field = ''] =
        Object.entries(list.filters).find(([, type]) => type === 'TextFilter') ?? [];
      if (field) everything.push({ [field]: {} }, { [field]: null });
      for (const filter of everything) {
        const page = await getPage(admin, list, { filter, first: 500 });
        expect([filter, page.totalCount]).toEqual([filter, rows(list).length]);
      }
      const nothing: object[] = [
        { or: [] },
        { not: {} },
        { and: [{ or: [] }, {}] },
        { not: { and: [] } },
      ];
      if (field) nothing.push({ not: { [field]: {} } });
      for (const filter of nothing) {
        const page = await getPage(admin, list, { filter });
        expect([filter, page.totalCount, page.nodes]).toEqual([filter, 0, []]);
      }
    },
  );

  it('of any conditions, joined and negated in any way, finds what logic says', async () => {
    const any = (list: List): fc.Arbitrary<Wanted> => {
      const leaf: fc.Arbitrary<Wanted> = fc.constantFrom(...atoms(list));
      const tree = (depth: number): fc.Arbitrary<Wanted> => {
        if (depth === 0) return leaf;
        const part = tree(depth - 1);
        const parts = fc.array(part, { maxLength: 2 }); // three of three of three are more than a filter may have
        return fc.oneof(
          leaf,
          part.map((t) => ({ filter: { not: t.filter }, holds: (row: Row) => !t.holds(row) })),
          parts.map((all) => ({
            filter: { and: all.map((t) => t.filter) },
            holds: (row: Row) => all.every((t) => t.holds(row)),
          })),
          parts.map((some) => ({
            filter: { or: some.map((t) => t.filter) },
            holds: (row: Row) => some.some((t) => t.holds(row)),
          })),
          fc.tuple(part, leaf).map(([t, l]) => ({
            filter: { and: [t.filter], not: l.filter },
            holds: (row: Row) => t.holds(row) && !l.holds(row),
          })),
        );
      };
      return tree(3);
    };
    const cases = fc.oneof(
      ...lists.map((list) =>
        fc.array(any(list), { maxLength: 6 }).map((trees) => ({ list, trees })),
      ),
    );
    await fc.assert(
      fc.asyncProperty(cases, ({ list, trees }) => expectFinds(list, trees)),
      { numRuns: 30 },
    );
  });
});

it.each(nestedListFields)(
  'a filter of $name finds what the same filter finds at the root',
  async (list) => {
    const root = lists.find(({ type }) => type === list.type);
    if (!root) return;
    const parent = made.ids[list.on ?? '']?.[0] ?? expect.fail();
    // The code is the same at the root; every kind is tried.
    const some = atoms(root).filter((_, i) => i % 4 === 0);
    const filters = [{}, ...some.flatMap(({ filter }) => [filter, { not: filter }])];
    const [[whole, ...found], wanted] = await Promise.all([
      getFiltered(admin, list, filters, parent),
      getFiltered(admin, root, filters.slice(1)),
    ]);
    const members = new Set(whole?.nodes.map(({ id }) => id));
    for (const [i, page] of found.entries()) {
      const expected = wanted[i]?.nodes.map(({ id }) => id).filter((id) => members.has(id)) ?? [];
      const given = filters[i + 1];
      expect([given, page.nodes.map(({ id }) => id)]).toEqual([given, expected]);
      expect(page.totalCount).toBe(expected.length);
    }
  },
);

describe('texts', () => {
  const descriptions = async (filter: object) => {
    const list = lists.find(({ type }) => type === 'Project') as List;
    const args = { filter: { description: filter, name: { startsWith: 'project-' } }, first: 500 };
    const page = await getPage<{ description: string }>(admin, list, args, 'description');
    return [...new Set(page.nodes.map(({ description }) => description))].sort();
  };

  it('are searched as they are written: what LIKE takes for a wildcard is a character', async () => {
    expect(await descriptions({ contains: '50%' })).toEqual(['50% off']);
    expect(await descriptions({ contains: '%' })).toEqual(['50% off']);
    expect(await descriptions({ contains: 'a_b' })).toEqual(['a_b']);
    expect(await descriptions({ startsWith: '_' })).toEqual([]);
    expect(await descriptions({ contains: '\\' })).toEqual(['back\\slash']);
    expect(await descriptions({ contains: 'k\\s' })).toEqual(['back\\slash']);
    expect(await descriptions({ startsWith: '50\\%' })).toEqual([]);
    expect(await descriptions({ contains: "'; DROP TABLE projects; --" })).toEqual([]);
  });

  it('are found beyond ASCII, whatever the case', async () => {
    expect(await descriptions({ contains: 'GRÖßE' })).toEqual(['Größe']);
    expect(await descriptions({ eq: 'Größe' })).toEqual(['Größe']);
    expect(await descriptions({ eq: 'größe' })).toEqual([]);
    expect(await descriptions({ contains: '🙂' })).toEqual([]);
  });

  it('of any characters are looked for, or refused because no row can hold them', async () => {
    const conditions = fc.oneof(
      fc.record({ contains: fc.string({ unit: 'binary' }) }),
      fc.record({ startsWith: fc.string({ unit: 'grapheme' }) }),
      fc.record({
        eq: fc.string({ unit: fc.constantFrom('\0', '\ud800', '\udfff', '%', '\\', 'a') }),
      }),
      fc.record({ in: fc.array(fc.string({ unit: 'binary' })) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...lists), conditions, async (list, condition) => {
        const [field] =
          Object.entries(list.filters).find(([, type]) => type === 'TextFilter') ?? [];
        if (!field) return;
        const { answer, page } = await tryPage(admin, list, { filter: { [field]: condition } });
        const codes = answer.errors.map(({ extensions }) => extensions.code);
        expect(codes).toEqual(page ? [] : ['BAD_USER_INPUT']);
      }),
      { numRuns: 120 },
    );
  });
});

describe('a filter is refused by name', () => {
  const fields = lists.flatMap((list) =>
    Object.entries(list.filters).map(([field, input]) => ({ list, name: list.name, field, input })),
  );
  const of = (input: string) => fields.filter((one) => one.input === input);

  it.each(of('TextFilter'))(
    'when $name.$field has a text that cannot be stored',
    async ({ list, field }) => {
      const path = ['filter', field];
      for (const text of ['\0', 'a\0b', '\ud800', 'x\udc00y']) {
        for (const operator of ['eq', 'contains', 'startsWith']) {
          await expectRefused(list, { [field]: { [operator]: text } }, path, /cannot be stored/);
        }
        await expectRefused(list, { [field]: { in: ['fine', text] } }, path, /cannot be stored/);
      }
    },
  );

  it.each(of('TextFilter'))(
    'when $name.$field has more than 100 values',
    async ({ list, field }) => {
      const many = Array.from({ length: 1_000 }, (_, i) => `value-${i}`);
      await expectRefused(
        list,
        { [field]: { in: many } },
        ['filter', field],
        /At most 100 values, not 1000/,
      );
      const page = await getPage(admin, list, { filter: { [field]: { in: many.slice(0, 100) } } });
      expect(page.totalCount).toBe(0);
    },
  );

  it.each(of('IdFilter'))(
    'when $name.$field has what is no id of that type',
    async ({ list, field }) => {
      const path = ['filter', field];
      const malformed = [
        '',
        'x',
        '\0',
        'VirtualMachine:1',
        'é',
        'A'.repeat(300),
        encodeGlobalId('Volume', 'x'),
      ];
      for (const id of malformed) {
        await expectRefused(list, { [field]: { eq: id } }, path, /is not an id of this API/);
        await expectRefused(list, { [field]: { in: [id] } }, path, /is not an id of this API/);
      }
      const many = Array.from({ length: 101 }, () => made.ids.Project?.[0]);
      await expectRefused(list, { [field]: { in: many } }, path, /At most 100 values, not 101/);
      const accepted: string[] = [];
      for (const type of nodeTypes) {
        const id = made.ids[type]?.[0];
        const { answer } = await tryPage(admin, list, { filter: { [field]: { eq: id } } });
        if (answer.errors.length === 0) accepted.push(type);
        else
          expect(answer.errors[0]?.message).toMatch(
            /This is the id of an? \w+; the id of an? \w+ is needed/,
          );
      }
      // one type, or any where the reference is a loose one
      expect([1, nodeTypes.length]).toContain(accepted.length);
    },
  );

  it('when a moment has a year that no row can have', async () => {
    for (const { list, field } of of('DateTimeFilter')) {
      for (const bound of [
        '0000-12-31T23:59:59Z',
        '0001-01-01T00:00:00+01:00',
        '9999-12-31T23:59:59-01:00',
      ]) {
        await expectRefused(
          list,
          { [field]: { gte: bound } },
          ['filter', field],
          /year must be from 1 to 9999/,
        );
      }
      for (const bound of ['0001-01-01T00:00:00Z', '9999-12-31T23:59:59.999999999Z']) {
        await getPage(admin, list, { filter: { [field]: { lt: bound } } });
      }
    }
  });

  it.each(fields)(
    'by GraphQL when $name.$field is of another kind',
    async ({ list, field, input }) => {
      const fitting: Record<string, unknown[]> = { Boolean: [true] };
      const kinds = [
        1.5,
        'x',
        true,
        [1],
        { eq: { eq: 'x' } },
        { unknown: 1 },
        { in: [null] },
        { gte: 'x' },
      ];
      for (const kind of kinds.filter((value) => !fitting[input]?.includes(value))) {
        const { answer } = await tryPage(admin, list, { filter: { [field]: kind } });
        expect([kind, answer.errors[0]?.extensions.code]).toEqual([
          kind,
          expect.stringMatching(/^(GRAPHQL_VALIDATION_FAILED|BAD_USER_INPUT)$/),
        ]);
      }
    },
  );

  const nest = (depth: number): object => (depth === 0 ? {} : { not: nest(depth - 1) });
  const parts = (key: string, count: number) => ({
    [key]: Array.from({ length: count }, () => ({})),
  });

  it.each(lists)('when $name is asked for too much at once', async (list) => {
    await getPage(admin, list, { filter: nest(4) });
    await expectRefused(
      list,
      nest(5),
      ['filter', 'not', 'not', 'not', 'not', 'not'],
      /5 deep at most/,
    );
    for (const key of ['and', 'or']) {
      await getPage(admin, list, { filter: parts(key, 49) });
      await expectRefused(list, parts(key, 50), ['filter', key], /50 conditions at most/);
    }
  });

  it('however much it asks for', async () => {
    const [list] = lists as [List];
    for (const filter of [nest(1_000), parts('and', 20_000), parts('or', 20_000)]) {
      const { answer } = await tryPage(admin, list, { filter });
      expect(answer.errors[0]?.extensions.code).toBe('QUERY_TOO_LARGE');
    }
    await expectRefused(list, parts('and', 1_500), ['filter', 'and'], /50 conditions at most/);
  });
});
