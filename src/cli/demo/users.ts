/** The demo's users, one of each role, and the projects they work in. */
import type { Prisma } from '../../gen/client/client.js';
import { hashPassword } from '../../modules/user/password.js';
import { type Ago, demoId } from './ids.js';
import { type ProjectName, projectId } from './projects.js';

export type Username = 'admin' | 'operator' | 'viewer';

interface DemoUser {
  username: Username;
  password: string;
  role: 'ADMIN' | 'OPERATOR' | 'VIEWER';
}

/** Public by design: a `--dev` start prints them. Nothing but the demo may ever use them. */
export const DEMO_USERS: readonly DemoUser[] = [
  { username: 'admin', password: 'admin-demo', role: 'ADMIN' },
  { username: 'operator', password: 'operator-demo', role: 'OPERATOR' },
  { username: 'viewer', password: 'viewer-demo', role: 'VIEWER' },
];

/** In the order of DEMO_USERS. */
export const hashDemoPasswords = (): Promise<string[]> =>
  Promise.all(DEMO_USERS.map(({ password }) => hashPassword(password)));

export const userId = (username: Username): string => demoId('User', username);

/** Days since each was made, and since its last login. */
const HISTORY: Readonly<Record<Username, { made: number; login: number }>> = {
  admin: { made: 58, login: 0.04 },
  operator: { made: 54, login: 0.2 },
  viewer: { made: 33, login: 2.6 },
};

/** @param hashes the password hashes, in the order of DEMO_USERS */
export function userRows(ago: Ago, hashes: readonly string[]): Prisma.UserCreateManyInput[] {
  return DEMO_USERS.map(({ username, role }, index) => {
    const { made, login } = HISTORY[username];
    return {
      id: userId(username),
      username,
      email: `${username}@example.com`,
      passwordHash: hashes[index] ?? '',
      role,
      lastLogin: ago(login),
      createdAt: ago(made),
      updatedAt: ago(made),
    };
  });
}

// The two share analytics and differ in the other, so that what tenancy hides can be seen by signing in as each.
// biome-ignore format: a table
const MEMBERS: readonly (readonly [ProjectName, Username, 'OPERATOR' | 'VIEWER', days: number])[] = [
  ['web-shop',  'operator', 'OPERATOR', 48],
  ['analytics', 'operator', 'OPERATOR', 46],
  ['analytics', 'viewer',   'VIEWER',   32],
  ['platform',  'viewer',   'VIEWER',   32],
];

export function memberRows(ago: Ago): Prisma.ProjectMemberCreateManyInput[] {
  return MEMBERS.map(([project, username, role, days]) => ({
    projectId: projectId(project),
    userId: userId(username),
    role,
    createdAt: ago(days),
  }));
}
