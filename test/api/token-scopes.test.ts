/** What a token is not for does not exist for it, through any path of the graph. Generated from the schema and the entities. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FOR_TOKENS, type Permission } from '../../src/core/authz.js';
import { allEntities, entityCalled } from '../../src/core/entity.js';
import { decodeGlobalId } from '../../src/ids.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { getPage, rootListFields } from '../support/list-walk.js';
import { everythingOf, nodeTypes } from '../support/schema-walk.js';
import type { Made } from '../support/seed.js';
import {
  makeTwoTenants,
  markOf,
  sees,
  type TwoTenants,
  type Viewer,
} from '../support/two-tenants.js';

let world: TestApp;
let made: TwoTenants;
const users: Record<string, Made> = {};
let projectA = '';
beforeAll(async () => {
  world = await createTestApp({ config: { limits: { maxQueryCost: 10_000_000 } } });
  made = await makeTwoTenants(world);
  for (const { id, username } of await world.data.db.user.findMany())
    users[username] = { uuid: id, id: '', name: username };
  const project = { name: markOf('a') };
  projectA = (await world.data.db.project.findFirstOrThrow({ where: project })).id;
});
afterAll(() => world.stop());

const typeOf = (id: string): string => decodeGlobalId(id)?.type ?? '';
const READING = [...new Set(allEntities().flatMap(({ visibility }) => visibility.permissions))];

/** A client with a token of the user, for which its own row is in nobody's way. */
async function tokenOf(user: string, scopes: readonly Permission[], projectIds: string[] = []) {
  const owner = users[user] ?? expect.fail(`there is no ${user}`);
  const { token, id } = await world.seed.apiToken(owner, { scopes: [...scopes], projectIds });
  made.owners.has(id) || (made.owners as Map<string, string>).set(id, `self:${user}`);
  return world.withToken(token);
}

/** The ids in all lists; and all that those objects say of themselves and of everything that hangs on them, as one text. */
async function allOf(client: Client): Promise<{ found: string[]; text: string }> {
  const found: string[] = [];
  const texts: string[] = [];
  for (const list of rootListFields) {
    const page = await getPage(client, list, { first: 100 }, everythingOf(list.type));
    expect([list.name, page.totalCount]).toEqual([list.name, page.nodes.length]);
    found.push(...page.edges.map(({ node }) => node.id));
    texts.push(JSON.stringify(page));
  }
  return { found, text: texts.join('\n') };
}

it('every permission to read can be given to a token', () => {
  expect(READING.filter((permission) => !FOR_TOKENS.includes(permission))).toEqual([]);
});

it.each(READING)(
  'without %s it sees none of that kind: no list, no node, no end',
  async (reading) => {
    const client = await tokenOf(
      'admin',
      FOR_TOKENS.filter((permission) => permission !== reading),
    );
    const isHidden = (id: string): boolean =>
      entityCalled(typeOf(id)).visibility.permissions.includes(reading);
    const { found, text } = await allOf(client);
    expect(found.filter(isHidden)).toEqual([]);
    expect(found.length).toBeGreaterThan(10);
    const hidden = [...made.owners.keys()].filter(isHidden);
    expect(hidden.length).toBeGreaterThan(0);
    for (const id of hidden) {
      const { data } = await client.answer('query($id: ID!) { node(id: $id) { id } }', { id });
      expect(data).toEqual({ node: null });
    }
    // Which project an object belongs to is told with the object; of the project itself nothing is.
    const told = hidden.filter((id) => typeOf(id) !== 'Project');
    expect(told.filter((id) => text.includes(JSON.stringify(id)))).toEqual([]);
    if (reading === 'vm:read') expect(text).not.toMatch(/only-[ab]-vm/);
  },
);

it('for some projects an administrator’s shows what a member of those would see, and no more', async () => {
  const client = await tokenOf('admin', FOR_TOKENS, [projectA]);
  const member: Viewer = { name: 'admin', role: 'OPERATOR', tenants: ['a'], client };
  const expected = [...made.owners].flatMap(([id, owner]) => {
    const elsewhere = typeOf(id) === 'AuditEntry' && owner === 'self:admin';
    const isListed = rootListFields.some(({ type }) => type === typeOf(id));
    return isListed && sees(member, owner) && !elsewhere ? [id] : [];
  });
  const { found, text } = await allOf(client);
  expect(found.sort()).toEqual(expected.sort());
  expect(text).not.toContain(`"${markOf('b')}`);
});

it('for a project that its owner has left it shows nothing of it', async () => {
  const client = await tokenOf('operator-of-b', FOR_TOKENS, [projectA]);
  const { found } = await allOf(client);
  const member: Viewer = { name: 'operator-of-b', role: 'OPERATOR', tenants: [], client };
  expect(found.filter((id) => !sees(member, made.owners.get(id) ?? 'admins'))).toEqual([]);
  expect(found.map(typeOf)).not.toContain('VirtualMachine');
});

it('there is something of every type that could be seen', () => {
  const types = new Set([...made.owners.keys()].map(typeOf));
  expect(nodeTypes.filter((type) => !types.has(type))).toEqual([]);
});
