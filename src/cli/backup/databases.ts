/**
 * Databases beside the service's own: to prove an archive in, and to restore into. Each has a name of our pattern and our mark, and what
 * has both belongs to a run that is over, for whoever holds the lock (session.ts): it is dropped.
 */
import { createHash, randomBytes } from 'node:crypto';
import pg from 'pg';
import { BackupError } from './failure.js';
import type { Manifest } from './manifest.js';

export type Purpose = 'verify' | 'restore' | 'before' | 'undone';

/** A name may have 63 bytes; a long one is cut, and told from others that begin alike. */
function stem(database: string): string {
  if (Buffer.byteLength(database) <= 36) return database;
  const hash = createHash('sha256').update(database).digest('hex').slice(0, 8);
  let cut = [...database];
  while (Buffer.byteLength(cut.join('')) > 27) cut = cut.slice(0, -1);
  return `${cut.join('')}_${hash}`;
}

/** `quantix_vdc_before_20261129t010203`, and for what is to go again, with something random behind it. */
export function beside(database: string, purpose: Purpose, now: Date): string {
  const time = now
    .toISOString()
    .replace(/[-:]|\.\d+Z/g, '')
    .toLowerCase();
  const scratch = purpose === 'verify' || purpose === 'restore';
  const tail = scratch ? `_${randomBytes(2).toString('hex')}` : '';
  return `${stem(database)}_${purpose}_${time}${tail}`;
}

const SCRATCH_MARK = 'qx-controlplane scratch database';

const LEFT = `
  SELECT datname::text AS name FROM pg_database
  WHERE starts_with(datname, $1) AND substr(datname, length($1) + 1) ~ '^(verify|restore)_\\d{8}t\\d{6}_[0-9a-f]{4}$'
    AND (shobj_description(oid, 'pg_database') = $2 OR shobj_description(oid, 'pg_database') IS NULL)
    AND pg_has_role(datdba, 'USAGE')`;

/** What killed runs left. Between its making and its marking a database is empty, so one without any mark is ours too, by its name. A role drops its own. */
export async function dropLeftDatabases(server: pg.Client, database: string): Promise<string[]> {
  const { rows } = await server.query<{ name: string }>(LEFT, [`${stem(database)}_`, SCRATCH_MARK]);
  for (const { name } of rows) await dropDatabase(server, name);
  return rows.map(({ name }) => name);
}

export async function dropDatabase(server: pg.Client, name: string): Promise<void> {
  await server.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`);
}

/** @throws {BackupError} the server cannot make it; with its words */
export async function createScratch(
  server: pg.Client,
  name: string,
  { collate, ctype }: Pick<Manifest['postgres'], 'collate' | 'ctype'>,
): Promise<void> {
  const id = pg.escapeIdentifier(name);
  try {
    await server.query(
      `CREATE DATABASE ${id} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE ${pg.escapeLiteral(collate)} LC_CTYPE ${pg.escapeLiteral(ctype)}`,
    );
    await server.query(`COMMENT ON DATABASE ${id} IS ${pg.escapeLiteral(SCRATCH_MARK)}`);
  } catch (cause) {
    throw new BackupError(
      `The database ${name} cannot be made: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}

/** A database for the time of `work`, gone whatever happens; after a kill, the next run sees to it. */
export async function withScratch<T>(
  server: pg.Client,
  name: string,
  locale: Pick<Manifest['postgres'], 'collate' | 'ctype'>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    await createScratch(server, name, locale);
    return await work();
  } finally {
    await dropDatabase(server, name);
  }
}
