/**
 * Where the prepared in-memory database is kept: in a cache folder, under a name that changes with every migration and with PGlite's version.
 * Anybody may delete it. Apart from prepared.ts, which loads much more to make one: a start looks here first.
 */
import { createHash, randomBytes } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { checksumOf, packageRoot, readMigrations } from './migrations.js';

/** A damaged size must not take all memory. */
const LARGEST = 128 * 1024 * 1024;
const compress = promisify(gzip);
const decompress = promisify(gunzip);

/** Raise it when `build` in prepared.ts changes what it makes. */
const FORMAT = 2;
/** A prepared database that nobody has renewed for this long belongs to an earlier version. */
const STALE_MS = 24 * 3_600_000;

async function pgliteVersion(): Promise<string> {
  const entry = createRequire(import.meta.url).resolve('@electric-sql/pglite');
  const manifest = await readFile(join(dirname(entry), '..', 'package.json'), 'utf8');
  return String(JSON.parse(manifest).version);
}

async function fileName(): Promise<string> {
  const hash = createHash('sha256');
  hash.update(`${FORMAT}\0${await pgliteVersion()}\0${checksumOf(await readMigrations())}`);
  return `pglite-${hash.digest('hex').slice(0, 16)}.tar.gz`;
}

/** In the system's temporary folder, a folder that nobody else can have put there or can write to. */
async function privateTemporaryFolder(): Promise<string | undefined> {
  const uid = process.getuid?.() ?? 0;
  const folder = join(tmpdir(), `qx-controlplane-${uid}`);
  await mkdir(folder, { mode: 0o700 }).catch(() => {});
  const found = await lstat(folder).catch(() => undefined);
  const ours = found?.isDirectory() && found.uid === uid && (found.mode & 0o022) === 0;
  return ours ? folder : undefined;
}

async function cacheFolders(cacheDir: string | undefined): Promise<string[]> {
  if (cacheDir !== undefined) return [cacheDir];
  const temporary = await privateTemporaryFolder();
  return [join(packageRoot(), '.cache'), ...(temporary ? [temporary] : [])];
}

async function load(file: string): Promise<Buffer | undefined> {
  const packed = await readFile(file).catch(() => undefined);
  if (!packed || packed.length < 4) return undefined;
  // gzip ends with a size and carries a checksum: a file that was cut short or damaged does not get past this.
  // In one piece: for each further one the other thread would wait for this one, which is busy loading.
  const chunkSize = Math.min(LARGEST, packed.readUInt32LE(packed.length - 4) + 64);
  return decompress(packed, { chunkSize }).catch(() => undefined);
}

async function removeStale(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!/^pglite-[0-9a-f]{16}\.tar\.gz/.test(name)) continue;
    const file = join(folder, name);
    const found = await stat(file).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs > STALE_MS) await rm(file, { force: true });
  }
}

/** Complete or not at all: several processes may write it at once, and the last one wins with the same content. */
async function store(folder: string, name: string, packed: Buffer): Promise<boolean> {
  const file = join(folder, name);
  const unfinished = `${file}.${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(unfinished, packed, { flag: 'wx', mode: 0o600 });
    await rename(unfinished, file);
    await removeStale(folder);
    return true;
  } catch {
    await rm(unfinished, { force: true }).catch(() => {});
    return false;
  }
}

/** Undefined: there is none, or none that is whole. */
export async function findPrepared(cacheDir?: string): Promise<Buffer | undefined> {
  const [name, folders] = await Promise.all([fileName(), cacheFolders(cacheDir)]);
  for (const folder of folders) {
    const archive = await load(join(folder, name));
    if (archive) return archive;
  }
  return undefined;
}

/** In the first folder that takes it; nowhere, if none does. */
export async function keepPrepared(archive: Buffer, cacheDir?: string): Promise<void> {
  const [name, folders] = await Promise.all([fileName(), cacheFolders(cacheDir)]);
  const packed = await compress(archive, { level: 1 });
  for (const folder of folders) if (await store(folder, name, packed)) return;
}
