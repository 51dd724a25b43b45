/** Every shell script of the repository: what shellcheck says of it, and that the shell of Alpine can read it. */
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from 'vitest';
import { BUSYBOX, provide, SHELLCHECK } from '../support/services/provide.js';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Read by scripts, as shell. */
const SOURCED = /^openrc\/(conf|rc\.conf)\.d\//;

/** Not ours, or made of what is. */
const OTHERS = new Set(['.git', '.cache', 'node_modules', 'build', 'dist', 'coverage']);

let scripts: readonly string[];
beforeAll(async () => {
  await Promise.all([SHELLCHECK, BUSYBOX].map(provide));
  const found = await Promise.all(
    (await readdir(ROOT))
      .filter((name) => !OTHERS.has(name))
      .map(async (name) => {
        const below = await readdir(`${ROOT}${name}`, { recursive: true }).catch(() => []);
        return [name, ...below.map((file) => `${name}/${file}`)];
      }),
  );
  const files = found.flat().filter((file) => !/\.(ts|js|mjs|md|sql|json|graphql)$/.test(file));
  const first = await Promise.all(
    files.map(
      async (file) => (await readFile(`${ROOT}${file}`, 'utf8').catch(() => '')).split('\n')[0],
    ),
  );
  scripts = files.filter(
    (file, at) => SOURCED.test(file) || /^#!.*\b(sh|bash|openrc-run)$/.test(first[at] ?? ''),
  );
});

it('finds them all', () => {
  expect(scripts).toEqual(
    expect.arrayContaining([
      '.ci/run',
      'openrc/install.sh',
      'openrc/init.d/quantix-controlplane',
      'openrc/conf.d/quantix-firstboot',
      'openrc/firstboot/steps/10-accounts.sh',
      'test/support/appliance/boot.sh',
      'test/support/services/keeper.sh',
    ]),
  );
});

it('has nothing that shellcheck would object to', async () => {
  const bash = scripts.filter((file) => file.startsWith('.ci/'));
  const posix = scripts.filter((file) => !bash.includes(file));
  for (const [shell, files] of [
    ['bash', bash],
    ['sh', posix],
  ] as const) {
    const excluded = shell === 'sh' ? ['--exclude=SC2034'] : [];
    const outcome = await run(
      'shellcheck',
      [`--shell=${shell}`, '--external-sources', '--source-path=SCRIPTDIR', ...excluded, ...files],
      { cwd: ROOT },
    ).catch((error: { stdout: string }) => error);
    expect(outcome.stdout).toBe('');
  }
});

it('can be read by busybox, which is what Alpine has', async () => {
  for (const file of scripts.filter((name) => name.startsWith('openrc/')))
    await run('busybox', ['ash', '-n', file], { cwd: ROOT });
});
