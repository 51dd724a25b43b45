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

/** Made once: making it takes seconds, and most tests only need one that is there. */
let whole: { name: string; content: Buffer };
beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'prepared-'));
  await clustersOf({ cacheDir: folder });
  const [name] = await readdir(folder);
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
  test('is made at the first opening, in place of those of earlier versions, and nothing else is touched', async () => {
    const [old, recent, foreign] = [
      'pglite-0123456789abcdef.tar.gz',
      'pglite-fedcba9876543210.tar.gz',
      'notes.txt',
    ];
    for (const name of [old, recent, foreign]) await writeFile(join(cacheDir, name), '');
    const longAgo = new Date(Date.now() - 48 * 3_600_000);
    for (const name of [old, foreign]) await utimes(join(cacheDir, name), longAgo, longAgo);
    await expect(clustersOf({ cacheDir })).resolves.toBe(1);
    expect(whole.name).toMatch(/^pglite-[0-9a-f]{16}\.tar\.gz$/);
    expect((await readdir(cacheDir)).sort()).toEqual([whole.name, recent, foreign].sort());
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

  test.each<[string, () => Buffer]>([
    [
      'changed in one bit',
      () => {
        const copy = Buffer.from(whole.content);
        const at = Math.floor(copy.length / 2);
        copy[at] = (copy[at] ?? 0) ^ 1;
        return copy;
      },
    ],
    ['something else altogether', () => gzipSync('not a database')],
  ])('is made anew when the file is %s', async (_what, damaged) => {
    const file = join(cacheDir, whole.name);
    await writeFile(file, damaged());
    await expect(clustersOf({ cacheDir })).resolves.toBe(1);
    const repaired = await stat(file);
    expect(repaired.size).toBeGreaterThan(whole.content.length * 0.9);
    await expect(clustersOf({ cacheDir })).resolves.toBe(1);
    expect((await stat(file)).ino).toBe(repaired.ino);
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
      import { openMemory } from ${JSON.stringify(join(packageRoot(), 'dist', 'data', 'memory.js'))};
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
    expect((await start()).stdout.trim()).toBe('1');
  }, 60_000);
});
