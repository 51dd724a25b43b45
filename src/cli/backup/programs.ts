/** PostgreSQL's own pg_dump and pg_restore: found, run, and fed through pipes, so that they end when this process does. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { access, constants, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { rootCertificates } from 'node:tls';
import { promisify } from 'node:util';
import type { ConnectionOptions } from '../../data/connection.js';
import { BackupError } from './failure.js';
import { type Part, writeStream } from './files.js';
import { major } from './manifest.js';

export interface Programs {
  readonly folder: string;
  readonly major: number;
}

const run = promisify(execFile);
const NEWEST = 30;

/** Debian, Alpine, PostgreSQL's own packages; then whatever is in the usual folders. */
function candidates(least: number): string[] {
  const versions = Array.from({ length: NEWEST - least + 1 }, (_, i) => least + i);
  return [
    ...versions.flatMap((n) => [
      `/usr/lib/postgresql/${n}/bin`,
      `/usr/libexec/postgresql${n}`,
      `/usr/pgsql-${n}/bin`,
    ]),
    '/usr/local/bin',
    '/usr/bin',
  ];
}

async function majorOf(folder: string): Promise<number | null> {
  try {
    await access(join(folder, 'pg_restore'), constants.X_OK);
    const { stdout } = await run(join(folder, 'pg_dump'), ['--version'], { env: {} });
    return Number(/\) (\d+)/.exec(stdout)?.[1] ?? Number.NaN) || null;
  } catch {
    return null;
  }
}

/**
 * The programs of the server's major version, or the next newer ones that are there.
 * @param tools the only folder to look in, when it is not empty
 * @throws {BackupError} there are none, or they are older than the server
 */
export async function findPrograms(serverVersion: number, tools: string): Promise<Programs> {
  const wanted = major(serverVersion);
  let older: Programs | null = null;
  for (const folder of tools === '' ? candidates(wanted) : [tools]) {
    const found = await majorOf(folder);
    if (found === null) continue;
    if (found >= wanted) return { folder, major: found };
    older = { folder, major: found };
  }
  throw new BackupError(
    older
      ? `The server is PostgreSQL ${wanted}, and pg_dump in ${older.folder} is of ${older.major}: an older one cannot dump it. Install the client programs of PostgreSQL ${wanted} (Alpine: postgresql${wanted}-client, Debian: postgresql-client-${wanted}).`
      : `There is no pg_dump${tools === '' ? '' : ` in ${tools}`}. Install the client programs of PostgreSQL ${wanted} (Alpine: postgresql${wanted}-client, Debian: postgresql-client-${wanted}), or say where they are with backup.tools.`,
  );
}

/**
 * Runs `work` with the environment of libpq, and nothing of ours: the password is never in the list of processes.
 * Without a file of authorities libpq gets those that our own connections believe: of the system's it knows from version 16 on,
 * and not for every mode.
 */
async function withLibpq<T>(
  options: ConnectionOptions,
  work: (environment: Record<string, string>) => Promise<T>,
): Promise<T> {
  const { sslMode, sslCaFile } = options;
  if (sslCaFile || sslMode === 'disable' || sslMode === 'require')
    return work(environment(options, sslCaFile ?? null));
  const folder = await mkdtemp(join(tmpdir(), 'quantix-authorities-'));
  try {
    const file = join(folder, 'authorities.pem');
    await writeFile(file, rootCertificates.join('\n'));
    return await work(environment(options, file));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function environment(options: ConnectionOptions, authorities: string | null) {
  return {
    LC_ALL: 'C',
    PGHOST: options.host,
    PGPORT: String(options.port),
    PGUSER: options.user,
    PGPASSWORD: options.password ?? '',
    PGDATABASE: options.database,
    PGSSLMODE: options.sslMode,
    ...(authorities === null ? {} : { PGSSLROOTCERT: authorities }),
    PGCONNECT_TIMEOUT: String(Math.max(2, Math.ceil(options.connectTimeoutMs / 1000))),
    PGAPPNAME: 'qx-controlplane backup',
    PGOPTIONS: '-c statement_timeout=0 -c lock_timeout=60000',
  };
}

const KEPT_ERRORS = 4_000;

/** Resolves when it ended well; rejects with what it said. */
function ending(child: ChildProcess, name: string): Promise<void> {
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-KEPT_ERRORS);
  });
  const end = Promise.race([
    once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>,
    once(child, 'error').then(([error]) => Promise.reject(error)),
  ]).then(([code, signal]) => {
    if (code === 0) return;
    const reason = said.trim().replace(/\s*\n\s*/g, '; ');
    throw new BackupError(`${name} failed (${signal ?? `exit code ${code}`}): ${reason}`);
  });
  end.catch(() => {}); // told by whoever waits for it
  return end;
}

/** Dumps the snapshot into a new file. */
export async function dump(
  programs: Programs,
  options: ConnectionOptions,
  snapshot: string,
  file: string,
): Promise<Part> {
  const args = ['--format=custom', `--snapshot=${snapshot}`, '--no-password'];
  return withLibpq(options, async (env) => {
    const child = spawn(join(programs.folder, 'pg_dump'), args, {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = ending(child, 'pg_dump');
    try {
      const part = await writeStream(file, child.stdout);
      await ended;
      return part;
    } finally {
      child.kill('SIGKILL');
    }
  });
}

/** Restores a dump into an empty database, all of it or nothing. Owner of everything is who connects; privileges are granted later. */
export async function undump(
  programs: Programs,
  options: ConnectionOptions,
  file: string,
): Promise<void> {
  const args = ['--single-transaction', '--exit-on-error', '--no-owner', '--no-privileges'];
  return withLibpq(options, async (env) => {
    const child = spawn(
      join(programs.folder, 'pg_restore'),
      // comments and the schema itself belong to whoever made the database
      [...args, '--no-comments', '--no-password', `--dbname=${options.database}`],
      { env, stdio: ['pipe', 'ignore', 'pipe'] },
    );
    const ended = ending(child, 'pg_restore');
    try {
      // when it ends first, what it said is the better reason
      const fed = pipeline(createReadStream(file), child.stdin).catch((error: unknown) => error);
      await ended;
      const failure = await fed;
      // whoever has read all that it wants may close the pipe
      if (failure && (failure as NodeJS.ErrnoException).code !== 'EPIPE') throw failure;
    } finally {
      child.kill('SIGKILL');
    }
  });
}
