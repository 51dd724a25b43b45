/** `user create`: makes a user directly in the database, for the first administrator. */
import { createApp } from '../app.js';
import { systemViewer } from '../core/authz.js';
import { execute } from '../core/execute.js';
import { newId } from '../ids.js';
import { createUser } from '../modules/user/commands.js';
import type { Options } from './run.js';
import { settingsOf } from './settings.js';
import { UsageError } from './usage.js';

export async function user(words: readonly string[], options: Options): Promise<number> {
  const [action, username, ...rest] = words;
  if (action !== 'create' || !username || rest.length > 0)
    throw new UsageError('Say "user create NAME".');
  const role = options.role ?? 'VIEWER';
  const { config, log } = settingsOf({ 'log-level': 'warn', ...options });
  const password = await readPassword();
  // In memory the user would be gone before anybody could sign in.
  const app = await createApp(
    { ...config, database: { ...config.database, fallback: 'refuse' } },
    { log },
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
  if (process.stdin.isTTY) process.stderr.write('Password: ');
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += chunk;
    if (text.includes('\n')) break;
  }
  const [line = ''] = text.split(/\r?\n/);
  if (line === '') throw new UsageError('No password came on standard input.');
  return line;
}
