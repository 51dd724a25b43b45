/** The embedded database, migrated and packed, ready to be opened: initialising one takes seconds, unpacking a tenth. */
import { PGlite } from '@electric-sql/pglite';
import { runMigrations } from './migrate.js';
import { findPrepared, keepPrepared } from './prepared-file.js';
import { wasmModule } from './wasm.js';

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
    // Its files are in memory themselves. Of the default of 128 MB every start would clear every page.
    await database.exec("ALTER SYSTEM SET shared_buffers = '8MB'");
    await database.exec('CHECKPOINT');
    const archive = await database.dumpDataDir('none');
    return Buffer.from(await archive.arrayBuffer());
  } finally {
    await database.close();
  }
}

/**
 * The archive for PGlite's `loadDataDir`, from the cache or made now (a few seconds).
 * @param cacheDir where to keep it; by default `.cache` of this package, or a private temporary folder
 * @param renew makes it anew even when there is one, because that one turned out unusable
 */
export async function preparedDatabase(cacheDir?: string, renew: boolean = false): Promise<Buffer> {
  const found = renew ? undefined : await findPrepared(cacheDir);
  if (found) return found;
  const archive = await build(await wasmModule());
  await keepPrepared(archive, cacheDir);
  return archive;
}
