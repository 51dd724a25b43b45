/** The table of permissions, as everybody reads it in docs/permissions.md: a change of it is seen here. */
import { describe, expect, test } from 'vitest';
import { permissionTable } from '../../src/cli/reference.js';
import {
  FOR_TOKENS,
  lackOf,
  may,
  type Permission,
  rightsText,
  type Scope,
  systemViewer,
  type Viewer,
  withScope,
} from '../../src/core/authz.js';

test('who may do what, where', () => {
  const { head, rows } = permissionTable();
  const short = rows.map(([permission = '', ...cells]) =>
    [permission.replaceAll('`', '').padEnd(18), ...cells.map((c) => (c ? '+' : '.'))].join(' '),
  );
  expect(head).toHaveLength(9);
  expect(`\n${short.join('\n')}\n`).toMatchInlineSnapshot(`
    "
    alert:create       + . . . . . . +
    alert:delete       + . . . . . . +
    alert:read         + + + + + + . +
    alert:update       + . + . . . . +
    audit:read         + + + + + + . +
    cluster:create     + . . . . . . +
    cluster:delete     + . . . . . . +
    cluster:read       + + + + + + . +
    cluster:update     + . . . . . . +
    drs:create         + . . . . . . +
    drs:delete         + . . . . . . +
    drs:read           + + + + + + . +
    drs:update         + . . . . . . +
    image:create       + . + . . . . +
    image:delete       + . + . . . . +
    image:read         + + + + + + . +
    image:update       + . + . . . . +
    network:create     + . + . . . . +
    network:delete     + . + . . . . +
    network:read       + + + + + + . +
    network:update     + . + . . . . +
    node:create        + . . . . . . +
    node:delete        + . . . . . . +
    node:read          + + + + + + . +
    node:report        . . . . . . + .
    node:update        + . . . . . . +
    project:create     + . . . . . . +
    project:delete     + . . . . . . +
    project:read       + + + + + + . +
    project:update     + . . . . . . +
    security:create    + . + . . . . +
    security:delete    + . + . . . . +
    security:read      + + + + + + . +
    security:update    + . + . . . . +
    storage:create     + . + . . . . +
    storage:delete     + . + . . . . +
    storage:read       + + + + + + . +
    storage:update     + . + . . . . +
    system:audit       + . . . . . . +
    system:config      + . . . . . . +
    task:read          + + + + + + . +
    token:create       + + + + + + . .
    token:delete       + + + + + + . +
    token:read         + + + + + + . +
    user:create        + . . . . . . .
    user:delete        + . . . . . . .
    user:read          + + + + + + . +
    user:update        + . . . . . . .
    vm:console         + . + . . . . +
    vm:create          + . + . . . . +
    vm:delete          + . + . . . . +
    vm:migrate         + . + . . . . +
    vm:power           + . + . . . . +
    vm:read            + + + + + + . +
    vm:snapshot        + . + . . . . +
    vm:update          + . + . . . . +
    "
  `);
});

const user = (
  role: Viewer['role'],
  projects: Record<string, 'OPERATOR' | 'VIEWER'> = {},
): Viewer => ({
  ...systemViewer('test'),
  id: 'u',
  role,
  projects: new Map(Object.entries(projects)),
});
const scope = (permissions: Permission[], projects: string[] | null = null): Scope => ({
  permissions: new Set(permissions),
  projects: projects && new Set(projects),
});

describe('a token', () => {
  test('never adds to what its owner may', () => {
    for (const role of ['ADMIN', 'OPERATOR', 'VIEWER'] as const) {
      const owner = user(role, { a: 'OPERATOR', b: 'VIEWER' });
      for (const projects of [null, ['a'], ['a', 'c']]) {
        const token = withScope(owner, scope([...FOR_TOKENS], projects));
        for (const permission of FOR_TOKENS)
          for (const place of [null, 'a', 'b', 'c'])
            if (may(token, permission, place)) expect(may(owner, permission, place)).toBe(true);
      }
    }
  });

  test('of some projects writes in those alone, and reads infrastructure as it is for', () => {
    const token = withScope(user('ADMIN'), scope(['vm:power', 'node:read', 'node:update'], ['a']));
    expect(may(token, 'vm:power', 'a')).toBe(true);
    expect(lackOf(token, 'vm:power', 'b')).toBe('TOKEN');
    expect(may(token, 'node:read', null)).toBe(true);
    expect(lackOf(token, 'node:update', null)).toBe('TOKEN');
    expect(lackOf(token, 'node:delete', null)).toBe('TOKEN');
  });

  test('is never for making users, tokens or anything that may do more', () => {
    const never = FOR_TOKENS.filter((p) => /^(user|token|session):/.test(p));
    expect(never).toEqual(['token:delete', 'token:read', 'user:read']);
    const token = withScope(user('ADMIN'), scope(['user:create', 'token:create']));
    expect(lackOf(token, 'user:update', null)).toBe('SESSION');
  });

  test('has rights of its own, by which answers are kept', () => {
    const owner = user('OPERATOR', { a: 'OPERATOR' });
    const texts = [
      owner,
      withScope(owner, scope(['vm:read'])),
      withScope(owner, scope(['vm:read'], ['a'])),
      withScope(owner, scope(['vm:read', 'node:read'])),
    ].map(rightsText);
    expect(new Set(texts).size).toBe(4);
    const [first, second] = [scope(['vm:read', 'node:read']), scope(['node:read', 'vm:read'])];
    expect(rightsText(withScope(owner, first))).toBe(rightsText(withScope(owner, second)));
  });
});
