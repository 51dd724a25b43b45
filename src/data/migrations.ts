/** Reads the migration files: prisma/migrations/NNNNNN_name/{migration.sql,down.sql}. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Migration {
  /** The folder's name, e.g. "000001_init"; names sort in the order of application. */
  readonly name: string;
  readonly up: string;
  readonly down: string;
  /** SHA-256 of migration.sql in hex, as Prisma records it. */
  readonly checksum: string;
}

const NAME = /^\d{6}_[a-z0-9_]+$/;

/** The folder with package.json above this file: the same from src/ and from dist/. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder)
      throw new Error('The program is not inside its package any more: no package.json above it.');
    folder = parent;
  }
  return folder;
}

/**
 * All migrations in their order.
 * @param directory where they are; the program's own by default
 * @throws when the folder is missing or empty, or a migration lacks one of its two files
 */
export async function readMigrations(
  directory = join(packageRoot(), 'prisma', 'migrations'),
): Promise<Migration[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isDirectory() && NAME.test(entry.name))
    .map((entry) => entry.name)
    .sort();
  if (names.length === 0) throw new Error(`There are no migrations in ${directory}.`);
  return Promise.all(
    names.map(async (name) => {
      const [up, down] = await Promise.all([
        readFile(join(directory, name, 'migration.sql'), 'utf8'),
        readFile(join(directory, name, 'down.sql'), 'utf8'),
      ]);
      return { name, up, down, checksum: createHash('sha256').update(up).digest('hex') };
    }),
  );
}

/** One checksum over all of them: it changes when any migration does. */
export function checksumOf(migrations: readonly Migration[]): string {
  const hash = createHash('sha256');
  for (const { name, checksum } of migrations) hash.update(`${name}\0${checksum}\n`);
  return hash.digest('hex');
}
