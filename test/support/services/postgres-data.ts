/** Lays out PostgreSQL data folders: initdb runs once for each version, later ones are copies. */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { access, chown, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Account } from './process.js';

export const SUPERUSER = 'quantix';
export const PASSWORD_FILE = 'password';

const run = promisify(execFile);
const CACHE = fileURLToPath(new URL('../../../.cache/', import.meta.url));
const INITDB_OPTIONS = [
  `--username=${SUPERUSER}`,
  '--auth=scram-sha-256',
  '--encoding=UTF8',
  '--locale=C',
  '--lc-ctype=C.UTF-8', // sorts bytes, and knows upper and lower case beyond ASCII
  '--no-sync',
];

/** Copies folders and files with their owner and mode, which PostgreSQL insists on. */
async function copy(from: string, to: string): Promise<void> {
  for (const part of ['data', PASSWORD_FILE]) await run('cp', ['-a', join(from, part), to]);
}

async function initialise(programs: string, folder: string, account?: Account): Promise<void> {
  const passwordFile = join(folder, PASSWORD_FILE);
  const password = `${randomBytes(12).toString('hex')}@/:%#`;
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (account) await chown(passwordFile, account.uid, account.gid);
  const options = [...INITDB_OPTIONS, `--pwfile=${passwordFile}`, '-D', join(folder, 'data')];
  await run(join(programs, 'initdb'), options, { cwd: folder, ...(account ?? {}) });
}

/** Keeps a copy for next time. Whoever comes second, or may not write here, keeps none. */
async function remember(folder: string, cached: string): Promise<void> {
  const draft = `${cached}.${randomBytes(4).toString('hex')}`;
  try {
    await mkdir(draft, { recursive: true, mode: 0o700 });
    await copy(folder, draft);
    await rename(draft, cached); // in one step, so that nobody ever copies half a folder
  } catch {
    await rm(draft, { recursive: true, force: true });
  }
}

/**
 * Puts an initialised `data` folder, and the file with the superuser's password, into `folder`.
 * @param account who is to own them and run the server, when not ourselves
 */
export async function layOutDataFolder(
  programs: string,
  folder: string,
  account?: Account,
): Promise<void> {
  const { stdout: version } = await run(join(programs, 'postgres'), ['--version']);
  const owner = account?.uid ?? process.getuid?.() ?? 0;
  const key = createHash('sha256')
    .update(JSON.stringify([version, programs, owner, INITDB_OPTIONS]))
    .digest('hex');
  const cached = join(CACHE, `postgres-${key.slice(0, 16)}`);
  try {
    await access(join(cached, PASSWORD_FILE));
  } catch {
    await initialise(programs, folder, account);
    await remember(folder, cached);
    return;
  }
  await copy(cached, folder);
}
