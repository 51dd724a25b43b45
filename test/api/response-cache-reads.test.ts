/**
 * No query reads a table whose changes its kept answer would not hear of. Generated from the schema: every list, every relation
 * and every filter by a reference, each in a document of its own, held against the SQL that it sends.
 */
import { type GraphQLInputField, isInputObjectType } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { typesOfTable } from '../../src/core/tables.js';
import { encodeGlobalId, newId } from '../../src/ids.js';
import { buildSchema } from '../../src/schema.js';
import { documentFinder } from '../../src/server/cache/document.js';
import { declaredTouches } from '../../src/server/cache/touched.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { askAnew, cacheableDocuments, kept } from '../support/caching.js';
import type { Client } from '../support/client.js';
import { populate } from '../support/populate.js';
import { binLists, nodeTypes, rootLists, rootSingles } from '../support/schema-walk.js';
import { createTestClock, type TestClock } from '../support/test-clock.js';

const find = documentFinder(buildSchema(), 2000);

let clock: TestClock;
let world: TestApp;
let ids: Readonly<Record<string, readonly string[]>>;
const clients: Record<string, Client> = {};
beforeAll(async () => {
  clock = createTestClock();
  world = await createTestApp({ clock });
  ({ ids } = await populate(world.data));
  await world.seed.user('ADMIN', { username: 'zoe' });
  const mia = await world.seed.user('OPERATOR', { username: 'mia' });
  const projects = await world.data.db.project.findMany({ take: 7, orderBy: { name: 'asc' } });
  await world.data.db.projectMember.createMany({
    data: projects.map(({ id }) => ({ projectId: id, userId: mia.uuid })),
  });
  clients.administrator = await world.signIn('zoe');
  clients.member = await world.signIn('mia');
});
afterAll(() => world.stop());

function tablesRead(statements: readonly string[]): Set<string> {
  const from = /\b(?:FROM|JOIN)\s+(?:"?public"?\s*\.\s*)?"?(\w+)"?/gi;
  return new Set(statements.flatMap((sql) => [...sql.matchAll(from)].map(([, name = '']) => name)));
}

/** Tables that the query reads although none of the types that it follows stands for them. */
async function unheard(who: string, query: string, variables: object = {}): Promise<string[]> {
  const document = find(query, null) ?? expect.fail(`not cacheable: ${query}`);
  const client = clients[who] as Client;
  await client.answer('{ __typename }'); // who asks is looked up before
  const sql = await world.statementsOf(async () => {
    expect((await askAnew(client, query, variables)).errors).toEqual([]);
  });
  return [...tablesRead(sql)].filter((table) => {
    const types = typesOfTable(table);
    return types !== null && !types.some((type) => document.types.includes(type));
  });
}

/** Their name, the type of their object, and a query for it. */
const singles: [string, string, string][] = rootSingles
  .filter(({ field }) => field !== 'waitForTask')
  .flatMap(({ field, type }) => {
    if (type !== 'Node')
      return [[field, type, `query($id: ID!) { ${field}(id: $id) { ${kept(type)} } }`]];
    return nodeTypes.map((of) => [
      `node(${of})`,
      of,
      `query($id: ID!) { node(id: $id) { id ... on ${of} { ${kept(of)} } } }`,
    ]);
  }) as [string, string, string][];

/** Every filter that takes ids, with the list that has it. */
const references = [...rootLists, ...binLists].flatMap(({ field, type }) => {
  const input = buildSchema().getType(`${type}Filter`);
  const fields: GraphQLInputField[] = isInputObjectType(input)
    ? Object.values(input.getFields())
    : [];
  return fields.filter((f) => String(f.type) === 'IdFilter').map((f) => [field, f] as const);
});

describe.each(['administrator', 'member'])('for the %s', (who) => {
  it.each(Object.entries(cacheableDocuments()))('%s', async (_name, query) => {
    expect(await unheard(who, query.replace(/first: \d+/g, 'first: 3'))).toEqual([]);
  });

  it.each(singles)('one: %s', async (_field, type, query) => {
    expect(
      await unheard(who, query, { id: ids[type]?.[0] ?? encodeGlobalId(type, newId()) }),
    ).toEqual([]);
  });

  it.each(references)('%s, found by a reference', async (list, filter) => {
    const [type = 'HypervisorNode'] = declaredTouches(filter); // references to several types take any
    const id = ids[type]?.[0] ?? encodeGlobalId(type, newId());
    for (const condition of [{ in: [id] }, { isNull: false }]) {
      const query = `query($by: IdFilter!) { ${list}(first: 3, filter: { ${filter.name}: $by }) { totalCount nodes { id } } }`;
      expect(await unheard(who, query, { by: condition })).toEqual([]);
    }
  });

  it('the viewer', async () => {
    expect(
      await unheard(who, '{ viewer { name user { username memberships { username role } } } }'),
    ).toEqual([]);
  });
});

it('nothing that is kept changes with the clock alone', async () => {
  const client = clients.administrator as Client;
  const all = Object.values(cacheableDocuments());
  const answers = async () => {
    const found: unknown[] = [];
    for (const query of all) found.push((await askAnew(client, query)).data);
    return found;
  };
  const before = await answers();
  clock.advance(60 * 60_000);
  expect(await answers()).toEqual(before);
});
