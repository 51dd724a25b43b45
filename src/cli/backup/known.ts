/** Whether this program, and this server, can restore an archive. Pure. */
import type { Migration } from '../../data/migrations.js';
import { type Manifest, major } from './manifest.js';

/** Null: it can. Otherwise the reason. */
export function whyNot(
  manifest: Manifest,
  migrations: readonly Pick<Migration, 'name' | 'checksum'>[],
  serverVersion?: number,
): string | null {
  if (manifest.migrations.length === 0)
    return 'it is no backup of a database of this program: no migration was ever applied to it';
  const known = new Map(migrations.map(({ name, checksum }) => [name, checksum]));
  const newer = manifest.migrations.find(({ name }) => !known.has(name));
  if (newer)
    return `it is of a newer program (${manifest.program}): it has the migration ${newer.name}, which this one does not know`;
  const edited = manifest.migrations.find(({ name, checksum }) => known.get(name) !== checksum);
  if (edited)
    return `its migration ${edited.name} is another one than this program's of the same name`;
  if (serverVersion !== undefined && major(serverVersion) < major(manifest.postgres.version))
    return `it was dumped by PostgreSQL ${major(manifest.postgres.version)}, and this server is ${major(serverVersion)}, which is older`;
  return null;
}
