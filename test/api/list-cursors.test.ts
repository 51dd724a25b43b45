/** Cursors from anywhere: kept, foreign, forged, damaged. Each is a place in the list or refused by name, and never a fault of ours. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeGlobalId, newId } from '../../src/ids.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import {
  getPage,
  idsOf,
  nestedListFields,
  rootListFields,
  tryPage,
  walkPages,
} from '../support/list-walk.js';
import { type Populated, populate } from '../support/populate.js';
import { ordersOf } from '../support/schema-walk.js';

let world: TestApp;
let admin: Client;
let made: Populated;
/** A cursor of each list. */
const ends = new Map<string, string | null>();
beforeAll(async () => {
  world = await createTestApp();
  await world.seed.user('ADMIN', { username: 'zoe' });
  made = await populate(world.data);
  admin = await world.signIn('zoe');
  for (const list of rootListFields)
    ends.set(list.name, (await getPage(admin, list, { first: 1 })).pageInfo.endCursor);
});
afterAll(() => world.stop());

const orders = rootListFields.flatMap((list) =>
  ordersOf(list.type).map((field) => ({ list, name: list.name, field })),
);
const encode = (parts: unknown): string =>
  Buffer.from(JSON.stringify(parts) ?? '').toString('base64url');
const decode = (cursor: string) =>
  JSON.parse(Buffer.from(cursor, 'base64url').toString()) as [
    string,
    string,
    string,
    unknown,
    string,
  ];

type List = (typeof rootListFields)[number];

async function expectRefused(list: List, args: object, why: RegExp): Promise<void> {
  for (const name of ['after', 'before']) {
    const { cursor, ...others } = args as { cursor: string };
    const { answer } = await tryPage(admin, list, { ...others, [name]: cursor });
    expect(answer.errors[0]?.message).toMatch(why);
    expect(answer.errors[0]?.extensions).toEqual({
      code: 'BAD_USER_INPUT',
      path: [name],
      retryable: false,
    });
  }
}

/** It is a page, or it is refused with an error that is not ours. */
async function expectNoBug(list: List, args: object): Promise<void> {
  const { answer, page } = await tryPage(admin, list, args);
  const codes = answer.errors.map(({ extensions }) => extensions.code);
  expect(codes).toEqual(page ? [] : ['BAD_USER_INPUT']);
}

