/**
 * One backup: dump of one snapshot, shared settings, configuration and keys; then the proof that it restores; then the old ones go.
 * Under its name an archive is complete: it is written elsewhere, flushed, and renamed.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { asOwner } from '../../data/connection.js';
import { newId } from '../../ids.js';
import { VERSION } from '../../version.js';
import { reasonOf } from '../doctor/finding.js';
import { size } from '../doctor/units.js';
import {
  type Archive,
  archiveName,
  listArchives,
  makeFolder,
  publish,
  readArchive,
  removeArchive,
  removeLeftovers,
  writeProof,
  writingName,
} from './archive.js';
import { dropLeftDatabases } from './databases.js';
import { BackupError, explained } from './failure.js';
import { type Part, writeNew } from './files.js';
import { takeLock } from './lock.js';
import { FORMAT, type Manifest, major, PARTS } from './manifest.js';
import { dump, findPrograms, type Programs } from './programs.js';
import { prove } from './prove.js';
import { asReader } from './reader.js';
import { outdated } from './retention.js';
import { makeSeal, type SealKeys, sealKeys } from './seal.js';
import { collectSecretFiles, packFiles } from './secret-files.js';
import { withClient, withServer } from './session.js';
import { readSettings } from './shared-settings.js';
import { type DatabaseFacts, inSnapshot } from './snapshot.js';
import { assertSpace, expectedBytes } from './space.js';
import type { Surroundings } from './surroundings.js';

/** @param onInterrupted told when the run before this one was killed */
export async function createBackup(
  surroundings: Surroundings,
  onInterrupted: (reason: string) => Promise<void>,
): Promise<Archive> {
  const site = asReader(surroundings);
  const { config, say } = site;
  const { directory } = config.backup;
  await makeFolder(directory);
  const lock = await takeLock(directory, 'backup');
  try {
    return await withServer(config.database, async (server) => {
      const left = [
        ...(await removeLeftovers(directory)),
        ...(await dropLeftDatabases(server, config.database.database)),
      ];
      if (lock.interrupted !== null) {
        say(`Noticed: ${lock.interrupted}.`);
        await onInterrupted(lock.interrupted);
      }
      for (const name of left) say(`Removed what it left: ${name}`);
      const { archive, programs } = await write(site);
      say(`Written: ${archive.path} (${size(bytesOf(archive))})`);
      await proveIt(site, server, programs, archive);
      const { archives } = await listArchives(directory);
      const { keepDays: days, keepCount: count } = config.backup;
      for (const { name } of outdated(archives, { days, count }, site.now())) {
        await removeArchive(directory, name);
        say(`Removed, being too old or too many: ${name}`);
      }
      return archive;
    });
  } finally {
    await lock.release();
  }
}

const bytesOf = ({ manifest }: Archive): number =>
  Object.values(manifest.parts).reduce((sum, { bytes }) => sum + bytes, 0);

/** What the proof says is kept with the archive, whichever way it goes. */
async function proveIt(
  site: Surroundings,
  server: pg.Client,
  programs: Programs,
  archive: Archive,
) {
  const at = site.now().toISOString();
  try {
    await prove(site, server, programs, archive);
  } catch (error) {
    await writeProof(archive.path, { at, failure: reasonOf(error) });
    throw new BackupError(
      `The archive ${archive.name} was written, and could not be proven by restoring it: ${reasonOf(error)}`,
      { cause: error },
    );
  }
  await writeProof(archive.path, { at, failure: null });
  site.say('Proven: restored into a scratch database, and all was there.');
}

async function write(site: Surroundings): Promise<{ archive: Archive; programs: Programs }> {
  const { config } = site;
  const { directory, tools, key } = config.backup;
  const name = archiveName(site.now(), newId());
  const folder = join(directory, writingName(name));
  await mkdir(folder, { mode: 0o700 }).catch((error: unknown) => {
    throw explained(error, folder);
  });
  try {
    const { database } = config.database;
    const programs = await withClient(config.database, database, (client) =>
      inSnapshot(client, async (snapshot, facts) => {
        const found = await findPrograms(facts.postgres.version, tools);
        if (found.major !== major(facts.postgres.version))
          site.say(
            `Note: pg_dump is of PostgreSQL ${found.major}, the server of ${major(facts.postgres.version)}.`,
          );
        const { archives } = await listArchives(directory);
        await assertSpace(directory, expectedBytes(facts.postgres.bytes, archives[0]));
        const options = { ...asOwner(config.database), database };
        const dumped = await dump(found, options, snapshot, join(folder, PARTS.database));
        await finish(site, folder, facts, dumped, key);
        return found;
      }),
    );
    await publish(directory, name);
    return { archive: await readArchive(join(directory, name)), programs };
  } catch (error) {
    await rm(folder, { recursive: true, force: true }).catch(() => {});
    throw explained(error, directory);
  }
}

/** Everything but the dump, and the manifest last. */
async function finish(
  site: Surroundings,
  folder: string,
  facts: DatabaseFacts,
  dumped: Part,
  secret: string | null,
): Promise<void> {
  const sealing = secret === null ? null : sealKeys(secret);
  const parts: Record<string, Part> = { [PARTS.database]: dumped };
  const settings = await readSettings(site.config).catch((error: unknown) => {
    site.say(`Note: shared settings are not in this backup: ${reasonOf(error)}.`);
    return null;
  });
  if (settings !== null)
    parts[PARTS.settings] = await writeNew(
      join(folder, PARTS.settings),
      Buffer.from(`${JSON.stringify(settings, null, 2)}\n`),
    );
  const keys = sealing === null ? null : await writeKeys(site, folder, sealing);
  if (keys === null)
    site.say('Note: configuration and keys are not in this backup: backup.key_file is not set.');
  else parts[PARTS.keys] = keys.part;
  const manifest: Manifest = {
    format: FORMAT,
    id: newId(),
    createdAt: site.now().toISOString(),
    program: VERSION,
    ...facts,
    settings: settings === null ? null : Object.keys(settings).length,
    keys: keys?.count ?? null,
    parts,
  };
  const text = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
  if (sealing)
    await writeNew(
      join(folder, PARTS.seal),
      Buffer.from(`${JSON.stringify(makeSeal(sealing, text))}\n`),
    );
  await writeNew(join(folder, PARTS.manifest), text);
}

async function writeKeys(
  { config, files }: Surroundings,
  folder: string,
  sealing: SealKeys,
): Promise<{ part: Part; count: number }> {
  const isKey = ({ setting }: { setting: string }) => setting === 'backup.key_file';
  const named = files.filter((file) => !isKey(file)).map(({ file }) => file);
  const { database, etcd, redis } = config;
  const others = [database.sslCaFile, redis.sslCaFile, etcd.caFile, etcd.certFile, etcd.keyFile];
  const found = await collectSecretFiles(
    [...named, ...others.flatMap((path) => path ?? []), ...config.backup.include],
    files.filter(isKey).map(({ file }) => file),
  );
  const part = await writeNew(join(folder, PARTS.keys), sealing.encrypt(packFiles(found)));
  return { part, count: found.length };
}
