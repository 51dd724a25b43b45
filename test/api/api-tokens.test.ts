/** Tokens of scripts: made, shown once, used, cut to what they are for, and ended. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashToken } from '../../src/core/tokens.js';
import { newId } from '../../src/ids.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { tablesContaining } from '../support/digest.js';
import { mutate } from '../support/mutations.js';
import type { Made } from '../support/seed.js';
import { createTestClock } from '../support/test-clock.js';
import { until } from '../support/until.js';

const clock = createTestClock();
let world: TestApp;
let owner: Made;
let session: Client;
let project: Made;
let other: Made;
let vm: Made;
beforeAll(async () => {
  world = await createTestApp({ clock, config: { auth: { sessionTtlMs: 10 * 365 * 86_400_000 } } });
  const { seed } = world;
  project = await seed.project();
  other = await seed.project();
  const projects = { [project.uuid]: 'OPERATOR', [other.uuid]: 'OPERATOR' } as const;
  owner = await seed.user('OPERATOR', { username: 'ada', projects });
  session = await world.signIn('ada');
  vm = await seed.vm(project);
  await seed.vm(other);
});
afterAll(() => world.stop());

const READS = ['vm:read', 'project:read'];
const inDays = (days: number) => new Date(clock.now().getTime() + days * 86_400_000).toISOString();

const CREATE = `mutation($input: CreateApiTokenInput!) { made: createApiToken(input: $input) {
  __typename ... on CreateApiTokenPayload { token apiToken { id prefix permissions projectIds state expiresAt lastUsedAt user { id } } }
  ... on UserError { code message path } } }`;
interface Shown {
  readonly id: string;
  readonly prefix: string;
  readonly state: string;
  readonly lastUsedAt: string | null;
}
interface Created {
  readonly __typename: string;
  readonly token: string;
  readonly apiToken: Shown;
  readonly message: string;
}
async function create(client: Client, input: object): Promise<Created> {
  const given = { name: 'ci', permissions: READS, ...input };
  const { data, errors } = await client.answer<{ made: Created }, unknown>(CREATE, {
    input: given,
  });
  expect(errors).toEqual([]);
  return data?.made ?? expect.fail('no answer');
}
async function namesOfMachines(client: Client): Promise<string[]> {
  const { data, errors } = await client.answer<
    { virtualMachines: { totalCount: number; nodes: { name: string }[] } },
    unknown
  >('{ virtualMachines { totalCount nodes { name } } }');
  expect(errors).toEqual([]);
  expect(data?.virtualMachines.totalCount).toBe(data?.virtualMachines.nodes.length);
  return (data?.virtualMachines.nodes ?? []).map(({ name }) => name);
}
const isRefused = async (client: Client): Promise<boolean> => {
  const { errors } = await client.answer('{ viewer { name } }');
  return errors[0]?.extensions.code === 'UNAUTHENTICATED';
};

describe('a new token', () => {
  it('is shown once, kept as a hash, and works as its owner within what it is for', async () => {
    const { token, apiToken } = await create(session, { projectIds: [project.id] });
    expect(token).toMatch(/^qxt_[\w-]{43}$/);
    expect(apiToken).toMatchObject({
      prefix: token.slice(0, 12),
      permissions: [...READS].sort(),
      projectIds: [project.id],
      state: 'ACTIVE',
      expiresAt: inDays(365),
      user: { id: owner.id },
    });
    expect(await tablesContaining(world.data, token.slice(12))).toEqual([]);
    const where = { tokenHash: hashToken(token) };
    expect(await world.data.db.apiToken.count({ where })).toBe(1);
    const script = world.withToken(token);
    const { data } = await script.answer(
      `query($in: ID!, $out: ID!) { viewer { name role apiTokenId permissions
        inside: permissions(projectId: $in) outside: permissions(projectId: $out) } }`,
      { in: project.id, out: other.id },
    );
    const permissions = [...READS].sort();
    expect(data).toEqual({
      viewer: {
        ...{ name: 'ada', role: 'OPERATOR', apiTokenId: apiToken.id },
        ...{ permissions, inside: permissions, outside: [] },
      },
    });
    expect(await namesOfMachines(script)).toEqual([vm.name]);
  });

  it.each([
    ['a permission that there is not', { permissions: ['vm:fly'] }, 'no permission'],
    ['one that its owner has not', { permissions: ['vm:read', 'node:create'] }, 'does not grant'],
    ['the making of tokens', { permissions: ['token:create'] }, 'never given to a token'],
    ['nothing', { permissions: [] }, 'name at least one'],
    ['no projects', { projectIds: [] }, 'leave it out'],
    ['the past', { expiresAt: '2020-01-01T00:00:00.000Z' }, 'in the past'],
    ['longer than may be', { expiresAt: '2126-01-01T00:00:00.000Z' }, 'auth.max_token_ttl'],
  ])('is refused for %s', async (_what, input, says) => {
    expect(await create(session, input)).toMatchObject({
      __typename: 'ValidationError',
      message: expect.stringContaining(says),
    });
  });

  it('is refused for a project that is not its owner’s, as for one that is not there', async () => {
    const { id } = await world.seed.project();
    expect(await create(session, { projectIds: [project.id, id] })).toMatchObject({
      __typename: 'NotFoundError',
      path: ['projectIds', '1'],
    });
  });

  it('is refused when there are a hundred that count', async () => {
    const user = await world.seed.user('VIEWER');
    const rows = Array.from({ length: 100 }, (_, i) => ({
      id: newId(),
      name: `script-${i}`,
      userId: user.uuid,
      tokenHash: hashToken(`${user.name} ${i}`),
      expiresAt: inDays(1),
      revokedAt: i === 0 ? clock.now() : null,
    }));
    await world.data.db.apiToken.createMany({ data: rows });
    const client = await world.signIn(user.name);
    expect((await create(client, {})).__typename).toBe('CreateApiTokenPayload');
    expect(await create(client, {})).toMatchObject({ code: 'VALIDATION' });
  });
});

describe('a token can never', () => {
  it.each([
    ['createApiToken', { name: 'more', permissions: ['vm:read'] }, 'SESSION'],
    ['logout', {}, 'SESSION'],
    [
      'createUser',
      { username: 'eve', email: 'e@example.org', role: 'ADMIN', password: 'quite a long one' },
      'SESSION',
    ],
    ['setUserPassword', { password: 'quite a long one' }, 'SESSION'],
    ['updateUser', { role: 'ADMIN' }, 'SESSION'],
  ] as const)('%s, whatever it is for', async (mutation, input, lacking) => {
    const admin = await world.seed.user('ADMIN');
    const script = world.withToken((await world.seed.apiToken(admin)).token);
    const id = 'password' in input || 'role' in input ? { id: admin.id } : {};
    const given = mutation === 'createUser' ? input : { ...input, ...id };
    expect(await mutate(script, mutation, given)).toMatchObject({
      __typename: 'ForbiddenError',
      lacking,
    });
  });

  it('answer with what another credential of its owner did under the same idempotency key', async () => {
    const input = { projectId: project.id, name: 'keyed', idempotencyKey: 'mine' };
    const first = await mutate(session, 'createSecurityGroup', input);
    expect(first.__typename).toBe('CreateSecurityGroupPayload');
    const reader = world.withToken((await world.seed.apiToken(owner, { scopes: READS })).token);
    expect(await mutate(reader, 'createSecurityGroup', input)).toMatchObject({
      code: 'FORBIDDEN',
      permission: 'security:create',
    });
  });
});

describe('a refusal', () => {
  const start = (client: Client) => mutate(client, 'startVirtualMachine', { id: vm.id });

  it('names what the token lacks where the role would do, and the role where that lacks it', async () => {
    const { seed } = world;
    const reader = world.withToken((await seed.apiToken(owner, { scopes: READS })).token);
    expect(await start(reader)).toMatchObject({
      __typename: 'ForbiddenError',
      permission: 'vm:power',
      lacking: 'TOKEN',
      message: expect.stringContaining('Your token lacks'),
    });
    const projects = { [project.uuid]: 'VIEWER' } as const;
    const observer = await seed.user('OPERATOR', { projects });
    const weak = world.withToken((await seed.apiToken(observer, { scopes: READS })).token);
    expect(await start(weak)).toMatchObject({ permission: 'vm:power', lacking: 'PROJECT_ROLE' });
    const viewer = await seed.user('VIEWER', { projects });
    const weaker = world.withToken((await seed.apiToken(viewer)).token);
    expect(await start(weaker)).toMatchObject({ permission: 'vm:power', lacking: 'ROLE' });
  });

  it('tells nothing of what the token may not read', async () => {
    const blind = world.withToken(
      (await world.seed.apiToken(owner, { scopes: ['vm:power'] })).token,
    );
    expect(await start(blind)).toMatchObject({ __typename: 'NotFoundError' });
  });

  it('names the projects that its owner has left to administrators alone, and is good for none of them', async () => {
    const { seed } = world;
    const [kept, left] = [await seed.project(), await seed.project()];
    const roles = { [kept.uuid]: 'OPERATOR', [left.uuid]: 'OPERATOR' } as const;
    const user = await seed.user('OPERATOR', { projects: roles });
    const both = await seed.apiToken(user, { projectIds: [kept.uuid, left.uuid] });
    const one = await seed.apiToken(user, { projectIds: [left.uuid] });
    const admin = await world.signIn((await seed.user('ADMIN')).name);
    const named = async (client: Client) => {
      const query =
        'query($a: ID!, $b: ID!) { both: apiToken(id: $a) { projectIds } one: apiToken(id: $b) { projectIds } }';
      const { data } = await client.answer<{ both: Ids; one: Ids }, unknown>(query, {
        a: both.id,
        b: one.id,
      });
      return [data?.both.projectIds, data?.one.projectIds];
    };
    type Ids = { projectIds: string[] | null };
    const [all, some] = [
      [[kept.id, left.id], [left.id]],
      [[kept.id], []],
    ];
    const [own, script] = [await world.signIn(user.name), world.withToken(both.token)];
    for (const client of [own, script, admin]) expect(await named(client)).toEqual(all);
    await mutate(admin, 'removeProjectMember', { projectId: left.id, userId: user.id });
    for (const client of [own, script]) expect(await named(client)).toEqual(some);
    expect(await named(admin)).toEqual(all);
    const machine = await seed.vm(left);
    const { data } = await script.answer('query($id: ID!) { node(id: $id) { id } }', {
      id: machine.id,
    });
    expect(data).toEqual({ node: null });
  });

  it('keeps a token of some projects from writing what has no project', async () => {
    const admin = await world.seed.user('ADMIN');
    const token = await world.seed.apiToken(admin, { projectIds: [project.uuid] });
    const confined = world.withToken(token.token);
    expect(await mutate(confined, 'createCluster', { name: 'mine' })).toMatchObject({
      permission: 'cluster:create',
      lacking: 'TOKEN',
    });
    expect(await namesOfMachines(confined)).toEqual([vm.name]);
  });
});

describe('kept answers', () => {
  it('are not shared between a user and tokens, nor between tokens for different things', async () => {
    const everything = await namesOfMachines(session);
    expect(everything).toHaveLength(2);
    const token = async (data: object) =>
      world.withToken((await world.seed.apiToken(owner, data)).token);
    const [all, one, none] = [
      await token({}),
      await token({ projectIds: [project.uuid] }),
      await token({ scopes: ['project:read'] }),
    ];
    for (let round = 0; round < 2; round += 1) {
      expect(await namesOfMachines(all)).toEqual(everything);
      expect(await namesOfMachines(one)).toEqual([vm.name]);
      expect(await namesOfMachines(none)).toEqual([]);
      expect(await namesOfMachines(session)).toEqual(everything);
    }
  });
});

describe('a token that was used before is refused at once when', () => {
  const used = async (data: object = {}) => {
    const user = await world.seed.user('OPERATOR');
    const made = await world.seed.apiToken(user, data);
    const client = world.withToken(made.token);
    expect(await isRefused(client)).toBe(false);
    return { user, made, client };
  };

  it('its owner revokes it; a second time changes nothing', async () => {
    const { apiToken, token } = await create(session, {});
    const client = world.withToken(token);
    expect(await isRefused(client)).toBe(false);
    const first = await mutate(session, 'revokeApiToken', { id: apiToken.id });
    expect(first.__typename).toBe('RevokeApiTokenPayload');
    expect(await isRefused(client)).toBe(true);
    const where = { resourceId: { not: null }, action: 'apiToken.revoke' } as const;
    const entries = await world.data.db.auditEntry.count({ where });
    await mutate(session, 'revokeApiToken', { id: apiToken.id });
    const { revokedAt } = await world.data.db.apiToken.findFirstOrThrow({
      where: { tokenHash: hashToken(token) },
    });
    expect(revokedAt).toEqual(clock.now());
    expect(await world.data.db.auditEntry.count({ where })).toBe(entries + 1); // "unchanged"
  });

  it('an administrator revokes it', async () => {
    const { made, client } = await used();
    const admin = await world.signIn((await world.seed.user('ADMIN')).name);
    await mutate(admin, 'revokeApiToken', { id: made.id });
    expect(await isRefused(client)).toBe(true);
  });

  it('its owner is disabled, and counts again when the owner does', async () => {
    const { user, client } = await used();
    const admin = await world.signIn((await world.seed.user('ADMIN')).name);
    await mutate(admin, 'updateUser', { id: user.id, enabled: false });
    expect(await isRefused(client)).toBe(true);
    await mutate(admin, 'updateUser', { id: user.id, enabled: true });
    expect(await isRefused(client)).toBe(false);
  });

  it('its time is over', async () => {
    const { client } = await used({ expiresAt: inDays(0.001) });
    clock.advance(100_000);
    expect(await isRefused(client)).toBe(true);
  });
});

it('a token follows its owner’s rights: what the owner loses, it loses', async () => {
  const { seed } = world;
  const user = await seed.user('OPERATOR', { projects: { [project.uuid]: 'OPERATOR' } });
  const script = world.withToken((await seed.apiToken(user)).token);
  expect(await namesOfMachines(script)).toEqual([vm.name]);
  const admin = await world.signIn((await seed.user('ADMIN')).name);
  await mutate(admin, 'removeProjectMember', { projectId: project.id, userId: user.id });
  expect(await namesOfMachines(script)).toEqual([]);
});

describe('the last use', () => {
  it('is written once a minute, makes no kept answer stale, and is there to be read', async () => {
    const made = await world.seed.apiToken(owner, { scopes: ['token:read'] });
    const script = world.withToken(made.token);
    const lastUse = async () => {
      const { data } = await session.answer<{ apiToken: Shown }, unknown>(
        'query($id: ID!) { apiToken(id: $id) { lastUsedAt } }',
        { id: made.id },
      );
      return data?.apiToken.lastUsedAt;
    };
    expect(await lastUse()).toBeNull();
    const first = clock.now().toISOString();
    await isRefused(script);
    await until('its use is written', async () => (await lastUse()) === first);
    clock.advance(30_000);
    const again = await world.statementsOf(() => isRefused(script));
    expect(again.filter((sql) => sql.includes('last_used_at ='))).toEqual([]);
    clock.advance(31_000);
    await isRefused(script);
    await until(
      'its use a minute later is written',
      async () => (await lastUse()) === clock.now().toISOString(),
    );
  });
});

it('owners list their own tokens, administrators those of agents too, others none of them', async () => {
  const { seed } = world;
  const user = await seed.user('VIEWER');
  const mine = await seed.apiToken(user);
  const node = await seed.node(await seed.cluster());
  await seed.agentToken(node);
  const list = async (client: Client, filter = '') => {
    const { data, errors } = await client.answer<
      { apiTokens: { nodes: { id: string; hypervisorNode: { id: string } | null }[] } },
      unknown
    >(`{ apiTokens${filter} { nodes { id hypervisorNode { id } } } }`);
    expect(errors).toEqual([]);
    return data?.apiTokens.nodes ?? [];
  };
  expect((await list(await world.signIn(user.name))).map(({ id }) => id)).toEqual([mine.id]);
  const admin = await world.signIn((await seed.user('ADMIN')).name);
  const ofNode = await list(admin, `(filter: {hypervisorNode: {eq: "${node.id}"}})`);
  expect(ofNode).toMatchObject([{ hypervisorNode: { id: node.id } }]);
  expect((await list(session)).map(({ id }) => id)).not.toContain(mine.id);
});

it('an agent’s token can be given a time, and ends with it', async () => {
  const { seed } = world;
  const node = await seed.node(await seed.cluster());
  const admin = await world.signIn((await seed.user('ADMIN')).name);
  const issue = (expiresAt: string) =>
    mutate(admin, 'issueAgentToken', { nodeId: node.id, expiresAt });
  expect(await issue('2020-01-01T00:00:00.000Z')).toMatchObject({ code: 'VALIDATION' });
  const { token } = await issue(inDays(1));
  const agent = world.withToken(String(token));
  expect(await isRefused(agent)).toBe(false);
  clock.advance(86_400_001);
  expect(await isRefused(agent)).toBe(true);
});
