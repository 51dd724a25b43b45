/** Whatever ends a test run, even SIGKILL: its servers and their folders end with it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { isRunning } from '../support/services/process.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SERVICES = join(ROOT, 'test/support/services');

interface Started {
  pid: number;
  folder: string;
}

/** Runs node with `args` and collects what the servers in it report, one line of JSON each. */
async function untilStarted(args: string[], count: number) {
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += String(chunk);
    });
  }
  const started = await vi.waitFor(
    () => {
      const lines = [...output.matchAll(/^STARTED (.*)$/gm)].map((match) => match[1] as string);
      if (lines.length < count) throw new Error(`only ${lines.length} of ${count}:\n${output}`);
      return lines.map((line) => JSON.parse(line) as Started);
    },
    { timeout: 20_000, interval: 50 },
  );
  return { child, started };
}

async function expectGone(started: Started[]): Promise<void> {
  await vi.waitFor(
    () => {
      expect(started.filter(({ pid }) => isRunning(pid))).toEqual([]);
      expect(started.filter(({ folder }) => existsSync(folder))).toEqual([]);
    },
    { timeout: 5_000, interval: 50 },
  );
}

function kill(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}

/** Reports a handle to us: the folder is the working directory that the server was started in. */
const REPORT = `
  const report = ({ pid }) => {
    const cwd = fs.readlinkSync('/proc/' + pid + '/cwd');
    console.log('STARTED ' + JSON.stringify({ pid, folder: cwd.replace(/\\/data$/, '') }));
  };`;

describe('a process that started servers', () => {
  const script = `
    import fs from 'node:fs';
    import { runnerImport } from 'vite';
    ${REPORT}
    const load = async (name) =>
      (await runnerImport('${SERVICES}/' + name + '.ts', { configFile: false })).module;
    const { startPostgres } = await load('postgres');
    const { startRedis } = await load('redis');
    const { startEtcd } = await load('etcd');
    const paused = await startPostgres();
    for (const handle of [paused, await startPostgres(), await startRedis(), await startEtcd()])
      report(handle);
    paused.pause();
    if (process.argv.includes('stay')) setInterval(() => {}, 1000);
  `;
  const args = ['--input-type=module', '-e', script];

  it('takes them along when it is killed with SIGKILL, even a paused one', async () => {
    const { child, started } = await untilStarted([...args, 'stay'], 4);
    expect(started.filter(({ pid }) => isRunning(pid))).toHaveLength(4);
    expect(started.filter(({ folder }) => existsSync(folder))).toHaveLength(4);
    await kill(child);
    await expectGone(started);
  });

  it('is not kept alive by them, and takes them along when it simply ends', async () => {
    const { child, started } = await untilStarted(args, 4);
    if (child.exitCode === null) await new Promise((resolve) => child.once('exit', resolve));
    expect(child.exitCode).toBe(0);
    await expectGone(started);
  });
});

describe('a test run', () => {
  it('takes the shared server and those of its workers along when it is killed', async () => {
    await mkdir(join(ROOT, '.cache'), { recursive: true });
    const project = await mkdtemp(join(ROOT, '.cache/killed-run-'));
    onTestFinished(() => rm(project, { recursive: true }));
    await writeFile(
      join(project, 'hang.test.ts'),
      `import fs from 'node:fs';
      import { inject, it } from 'vitest';
      import { startPostgres } from '${SERVICES}/postgres.ts';
      import { startRedis } from '${SERVICES}/redis.ts';
      ${REPORT}
      it('hangs', { timeout: 60_000 }, async () => {
        report(await startPostgres());
        report(await startRedis());
        report({ pid: process.pid });
        const shared = fs.readdirSync('/proc').filter((pid) => /^\\d+$/.test(pid)).find((pid) => {
          try {
            const line = fs.readFileSync('/proc/' + pid + '/cmdline', 'utf8');
            return line.includes('postgres\\0-D') && line.includes('-p\\0' + inject('postgres').port);
          } catch {
            return false;
          }
        });
        report({ pid: Number(shared) });
        await new Promise((resolve) => setTimeout(resolve, 60_000));
      });`,
    );
    await writeFile(
      join(project, 'vitest.config.mjs'),
      `export default { test: {
        include: ['*.test.ts'], pool: 'forks', disableConsoleIntercept: true,
        globalSetup: ['${ROOT}test/support/services.global.ts'],
      } };`,
    );
    const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
    const { child, started } = await untilStarted([vitest, 'run', '--root', project], 4);
    const [postgres, redis, worker, shared] = started as [Started, Started, Started, Started];
    expect([postgres, redis, worker, shared].filter(({ pid }) => isRunning(pid))).toHaveLength(4);
    await kill(child);
    await expectGone([postgres, redis, shared]);
    await vi.waitFor(() => expect(isRunning(worker.pid)).toBe(false), { timeout: 5_000 });
  });
});
