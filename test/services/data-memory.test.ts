/** The prepared database behind the one in memory: made once, found again, and made anew when it is no good. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openMemory } from '../../src/data/memory.js';
import { packageRoot } from '../../src/data/migrations.js';
import { openData } from '../../src/data/open.js';
import { addCluster, databaseOptions, silent } from './data-fixtures.js';

const run = promisify(execFile);

const OLD = 'pglite-0123456789abcdef.tar.gz';
const RECENT = 'pglite-fedcba9876543210.tar.gz';
const FOREIGN = 'notes.txt';

/** Made once, at the first opening: making it takes seconds, and most tests only need one that is there. */
let whole: { name: string; content: Buffer };
let beside: string[];
beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'prepared-'));
  const longAgo = new Date(Date.now() - 48 * 3_600_000);
  for (const name of [OLD, RECENT, FOREIGN]) await writeFile(join(folder, name), '');
  for (const name of [OLD, FOREIGN]) await utimes(join(folder, name), longAgo, longAgo);
  expect(await clustersOf({ cacheDir: folder })).toBe(1);
  const names = await readdir(folder);
  beside = names.filter((name) => [OLD, RECENT, FOREIGN].includes(name)).sort();
  const [name, ...others] = names.filter((one) => !beside.includes(one));
  expect(others).toEqual([]);
  whole = { name: String(name), content: await readFile(join(folder, String(name))) };
  await rm(folder, { recursive: true });
});

let cacheDir: string;
beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'prepared-'));
});
afterEach(() => rm(cacheDir, { recursive: true }));

async function clustersOf(options: { cacheDir: string }): Promise<number> {
  const data = await openMemory(options);
  try {
    await addCluster(data.db);
    return await data.db.cluster.count();
  } finally {
    await data.close();
  }
}

describe('the prepared database', () => {
  test('takes the place of those of earlier versions, and nothing else is touched', () => {
    expect(whole.name).toMatch(/^pglite-[0-9a-f]{16}\.tar\.gz$/);
    expect(beside).toEqual([FOREIGN, RECENT].sort());
  });

  test('is used by later openings, which all start empty', async () => {
    const file = join(cacheDir, whole.name);
    await writeFile(file, whole.content);
    const before = await stat(file);
    await expect(clustersOf({ cacheDir })).resolves.toBe(1);
    await expect(clustersOf({ cacheDir })).resolves.toBe(1);
    const after = await stat(file);
    expect([after.ino, after.mtimeMs]).toEqual([before.ino, before.mtimeMs]);
  });

  test('is made anew when the file is changed in one bit', async () => {
    const file = join(cacheDir, whole.name);
    const damaged = Buffer.from(whole.content);
    const at = Math.floor(damaged.length / 2);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    await writeFile(file, damaged);
    await expect(clustersOf({ cacheDir })).resolves.toBe(1);
    const repaired = await stat(file);
    expect(repaired.size).toBeGreaterThan(whole.content.length * 0.9);
    await expect(clustersOf({ cacheDir })).resolves.toBe(1);
    expect((await stat(file)).ino).toBe(repaired.ino);
  });

  test('is made anew when the file is whole but no database', async () => {
    const file = join(cacheDir, whole.name);
    await writeFile(file, gzipSync('not a database'));
    await expect(clustersOf({ cacheDir })).resolves.toBe(1);
    expect((await stat(file)).size).toBeGreaterThan(whole.content.length * 0.9);
  });

  test('is done without when it cannot be kept', async () => {
    const file = join(cacheDir, 'a-file');
    await writeFile(file, '');
    await expect(clustersOf({ cacheDir: join(file, 'below') })).resolves.toBe(1);
  });
});

test('two databases in one process know nothing of each other', async () => {
  const [one, two] = await Promise.all([openMemory(), openMemory()]);
  try {
    await addCluster(one.db);
    await expect(Promise.all([one.db.cluster.count(), two.db.cluster.count()])).resolves.toEqual([
      1, 0,
    ]);
  } finally {
    await Promise.all([one.close(), two.close()]);
  }
});

test('--dev opens it without looking for a server', async () => {
  const nowhere = { host: '127.0.0.1', port: 1, user: 'x', password: 'x' };
  const config = {
    mode: 'dev' as const,
    database: databaseOptions(nowhere, 'x'),
    limits: { queueWaitMs: 1_000, maxQueuedCommands: 10 },
  };
  const data = await openData(config, silent);
  expect([data.kind, data.persistent]).toEqual(['memory', false]);
  await data.close();
});

describe('several processes that need it at once', () => {
  test('all get a whole one, and leave one whole file', async () => {
    const script = `
      import { openMemory } from ${JSON.stringify(join(packageRoot(), 'build', 'data', 'memory.js'))};
      const data = await openMemory({ cacheDir: process.env.CACHE_DIR });
      console.log(await data.db.project.count());
      await data.close();`;
    const start = () =>
      run(process.execPath, ['--input-type=module', '--eval', script], {
        env: { ...process.env, CACHE_DIR: cacheDir },
      });
    const ended = await Promise.all([start(), start()]);
    expect(ended.map(({ stdout }) => stdout.trim())).toEqual(['1', '1']);
    expect(await readdir(cacheDir)).toEqual([
      expect.stringMatching(/^pglite-[0-9a-f]{16}\.tar\.gz$/),
    ]);
  }, 60_000);
});
