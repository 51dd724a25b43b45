/**
 * A restore: everything is judged before anything is touched, the new database is made and migrated beside the present one, and takes its
 * place in one transaction. Until then the present one serves; after it, the present one is kept.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { z } from 'zod';
import type { Config } from '../../config/model.js';
import { asOwner } from '../../data/connection.js';
import { runMigrations } from '../../data/migrate.js';
import { readMigrations } from '../../data/migrations.js';
import { reasonOf } from '../doctor/finding.js';
import {
  type Archive,
  checkParts,
  checkSeal,
  locate,
  makeFolder,
  readArchive,
  removeLeftovers,
} from './archive.js';
import { beside, createScratch, dropDatabase, dropLeftDatabases } from './databases.js';
import { BackupError } from './failure.js';
import { whyNot } from './known.js';
import { takeLock } from './lock.js';
import { PARTS } from './manifest.js';
import { markStatement, presentDatabase } from './mark.js';
import { finishPending } from './pending.js';
import { copyPrivileges } from './privileges.js';
import { findPrograms, undump } from './programs.js';
import type { SealKeys } from './seal.js';
import { unpackFiles } from './secret-files.js';
import { withServer } from './session.js';
import { readSettings, runningMembers, type SettingsMap } from './shared-settings.js';
import type { Surroundings } from './surroundings.js';
import { beyondReach, renameAll, sessionsAt } from './swap.js';
import { verifyRestored } from './verify.js';

export interface RestoreOptions {
  readonly secret: string | null;
  readonly force: boolean;
  readonly unsealed: boolean;
  /** Restore although the audit log in the archive is not what was sealed. */
  readonly auditFaults: boolean;
}

/** Whether an archive is whole, ours, and for this program. @throws {BackupError} why not */
export async function examineArchive(
  site: Surroundings,
  named: string,
  { secret, unsealed }: Pick<RestoreOptions, 'secret' | 'unsealed'>,
): Promise<{ archive: Archive; keys: SealKeys | null }> {
  const archive = await readArchive(locate(site.config.backup.directory, named));
  const reason = whyNot(archive.manifest, await readMigrations());
  if (reason !== null) throw new BackupError(`${archive.name} cannot be restored: ${reason}.`);
  const keys = await checkSeal(archive, secret, unsealed);
  await checkParts(archive);
  return { archive, keys };
}

export async function serverVersion(server: pg.Client): Promise<number> {
  const { rows } = await server.query(
    `SELECT current_setting('server_version_num')::int AS version`,
  );
  return Number(rows[0]?.version);
}

/** One at a time, on a tidied server. */
export async function exclusively<T>(
  { config, say }: Surroundings,
  what: string,
  work: (server: pg.Client) => Promise<T>,
): Promise<T> {
  const { directory } = config.backup;
  await makeFolder(directory);
  const lock = await takeLock(directory, what);
  try {
    return await withServer(config.database, async (server) => {
      if (lock.interrupted !== null) say(`Noticed: ${lock.interrupted}.`);
      for (const name of [
        ...(await removeLeftovers(directory)),
        ...(await dropLeftDatabases(server, config.database.database)),
      ])
        say(`Removed what it left: ${name}`);
      return work(server);
    });
  } finally {
    await lock.release();
  }
}

/**
 * Before the work begins, what would stop it at its end.
 * @throws {BackupError} somebody is connected; or with `force`, this role may not end their sessions
 */
export async function assertFree(site: Surroundings, server: pg.Client, force: boolean) {
  if (!force) return assertNobodyRuns(site, server);
  const roles = await beyondReach(server, site.config.database.database);
  if (roles.length === 0) return;
  throw new BackupError(
    `Nothing was changed: this role may not end sessions of ${roles.join(', ')}. Stop what is connected; or, as a superuser: GRANT pg_signal_backend TO the role of database.migration_user.`,
  );
}

/** @throws {BackupError} something runs that would go on with the database that is to be replaced */
async function assertNobodyRuns(site: Surroundings, server: pg.Client): Promise<void> {
  const { config } = site;
  const members = await runningMembers(config);
  const sessions = await sessionsAt(server, config.database.database);
  if (members !== null && members.length > 0)
    throw new BackupError(
      `Nothing was changed: control planes are running at ${members.join(', ')}. Stop them; or --force ends their sessions.`,
    );
  if (sessions.length > 0)
    throw new BackupError(
      `Nothing was changed: the database is in use by ${sessions.join(', ')}. Stop what is connected; or --force ends it.`,
    );
}

