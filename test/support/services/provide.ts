/** Finds the programs of a server on this machine, or installs them where that is possible. */
import { spawn } from 'node:child_process';
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
} from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Software {
  /** As it is called in messages. */
  readonly name: string;
  /** Programs that must lie together in one folder. */
  readonly programs: readonly string[];
  /** Debian packages that have them: the first that exists is taken. */
  readonly packages: readonly string[];
  /** Folders to look in before those of PATH, best first. */
  readonly folders?: () => Promise<readonly string[]>;
}

/** Debian keeps each major version of PostgreSQL apart and puts only some of its programs on PATH. */
async function postgresFolders(): Promise<string[]> {
  const root = '/usr/lib/postgresql';
  const versions = await readdir(root).catch(() => [] as string[]);
  return versions
    .filter((version) => /^\d+$/.test(version))
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(root, version, 'bin'));
}

export const POSTGRES: Software = {
  name: 'PostgreSQL',
  programs: ['initdb', 'postgres', 'pg_dump', 'pg_restore', 'psql'],
  packages: ['postgresql'],
  folders: postgresFolders,
};
export const REDIS: Software = {
  name: 'Redis',
  programs: ['redis-server', 'redis-cli'],
  packages: ['redis-server'],
};
export const ETCD: Software = {
  name: 'etcd',
  programs: ['etcd'],
  packages: ['etcd-server', 'etcd'],
};

export const NGINX: Software = {
  name: 'nginx',
  programs: ['nginx'],
  packages: ['nginx-light', 'nginx'],
};
export const BUSYBOX: Software = { name: 'busybox', programs: ['busybox'], packages: ['busybox'] };
/** A machine's first boot makes keys and certificates with it. */
export const OPENSSL: Software = { name: 'openssl', programs: ['openssl'], packages: ['openssl'] };
export const SHELLCHECK: Software = {
  name: 'shellcheck',
  programs: ['shellcheck'],
  packages: ['shellcheck'],
};

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The folder that holds all programs of `software`, or undefined when no folder does. */
export async function find(software: Software): Promise<string | undefined> {
  const preferred = (await software.folders?.()) ?? [];
  const path = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  const usual = ['/usr/local/bin', '/usr/bin', '/usr/sbin', '/opt/homebrew/bin'];
  return [...preferred, ...path, ...usual].find((folder) =>
    software.programs.every((program) => isExecutable(join(folder, program))),
  );
}

function cannotInstall(software: Software, why: string): Error {
  return new Error(
    `${software.name} is needed by the tests and was not found (${software.programs.join(', ')}). ` +
      `${why} Install it yourself: apt-get install ${software.packages[0]}`,
  );
}

/** Runs the installer in its own session, so that Ctrl-C at the tests does not break into dpkg. */
async function runInstaller(packages: readonly string[]): Promise<{ ok: boolean; log: string }> {
  const script = fileURLToPath(new URL('./apt-install.sh', import.meta.url));
  // A file, not a pipe: dpkg must be able to finish writing when we are killed. It has no name any
  // more once it is open, so nothing is left behind either.
  const folder = mkdtempSync(join(tmpdir(), 'quantix-test-apt-'));
  const output = openSync(join(folder, 'log'), 'w+');
  rmSync(folder, { recursive: true });
  try {
    const installer = spawn('/bin/sh', [script, ...packages], {
      detached: true,
      stdio: ['ignore', output, output],
      env: {
        ...process.env,
        LC_ALL: 'C',
        PATH: `${process.env.PATH}:/usr/sbin:/usr/bin:/sbin:/bin`,
      },
    });
    const code = await new Promise<number | null>((resolve, reject) => {
      installer.once('error', reject);
      installer.once('exit', resolve);
    });
    const buffer = Buffer.alloc(16 * 1024);
    const start = Math.max(0, fstatSync(output).size - buffer.length);
    const length = readSync(output, buffer, 0, buffer.length, start);
    return { ok: code === 0, log: buffer.toString('utf8', 0, length) };
  } finally {
    closeSync(output);
  }
}

/**
 * The folder that holds the programs of `software`. Installs them first when they are missing, we
 * are root and this is a Debian; otherwise the error says what to install. It never just gives up
 * quietly, since a test that is skipped for want of a server proves nothing.
 */
export async function provide(software: Software): Promise<string> {
  const present = await find(software);
  if (present) return present;
  if (process.getuid?.() !== 0) {
    throw cannotInstall(software, 'Only root can install it from here.');
  }
  if (!isExecutable('/usr/bin/apt-get')) {
    throw cannotInstall(software, 'This system has no apt-get to install it with.');
  }
  const { ok, log } = await runInstaller(software.packages);
  const installed = await find(software);
  if (installed) return installed;
  const end = log.split('\n').slice(-25).join('\n');
  throw cannotInstall(
    software,
    `Installing ${software.packages.join(' or ')} ${ok ? 'did not bring it' : 'failed'}:\n${end}\n`,
  );
}