describe('a cursor', () => {
  it.each(rootListFields)('that is none is refused by $name', async (list) => {
    const wrong = ['', 'x', '%%%', 'null', encode(null), encode({}), encode([]), 'A'.repeat(5_000)];
    for (const cursor of wrong)
      await expectRefused(list, { cursor }, /is not a cursor of this list/);
  });

  it.each(rootListFields)('of another list is refused by $name', async (list) => {
    for (const other of rootListFields.filter(({ type }) => type !== list.type)) {
      const cursor = ends.get(other.name);
      await expectRefused(list, { cursor }, /it belongs to another list/);
    }
  });

  it.each(orders)(
    'made for the order $field of $name is refused for all others',
    async ({ list, field }) => {
      const { pageInfo } = await getPage(admin, list, { first: 1, orderBy: { field } });
      const cursor = pageInfo.endCursor;
      for (const other of ordersOf(list.type)) {
        for (const direction of ['ASC', 'DESC']) {
          if (other === field && direction === 'ASC') continue;
          const orderBy = { field: other, direction };
          await expectRefused(
            list,
            { cursor, orderBy },
            new RegExp(`made for the order ${field} ASC`),
          );
        }
      }
    },
  );

  it.each(orders)(
    'for $name by $field with a forged value or id is refused or a place',
    async ({ list, field }) => {
      const orderBy = { field };
      const { pageInfo } = await getPage(admin, list, { first: 1, orderBy });
      const [type, , direction, value, id] = decode(pageInfo.endCursor ?? '');
      const values = [
      null, true, 0, -1, 1.5, 2 ** 31, 8.64e15, -8.64e15, 8.65e15, 1e308, '', 'x', '\0', '\ud800', '-1', '1e3',
      '9223372036854775807', '9223372036854775808', '9'.repeat(30), [], [value], {}, { gt: 1 }, 'x'.repeat(600),
    ]; // biome-ignore format: a list
      for (const forged of values) {
        await expectNoBug(list, { after: encode([type, field, direction, forged, id]), orderBy });
      }
      for (const forged of [
        null,
        1,
        '',
        'x',
        '\0',
        [],
        {},
        id.slice(1),
        `${id} `,
        id.replaceAll('-', ''),
      ]) {
        const cursor = encode([type, field, direction, value, forged]);
        await expectRefused(list, { cursor, orderBy }, /it was changed/);
      }
      const elsewhere = encode([type, field, direction, value, newId(0)]);
      expect((await getPage(admin, list, { after: elsewhere, orderBy })).nodes).not.toEqual([]);
    },
  );

  it('of any parts is a place in the list or refused', async () => {
    const parts = fc.tuple(
      fc.constantFrom('Volume', 'Alert', 'Image'),
      fc.constantFrom('NAME', 'SIZE_BYTES', 'SEVERITY', 'CREATED_AT'),
      fc.constantFrom('ASC', 'DESC'),
      fc.oneof(fc.jsonValue(), fc.string({ unit: 'binary' }), fc.maxSafeInteger()),
      fc.oneof(fc.uuid(), fc.string()),
    );
    await fc.assert(
      fc.asyncProperty(parts, fc.constantFrom('after', 'before'), async (cursor, argument) => {
        const [type, field, direction] = cursor;
        const list = rootListFields.find(
          (one) => one.type === type && ordersOf(type).includes(field),
        );
        if (!list) return;
        await expectNoBug(list, { [argument]: encode(cursor), orderBy: { field, direction } });
      }),
      { numRuns: 150 },
    );
  });

  it('with damaged characters is a place in the list or refused', async () => {
    const lists = await Promise.all(
      orders.map(async ({ list, field }) => {
        const { pageInfo } = await getPage(admin, list, { first: 3, orderBy: { field } });
        return { list, field, cursor: pageInfo.endCursor ?? '' };
      }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...lists),
        fc.nat(200),
        fc.constantFrom(...'AZaz09-_=+/\\".€ '),
        async ({ list, field, cursor }, at, character) => {
          const place = at % cursor.length;
          const damaged = cursor.slice(0, place) + character + cursor.slice(place + 1);
          await expectNoBug(list, { after: damaged, orderBy: { field } });
          await expectNoBug(list, { before: cursor.slice(0, place), orderBy: { field } });
        },
      ),
      { numRuns: 150 },
    );
  });

  it.each(orders)(
    'of $name by $field is a place that stays when its row is deleted',
    async ({ list, field }) => {
      const orderBy = { field };
      const all = idsOf(await walkPages(admin, list, { size: 500, orderBy }));
      const { edges } = await getPage(admin, list, { first: 4, orderBy });
      const kept = edges.at(-1)?.cursor;
      const [type, name, direction, value] = decode(kept ?? '');
      // Right behind its own id: the place of a row that is not there any more.
      const gone = encode([type, name, direction, value, neighbour(uuidOf(all[3]), 1n)]);
      for (const after of [kept, gone]) {
        const pages = await getPage(admin, list, { after, first: 500, orderBy });
        expect(pages.nodes.map(({ id }) => id)).toEqual(all.slice(4));
      }
      const earlier = await getPage(admin, list, { before: gone, last: 500, orderBy });
      expect(earlier.nodes.map(({ id }) => id)).toEqual(all.slice(0, 4));
    },
  );

  it.each([...rootListFields, ...nestedListFields])(
    'tells exactly whether $name has rows behind it',
    async (list) => {
      const parent = list.on === null ? {} : { parent: made.ids[list.on]?.[0] ?? '' };
      const beside = (cursor: string | null, step: bigint) => {
        const [type, field, direction, value, id] = decode(cursor ?? '');
        return encode([type, field, direction, value, neighbour(id, step)]);
      };
      const start = await getPage(admin, list, { ...parent, first: 2 });
      const end = await getPage(admin, list, { ...parent, last: 2 });
      const [first, last] = [start.pageInfo.startCursor, end.pageInfo.endCursor];
      const ascending = decode(first ?? '')[2] === 'ASC' ? 1n : -1n;
      for (const [args, expected] of [
        [{ first: 1, after: first }, { hasPreviousPage: true }],
        [{ first: 1, after: beside(first, -ascending) }, { hasPreviousPage: false }],
        [{ last: 1, before: last }, { hasNextPage: true }],
        [{ last: 1, before: beside(last, ascending) }, { hasNextPage: false }],
      ] as const) {
        const page = await getPage(admin, list, { ...parent, ...args });
        expect(page.nodes).toHaveLength(1);
        expect([args, page.pageInfo]).toMatchObject([args, expected]);
      }
    },
  );

  it('lets paging go on after rows before, at and behind it were deleted', async () => {
    const { seed, data } = world;
    const project = await seed.project({ name: 'short-lived' });
    const machines = [];
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) {
      machines.push(await seed.vm(project, { name }));
    }
    const [list] = rootListFields.filter(({ type }) => type === 'VirtualMachine');
    if (!list) return expect.fail('there is no list of virtual machines');
    const args = { filter: { project: { eq: project.id } }, orderBy: { field: 'NAME' } };
    const first = await getPage<{ name: string }>(admin, list, { ...args, first: 3 }, 'name');
    for (const i of [1, 2, 3]) {
      await data.db.virtualMachine.delete({ where: { id: machines[i]?.uuid ?? '' } });
    }
    const after = first.pageInfo.endCursor;
    const rest = await getPage<{ name: string }>(admin, list, { ...args, after, first: 3 }, 'name');
    expect(rest.nodes.map(({ name }) => name)).toEqual(['e', 'f']);
    expect(rest.pageInfo.hasNextPage).toBe(false);
    const back = await getPage<{ name: string }>(
      admin,
      list,
      { ...args, before: rest.pageInfo.startCursor, last: 3 },
      'name',
    );
    expect(back.nodes.map(({ name }) => name)).toEqual(['a']);
    expect(back.pageInfo).toMatchObject({ hasPreviousPage: false, hasNextPage: true });
  });
});

const uuidOf = (id: string | undefined): string => decodeGlobalId(id ?? '')?.id ?? '';

/** A UUID next to this one; no row has it, as rows have random ones. */
function neighbour(uuid: string, step: bigint): string {
  const hex = (BigInt(`0x${uuid.replaceAll('-', '')}`) + step).toString(16).padStart(32, '0');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
