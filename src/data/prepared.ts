/**
 * The embedded database, migrated and packed, ready to be opened: initialising one takes seconds, unpacking a tenth.
 * Kept in a cache folder under a name that changes with every migration and with PGlite's version. Anybody may delete it.
 */
import { createHash, randomBytes } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { PGlite } from '@electric-sql/pglite';
import { runMigrations } from './migrate.js';
import { checksumOf, packageRoot, readMigrations } from './migrations.js';
import { wasmModule } from './wasm.js';

const compress = promisify(gzip);
const decompress = promisify(gunzip);

/** Raise it when `build` changes what it makes. */
const FORMAT = 1;
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

/** The tar archive of a data directory in which every migration has run. */
async function build(wasm: object): Promise<Buffer> {
  const database = await PGlite.create({ pgliteWasmModule: wasm });
  try {
    await runMigrations(database);
    // Half of the archive would be the two templates, which nothing here ever copies.
    await database.exec('UPDATE pg_database SET datistemplate = false');
    for (const template of ['template0', 'template1']) {
      await database.exec(`DROP DATABASE ${template}`);
    }
    await database.exec('VACUUM');
    await database.exec('CHECKPOINT');
    const archive = await database.dumpDataDir('none');
    return Buffer.from(await archive.arrayBuffer());
  } finally {
    await database.close();
  }
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
  if (!packed) return undefined;
  // gzip carries a checksum: a file that was cut short or damaged does not get past this
  return decompress(packed).catch(() => undefined);
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

/**
 * The archive for PGlite's `loadDataDir`, from the cache or made now (a few seconds).
 * @param cacheDir where to keep it; by default `.cache` of this package, or a private temporary folder
 * @param renew makes it anew even when there is one, because that one turned out unusable
 */
export async function preparedDatabase(cacheDir?: string, renew: boolean = false): Promise<Buffer> {
  const [name, folders] = await Promise.all([fileName(), cacheFolders(cacheDir)]);
  if (!renew) {
    for (const folder of folders) {
      const archive = await load(join(folder, name));
      if (archive) return archive;
    }
  }
  const archive = await build(await wasmModule());
  const packed = await compress(archive, { level: 1 });
  for (const folder of folders) {
    if (await store(folder, name, packed)) break;
  }
  return archive;
}
