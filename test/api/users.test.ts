/** Users and memberships: who may come in, and that it takes effect at once. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthenticator } from '../../src/modules/user/authenticate.js';
import { graphql } from '../gen/gql.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import type { Made } from '../support/seed.js';

const Create = graphql(`
  mutation UserTestCreate($input: CreateUserInput!) {
    createUser(input: $input) {
      __typename
      ... on CreateUserPayload { user { id username email role enabled } }
      ... on ValidationError { issues { path message } }
      ... on UserError { code path }
    }
  }
`);
const Update = graphql(`
  mutation UserTestUpdate($input: UpdateUserInput!) {
    updateUser(input: $input) { __typename ... on UpdateUserPayload { user { role enabled version } } ... on UserError { code message } }
  }
`);
const SetPassword = graphql(`
  mutation UserTestPassword($input: SetUserPasswordInput!) {
    setUserPassword(input: $input) { __typename ... on UserError { code message } }
  }
`);
const Delete = graphql(`
  mutation UserTestDelete($input: DeleteUserInput!) {
    deleteUser(input: $input) { __typename ... on UserError { code message } }
  }
`);
const SetMember = graphql(`
  mutation UserTestSetMember($input: SetProjectMemberInput!) {
    setProjectMember(input: $input) {
      __typename
      ... on SetProjectMemberPayload { project { members { username role } } }
      ... on UserError { code path }
    }
  }
`);
const RemoveMember = graphql(`
  mutation UserTestRemoveMember($input: RemoveProjectMemberInput!) {
    removeProjectMember(input: $input) { __typename ... on UserError { code path } }
  }
`);
const Me = graphql(`
  query UserTestMe { viewer { name role } projects { nodes { name } } }
`);
const History = graphql(`
  query UserTestHistory { auditEntries(first: 500) { nodes { action details } } }
`);

let world: TestApp;
let admin: Client;
let project: Made;

beforeAll(async () => {
  world = await createTestApp();
  await world.seed.user('ADMIN', { username: 'ada' });
  project = await world.seed.project();
  admin = await world.signIn('ada');
});
afterAll(() => world.stop());

const update = async (
  client: Client,
  input: { id: string; role?: 'ADMIN' | 'VIEWER'; enabled?: boolean },
) => (await client.run(Update, { input })).updateUser;

describe('creating a user', () => {
  const input = {
    username: 'grace',
    email: 'Grace@Example.test',
    role: 'OPERATOR' as const,
    password: 'cobol and coffee',
  };

  it('makes somebody who can sign in, with the e-mail in lower case', async () => {
    const { createUser: answer } = await admin.run(Create, { input });
    expect(answer).toMatchObject({
      user: { username: 'grace', email: 'grace@example.test', role: 'OPERATOR', enabled: true },
    });
    expect(await world.anonymous.login('grace', input.password)).toEqual(expect.any(String));
  });

  it.each([
    [{ username: 'grace', email: 'other@example.test' }, 'ALREADY_EXISTS', 'username'],
    [{ username: 'other', email: 'GRACE@example.test' }, 'ALREADY_EXISTS', 'email'],
    [{ username: 'Upper' }, 'VALIDATION', 'username'],
    [{ email: 'no mail' }, 'VALIDATION', 'email'],
    [{ password: 'too short' }, 'VALIDATION', 'password'],
    [{ password: 'aaaaaaaaaaaaaaaa' }, 'VALIDATION', 'password'],
  ])('refuses %j', async (change, code, field) => {
    const { createUser: answer } = await admin.run(Create, {
      input: { ...input, username: 'new', email: 'new@example.test', ...change },
    });
    expect(answer).toMatchObject({ code, path: [field] });
  });

  it('leaves no password and no hash anywhere in the audit log', async () => {
    const { auditEntries } = await admin.run(History);
    const text = JSON.stringify(auditEntries.nodes);
    expect(text).toContain('user.create');
    expect(text).not.toContain(input.password);
    expect(text).not.toContain('$argon2');
  });
});

describe('an administrator', () => {
  it('who is the last one stays enabled, administrator and there', async () => {
    const ada = await world.data.db.user.findUniqueOrThrow({ where: { username: 'ada' } });
    const id = Buffer.from(`User:${ada.id}`).toString('base64url');
    for (const change of [{ role: 'VIEWER' as const }, { enabled: false }]) {
      expect(await update(admin, { id, ...change })).toMatchObject({ code: 'LAST_ADMINISTRATOR' });
    }
    expect((await admin.run(Delete, { input: { id } })).deleteUser).toMatchObject({
      code: 'LAST_ADMINISTRATOR',
    });
  });

  it('cannot be removed by another at the same moment as that other one by it', async () => {
    const small = await createTestApp();
    const [one, two] = [await small.seed.user('ADMIN'), await small.seed.user('ADMIN')];
    const [first, second] = [await small.signIn(one.name), await small.signIn(two.name)];
    const answers = await Promise.all([
      update(first, { id: two.id, role: 'VIEWER' }),
      update(second, { id: one.id, role: 'VIEWER' }),
    ]);
    // The slower one is refused as the last, or is no administrator any more when its turn comes.
    expect(answers.filter((a) => a.__typename === 'UpdateUserPayload')).toHaveLength(1);
    expect(await small.data.db.user.count({ where: { role: 'ADMIN', enabled: true } })).toBe(1);
    await small.stop();
  });
});

describe('what is changed about a user', () => {
  it('takes effect at once: disabled is signed out, a new role counts', async () => {
    const user = await world.seed.user('OPERATOR');
    const client = await world.signIn(user.name);
    expect((await client.run(Me)).viewer?.role).toBe('OPERATOR');
    await update(admin, { id: user.id, role: 'VIEWER' });
    expect((await client.run(Me)).viewer?.role).toBe('VIEWER');
    await update(admin, { id: user.id, enabled: false });
    expect((await client.answer(Me)).errors[0]?.extensions.code).toBe('UNAUTHENTICATED');
  });

  it('can be a new password, and then the old one is wrong', async () => {
    const user = await world.seed.user('VIEWER');
    await admin.run(SetPassword, { input: { id: user.id, password: 'something quite new' } });
    await expect(world.anonymous.login(user.name, world.seed.password)).rejects.toThrow(
      'INVALID_CREDENTIALS',
    );
    expect(await world.anonymous.login(user.name, 'something quite new')).toEqual(
      expect.any(String),
    );
  });

  it('is for administrators only: others are hidden from each other', async () => {
    const [user, other] = [await world.seed.user('OPERATOR'), await world.seed.user('VIEWER')];
    const client = await world.signIn(user.name);
    expect(await update(client, { id: other.id, enabled: false })).toMatchObject({
      code: 'NOT_FOUND',
    });
    expect(await update(client, { id: user.id, role: 'ADMIN' })).toMatchObject({
      code: 'FORBIDDEN',
    });
  });

  it('can be the end: what the user did stays in the log', async () => {
    const user = await world.seed.user('OPERATOR');
    await world.signIn(user.name);
    expect((await admin.run(Delete, { input: { id: user.id } })).deleteUser.__typename).toBe(
      'DeleteUserPayload',
    );
    const entries = await world.data.db.auditEntry.findMany({ where: { username: user.name } });
    expect(
      entries.length +
        (await world.data.db.auditEntry.count({ where: { resourceName: user.name } })),
    ).toBeGreaterThan(0);
    expect(entries.every((entry) => entry.userId === null)).toBe(true);
  });
});

describe('a membership', () => {
  it('opens a project, changes its role and closes it again, at once', async () => {
    const user = await world.seed.user('OPERATOR');
    const client = await world.signIn(user.name);
    const names = async () => (await client.run(Me)).projects.nodes.map((p) => p.name);
    expect(await names()).toEqual([]);
    const set = async (role: 'OPERATOR' | 'VIEWER') =>
      (await admin.run(SetMember, { input: { projectId: project.id, userId: user.id, role } }))
        .setProjectMember;
    expect(await set('VIEWER')).toMatchObject({
      project: { members: [{ username: user.name, role: 'VIEWER' }] },
    });
    expect(await set('OPERATOR')).toMatchObject({
      project: { members: [{ username: user.name, role: 'OPERATOR' }] },
    });
    expect(await names()).toEqual([project.name]);
    const remove = async () =>
      (await admin.run(RemoveMember, { input: { projectId: project.id, userId: user.id } }))
        .removeProjectMember;
    expect((await remove()).__typename).toBe('RemoveProjectMemberPayload');
    expect(await names()).toEqual([]);
    expect(await remove()).toMatchObject({ code: 'NOT_FOUND', path: ['userId'] });
  });
});

it('what was loaded while a change was announced is not remembered: it may be what was changed', async () => {
  const { uuid, name } = await world.seed.user('OPERATOR');
  const { token } = await world.signIn(name);
  const { services } = world.app;
  const authenticate = createAuthenticator(services);
  const stop = world.data.onStatement((sql) => {
    if (/FROM "public"."users"/.test(sql)) void services.generations.raise(new Set(['User']));
  });
  expect((await authenticate(token ?? ''))?.viewer.role).toBe('OPERATOR');
  stop();
  // The change itself, told of above, before anybody could have seen it.
  await world.data.db
    .$executeRaw`UPDATE users SET /* unseen */ role = 'VIEWER' WHERE id = ${uuid}::uuid`;
  expect((await authenticate(token ?? ''))?.viewer.role).toBe('VIEWER');
});
