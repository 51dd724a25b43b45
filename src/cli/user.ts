/** `user create`: makes a user directly in the database, for the first administrator. */
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { systemViewer } from '../core/authz.js';
import { newId } from '../ids.js';
import type { Options } from './run.js';
import { settingsOf } from './settings.js';
import { UsageError } from './usage.js';

const ROLES = ['ADMIN', 'OPERATOR', 'VIEWER'];

export async function user(words: readonly string[], options: Options): Promise<number> {
  const [action, username, ...rest] = words;
  if (action !== 'create' || !username || rest.length > 0)
    throw new UsageError('Say "user create NAME".');
  const role = options.role ?? 'VIEWER';
  if (!ROLES.includes(role))
    throw new UsageError(`--role takes ADMIN, OPERATOR or VIEWER, not "${role}".`);
  const { config, log } = settingsOf({ 'log-level': 'error', ...options });
  const password = await readPassword();
  // Loaded only now: whoever mistyped a key should not wait for a server to load.
  const [{ createApp }, { execute }, { createUser }] = await Promise.all([
    import('../app.js'),
    import('../core/execute.js'),
    import('../modules/user/commands.js'),
  ]);
  // In memory the user would be gone before anybody could sign in.
  const app = await createApp(
    { ...config, database: { ...config.database, fallback: 'refuse' } },
    { log, alone: true },
  );
  try {
    const input = { username, email: options.email ?? `${username}@localhost`, role, password };
    await execute(createUser, input, {
      services: app.services,
      requestId: newId(),
      viewer: systemViewer('command-line'),
      ipAddress: null,
      userAgent: 'qx-controlplane user create',
      signal: new AbortController().signal,
    });
  } finally {
    await app.stop();
  }
  console.log(`created ${role} ${username}`);
  return 0;
}

/** One line of standard input, so that the password is neither in the process list nor in the shell's history. */
async function readPassword(): Promise<string> {
  const { stdin, stderr } = process;
  if (stdin.isTTY) stderr.write('Password: ');
  // Where somebody types it, nothing of it is shown.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: stdin, output: nowhere, terminal: stdin.isTTY === true });
  const line = await new Promise<string>((resolve) => {
    lines.once('line', resolve);
    lines.once('close', () => resolve(''));
  });
  lines.close();
  stdin.destroy();
  if (stdin.isTTY) stderr.write('\n');
  if (line === '') throw new UsageError('No password came on standard input.');
  return line;
}
