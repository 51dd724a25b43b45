/** The script of continuous integration: its last line and its exit code never flatter a run. */
import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { printSchema } from 'graphql';
import { expect, it, onTestFinished } from 'vitest';
import { declaredErrors, SEEN_FILE } from '../support/declared-errors.js';
import { api } from '../support/schema-walk.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const VITEST = `"${process.execPath}" "${ROOT}node_modules/vitest/vitest.mjs" run`;

interface Outcome {
  readonly code: number;
  readonly lastLine: string;
}

/**
 * Runs the real script in a project of `files`, where `npm` is a stand-in: `npm ci` does `install`
 * and `npm test` does `test`, both shell commands. The test runner and the reporter are the real ones.
 */
async function ci(
  files: Record<string, string>,
  commands: { install?: string; test?: string; seen?: string } = {},
): Promise<Outcome> {
  await mkdir(join(ROOT, '.cache'), { recursive: true });
  const project = await mkdtemp(join(ROOT, '.cache/ci-run-'));
  onTestFinished(() => rm(project, { recursive: true }));
  const { install = 'true', test = VITEST, seen } = commands;
  await cp(join(ROOT, '.ci/run'), join(project, '.ci/run'));
  const npm = `#!/bin/sh\ncase $1 in ci) ${install} ;; test) ${test} ;; *) exit 9 ;; esac\n`;
  const config = `export default { test: {
    include: ['*.test.ts'], pool: 'forks', maxWorkers: 1,
    reporters: ['default', '${ROOT}test/support/summary-reporter.ts'],
  } };`;
  const all = { seen: seen ?? '', 'bin/npm': npm, 'vitest.config.mjs': config, ...files };
  for (const [name, text] of Object.entries(all)) {
    await mkdir(join(project, name, '..'), { recursive: true });
    await writeFile(join(project, name), text);
  }
  await chmod(join(project, 'bin/npm'), 0o755);
  // From another folder and without standard input, as a machine would call it.
  return new Promise((resolve) => {
    const path = `${project}/bin:${process.env.PATH}`;
    const noted = seen === undefined ? '' : join(project, 'seen');
    const env = { ...process.env, PATH: path, CI: 'true', [SEEN_FILE]: noted };
    const run = `exec bash "${project}/.ci/run" <&- 2>&1`;
    execFile('bash', ['-c', run], { env, cwd: '/' }, (error, stdout) => {
      const lastLine = stdout.trimEnd().split('\n').at(-1) ?? '';
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, lastLine });
    });
  });
}

const PASSING = `import { expect, it } from 'vitest';
  it('passes', () => expect(1).toBe(1));
  it('passes too', () => expect(1).toBe(1));`;

it('says how many tests passed, and succeeds when all of them did', async () => {
  const outcome = await ci({ 'a.test.ts': PASSING, 'b.test.ts': PASSING });
  expect(outcome).toEqual({ code: 0, lastLine: '4 passed, 0 failed' });
});

it('counts failed tests, files that do not load and hooks that throw', async () => {
  const outcome = await ci({
    'good.test.ts': PASSING,
    'bad.test.ts': `import { expect, it } from 'vitest';
      it('fails', () => expect(1).toBe(2));
      it.skip('is left out', () => {});`,
    'unloadable.test.ts': `import './no-such-file.js';`,
    'empty.test.ts': '',
    'hook.test.ts': `import { beforeAll, describe, it } from 'vitest';
      it('passes beside it', () => {});
      describe('with a broken hook', () => {
        beforeAll(() => { throw new Error('broken'); });
        it('never runs', () => {});
      });`,
  });
  // Failed: one test, two files, one hook. Skipped: one by choice, one for want of its hook.
  expect(outcome).toEqual({ code: 1, lastLine: '3 passed, 4 failed, 2 skipped' });
});

it('counts errors that happen outside of any test', async () => {
  const outcome = await ci({
    'a.test.ts': `${PASSING}
      it('leaves a promise behind', async () => {
        void Promise.reject(new Error('nobody looks'));
        await new Promise((resolve) => setTimeout(resolve, 50));
      });`,
  });
  expect(outcome).toEqual({ code: 1, lastLine: '3 passed, 1 failed' });
});

it('fails when the test runner dies in the middle', async () => {
  const outcome = await ci({
    'a.test.ts': `import { it } from 'vitest';
      it('kills its runner', async () => {
        process.kill(process.ppid, 'SIGKILL');
        process.kill(process.pid, 'SIGKILL');
      });`,
  });
  expect(outcome.code).toBeGreaterThan(0);
  expect(outcome.lastLine).toBe('0 passed, 1 failed');
});

it('fails when the runner claims success but did not finish or tested nothing', async () => {
  const failure = { code: 1, lastLine: '0 passed, 1 failed' };
  expect(await ci({}, { test: 'true' })).toEqual(failure);
  expect(await ci({}, { test: `${VITEST} --passWithNoTests` })).toEqual(failure);
  const cutOff = `printf 'passed=7\\nfailed=0\\ncomplete=0\\n' >"$TEST_SUMMARY_FILE"`;
  expect(await ci({}, { test: cutOff })).toEqual({ code: 1, lastLine: '7 passed, 1 failed' });
});

it('fails when all tests ran and a declared error of a mutation was never seen', async () => {
  const declared = declaredErrors(printSchema(api));
  const [first, ...others] = declared;
  const files = { 'a.test.ts': PASSING, 'b.test.ts': PASSING };
  const seen = `${others.join('\n')}\n`;
  const all = await ci(files, { seen });
  expect(all).toEqual({ code: 1, lastLine: '4 passed, 1 failed' });
  expect(await ci(files, { seen: `${seen}${first}\n` })).toMatchObject({ code: 0 });
  const some = await ci(files, { seen: '', test: `${VITEST} a.test.ts` });
  expect(some).toEqual({ code: 0, lastLine: '2 passed, 0 failed' });
});

it('stops at a failed installation and keeps its exit code', async () => {
  const outcome = await ci({ 'a.test.ts': PASSING }, { install: 'exit 7' });
  expect(outcome).toEqual({ code: 7, lastLine: '0 passed, 1 failed' });
});
