/** docs/client.md is true: its files, as they stand there, make a program that type-checks and works. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../support/app.js';
import { root, sdl } from './schema.js';

const exec = promisify(execFile);
const FILES = ['package.json', 'tsconfig.json', 'codegen.yml', 'src/api.ts', 'src/stop-running.ts'];

let folder: string;
let world: TestApp;
let page: string;

/** Runs a program in the folder; its output, or its failure with its output. */
async function run(program: string, ...args: string[]): Promise<string> {
  try {
    return (await exec(program, args, { cwd: folder })).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}${stderr}`, { cause: error });
  }
}
const tool = (name: string): string => join(root, 'node_modules/.bin', name);

/** The code block that follows the file's name. */
function fileOf(name: string): string {
  const [, rest = ''] = page.split(`\n\`${name}\``, 2);
  const [, text] = /```\w+\n([\s\S]*?)```/.exec(rest) ?? [];
  if (!text) throw new Error(`docs/client.md has no ${name}`);
  return text;
}

async function write(name: string, text: string): Promise<void> {
  await mkdir(dirname(join(folder, name)), { recursive: true });
  await writeFile(join(folder, name), text);
}

beforeAll(async () => {
  page = await readFile(join(root, 'docs/client.md'), 'utf8');
  folder = await mkdtemp(join(tmpdir(), 'quantix-client-'));
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  await write('schema.graphql', sdl);
  for (const name of FILES) await write(name, fileOf(name));
  await run(tool('graphql-codegen'));
  await run(tool('tsc'));
  world = await createTestApp({ config: { server: { host: '127.0.0.1', port: 0 } } });
});
afterAll(async () => {
  await world?.stop();
  await rm(folder, { recursive: true, force: true });
});

describe('the client of docs/client.md', () => {
  it('signs in, pages through a list, and acts on it', async () => {
    const { seed, data, app } = world;
    const project = await seed.project();
    const node = await seed.node(await seed.cluster());
    const state = { node, claimed: true, powerState: 'RUNNING', desiredState: 'RUNNING' } as const;
    const on = await seed.vm(project, { ...state, name: 'web-1' });
    const off = await seed.vm(project, { name: 'web-2' });
    await seed.user('OPERATOR', { username: 'otto', projects: { [project.uuid]: 'OPERATOR' } });
    const { url } = await app.start();
    const script = (): Promise<string> =>
      run('node', 'dist/stop-running.js', url, 'otto', seed.password);

    expect(await script()).toBe('web-1: stopping\n');
    const rows = await data.db.virtualMachine.findMany({
      where: { id: { in: [on.uuid, off.uuid] } },
    });
    expect(rows.map(({ desiredState }) => desiredState)).toEqual(['STOPPED', 'STOPPED']);
    // Its task is not done yet: the second run has another intention, and is told to wait.
    expect(await script()).toMatch(/^web-1: busy, try again in \d+ ms\n$/);
    await expect(run('node', 'dist/stop-running.js', url, 'otto', 'wrong')).rejects.toThrow(
      'The user name or the password is wrong',
    );
  });

  it('does not compile when it reads what it did not ask for', async () => {
    await write(
      'src/wrong.ts',
      fileOf('src/stop-running.ts').replace('{ id, name, generation }', '{ id, name, powerState }'),
    );
    await expect(run(tool('tsc'), '--noEmit')).rejects.toThrow(/wrong\.ts.*powerState/);
    await rm(join(folder, 'src/wrong.ts'));
  });
});

describe('its check for breaking changes', () => {
  it('names what breaks, and nothing when nothing does', async () => {
    const blocks = [...page.matchAll(/```js\n([\s\S]*?)```/g)].map(([, text]) => text ?? '');
    await write('breaks.js', blocks.at(-1) ?? '');
    await write(
      'next.graphql',
      sdl.replace('\n  allowedOperations: [', '\n  possibleOperations: ['),
    );
    expect(await run('node', 'breaks.js', 'schema.graphql', 'schema.graphql')).toBe('');
    expect(await run('node', 'breaks.js', 'schema.graphql', 'next.graphql')).toBe(
      'VirtualMachine.allowedOperations was removed.\n',
    );
  });
});