export async function restoreArchive(
  site: Surroundings,
  named: string,
  options: RestoreOptions,
): Promise<void> {
  const { archive, keys } = await examineArchive(site, named, options);
  const { config, say } = site;
  const { manifest } = archive;
  say(`Examined: ${archive.name} of ${manifest.createdAt} is whole.`);
  if (keys === null && options.secret === null)
    say('Note: there is no backup key here: that nobody changed the archive is not proven.');
  const settings = await archivedSettings(archive);
  await exclusively(site, 'restore', async (server) => {
    const version = await serverVersion(server);
    const reason = whyNot(manifest, await readMigrations(), version);
    if (reason !== null) throw new BackupError(`${archive.name} cannot be restored: ${reason}.`);
    const finished = await finishPending(site, server);
    if (finished?.archive === manifest.id) {
      say('A restore of this archive had been cut off behind the swap. It is finished now.');
      return;
    }
    const { database } = config.database;
    const present = await presentDatabase(server, database);
    if (present && !present.ours)
      throw new BackupError(
        `The database ${database} belongs to the role ${present.owner}, and this one may not rename it. As a superuser: ALTER DATABASE ... OWNER TO the role of database.migration_user.`,
      );
    await assertFree(site, server, options.force);
    const programs = await findPrograms(version, config.backup.tools);
    const fresh = beside(database, 'restore', site.now());
    const target = { ...config.database, database: fresh };
    await createScratch(server, fresh, manifest.postgres);
    try {
      await undump(
        programs,
        { ...asOwner(config.database), database: fresh },
        join(archive.path, PARTS.database),
      );
      await verifyRestored(site, fresh, manifest, { auditFaults: options.auditFaults });
      say(`Restored into ${fresh}: all rows are there.`);
      // also begins a new epoch of the change feed, as this is another database than the dumped one, and grants the service role its rights
      for (const name of await runMigrations(target)) say(`Migrated: ${name}`);
      await copyPrivileges(server, connecting(config), present ? database : null, fresh);
      const before = present ? beside(database, 'before', site.now()) : null;
      const settingsBefore =
        settings === null ? null : await readSettings(config).catch(() => null);
      const mark = markStatement(database, {
        quantix: 'restored',
        archive: manifest.id,
        at: site.now().toISOString(),
        before,
        settings: settingsBefore,
        pending: { settings },
      });
      const renamings = [
        ...(before === null ? [] : [{ from: database, to: before }]),
        { from: fresh, to: database },
      ];
      await renameAll(server, config.database, renamings, [mark], options.force);
      say(
        before === null
          ? `Swapped: there was no database ${database} before.`
          : `Swapped: the database of before is kept as ${before}; "qx-controlplane restore --undo" puts it back.`,
      );
    } catch (error) {
      await dropDatabase(server, fresh).catch(() => {}); // after the swap there is none of this name
      throw error;
    }
    await followUp(site, server);
  });
  await tellNext(site, archive, keys);
}

/** Roles that have to get into the database. */
const connecting = ({ database, backup }: Config): string[] =>
  [database.user, backup.user].filter((role) => role !== null);

/** @throws {BackupError} the swap is done, and what follows is not */
export async function followUp(site: Surroundings, server: pg.Client): Promise<void> {
  try {
    await finishPending(site, server);
  } catch (cause) {
    throw new BackupError(
      `The database is in its place, but the rest is not done: ${reasonOf(cause)}. Give the same command again when that is mended; nothing is restored twice.`,
      { cause },
    );
  }
}

async function archivedSettings({ path, manifest }: Archive): Promise<SettingsMap | null> {
  if (manifest.settings === null) return null;
  try {
    const text = await readFile(join(path, PARTS.settings), 'utf8');
    return z.record(z.string(), z.string()).parse(JSON.parse(text));
  } catch (cause) {
    throw new BackupError(`${path} is damaged: its shared settings cannot be read.`, { cause });
  }
}

async function tellNext({ config, say }: Surroundings, archive: Archive, keys: SealKeys | null) {
  const { manifest, path } = archive;
  if (manifest.keys === null)
    say('Missing in the archive: configuration and keys (it was written without a backup key).');
  else if (keys === null)
    say(
      'Not looked at: configuration and keys; with the backup key: qx-controlplane backups extract.',
    );
  else {
    const files = unpackFiles(keys.decrypt(await readFile(join(path, PARTS.keys))));
    const texts = new Set(
      files.map(({ content }) => Buffer.from(content, 'base64').toString().trimEnd()),
    );
    const { encryptionKey, jwtSecret } = config.auth;
    if (encryptionKey === null || !texts.has(encryptionKey.trimEnd()))
      say(
        `Note: the encryption key of this machine is not the one in the archive: secrets in the database can be read with that one alone. Take it out: qx-controlplane backups extract ${archive.name} --to DIR`,
      );
    else if (jwtSecret !== null && texts.has(jwtSecret.trimEnd()))
      say('Keys: those of this machine are those in the archive.');
  }
  say('Next: start the control planes, sign in, and look around.');
}
