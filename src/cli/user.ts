/**
 * `user ...`: users directly in the database, for the first administrator and for whoever is locked out. What it does goes through
 * the gate as from the API, and is audited as done by the command line; it ends when all running instances go by it.
 */
import type { Command } from '../core/command.js';
import type { Services } from '../core/context.js';
import { encodeGlobalId } from '../ids.js';
import { asSystem } from './as-system.js';
import { readPassword } from './password-input.js';
import type { Options } from './run.js';
import { settingsOf } from './settings.js';
import { UsageError } from './usage.js';

const ROLES = ['ADMIN', 'OPERATOR', 'VIEWER'];
const WAYS =
  'Say "user create NAME", "user list", "user set-password NAME", "user enable NAME", "user disable NAME" or "user revoke-sessions NAME".';

const NEED_PASSWORD = ['create', 'set-password'];

/** What a way to call it does; the text is printed. */
type Action = (work: Work, username: string, options: Options) => Promise<string>;

interface Work {
  readonly services: Services;
  readonly password: string;
  give(command: Command<never>, input: object): Promise<object>;
}

const ACTIONS: Readonly<Record<string, Action>> = {
  async create({ give, password }, username, options) {
    const role = options.role ?? 'VIEWER';
    const { createUser } = await import('../modules/user/commands.js');
    await give(createUser as never, {
      ...{ username, email: options.email ?? `${username}@localhost`, role, password },
      mustChangePassword: options['must-change-password'] === true,
    });
    return `created ${role} ${username}`;
  },
  async list({ services }) {
    const users = await services.data.db.user.findMany({
      orderBy: { username: 'asc' },
      include: { _count: { select: { sessions: true } } },
    });
    const rows = users.map((user) => [
      user.username,
      user.role,
      user.enabled ? 'enabled' : 'disabled',
      user.mustChangePassword ? 'must change the password' : '',
      `${user._count.sessions} sessions`,
      user.lastLogin ? `last signed in ${user.lastLogin.toISOString()}` : 'never signed in',
    ]);
    return table(rows) || 'There are no users.';
  },
  async 'set-password'(work, username, options) {
    const id = await idOf(work, username);
    const { password } = work;
    const { setUserPassword } = await import('../modules/user/admin-commands.js');
    const mustChangePassword = options['must-change-password'] === true;
    await work.give(setUserPassword as never, { id, password, mustChangePassword });
    return `${username} has a new password, and is signed out`;
  },
  enable: (work, username) => setEnabled(work, username, true),
  disable: (work, username) => setEnabled(work, username, false),
  async 'revoke-sessions'(work, username) {
    const id = await idOf(work, username);
    const { revokeUserSessions } = await import('../modules/user/session-commands.js');
    await work.give(revokeUserSessions as never, { id });
    return `${username} is signed out everywhere`;
  },
};

async function setEnabled(work: Work, username: string, enabled: boolean): Promise<string> {
  const id = await idOf(work, username);
  const { updateUser } = await import('../modules/user/admin-commands.js');
  await work.give(updateUser as never, { id, enabled });
  return enabled ? `${username} can sign in` : `${username} is signed out, and cannot sign in`;
}

export async function user(words: readonly string[], options: Options): Promise<number> {
  const [name = '', username = '', ...rest] = words;
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (!action || rest.length > 0 || (name === 'list') !== (username === ''))
    throw new UsageError(WAYS);
  if (options.role !== undefined && !ROLES.includes(options.role))
    throw new UsageError(`--role takes ADMIN, OPERATOR or VIEWER, not "${options.role}".`);
  const settings = settingsOf({ 'log-level': 'error', ...options });
  const password = NEED_PASSWORD.includes(name) ? await readPassword() : '';
  const { execute } = await import('../core/execute.js');
  console.log(
    await asSystem(settings, { command: `user ${name}` }, (call) => {
      const give = (command: Command<never>, input: object) => execute(command, input, call);
      return action({ services: call.services, password, give }, username, options);
    }),
  );
  return 0;
}

async function idOf({ services }: Work, username: string): Promise<string> {
  const found = await services.data.db.user.findUnique({
    where: { username },
    select: { id: true },
  });
  if (!found) throw new Error(`There is no user "${username}". "user list" shows those there are.`);
  return encodeGlobalId('User', found.id);
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .filter((cell) => cell !== '')
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
