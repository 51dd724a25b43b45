/** `backups`, `backups verify NAME` and `backups extract NAME --to DIR`. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/model.js';
import { readMigrations } from '../data/migrations.js';
import {
  checkParts,
  checkSeal,
  listArchives,
  locate,
  readArchive,
  writeProof,
} from './backup/archive.js';
import { BackupError } from './backup/failure.js';
import { whyNot } from './backup/known.js';
import { major, PARTS } from './backup/manifest.js';
import { asReader } from './backup/reader.js';
import type { Surroundings } from './backup/surroundings.js';
import { surroundingsOf } from './backup.js';
import { reasonOf } from './doctor/finding.js';
import { size } from './doctor/units.js';
import type { Options } from './run.js';
import { UsageError } from './usage.js';

export async function backups(words: readonly string[], options: Options): Promise<number> {
  const [action, named, ...rest] = words;
  if (action === undefined && options.to === undefined) return list(surroundingsOf(options));
  if (rest.length > 0 || named === undefined || !['verify', 'extract'].includes(action ?? ''))
    throw new UsageError(
      'Say "backups", "backups verify NAME" or "backups extract NAME --to DIR".',
    );
  if ((action === 'extract') !== (options.to !== undefined))
    throw new UsageError('--to DIR belongs to "backups extract", and that needs it.');
  const site = surroundingsOf(options);
  const secret = secretOf(site.config, options);
  const unsealed = options.unsealed === true;
  return action === 'verify'
    ? verify(site, named, { secret, unsealed })
    : extract(site, named, secret, options.to ?? '');
}

/** The backup key: of the command line, or of the configuration. */
export function secretOf(config: Config, { 'key-file': file }: Options): string | null {
  if (file === undefined) return config.backup.key;
  try {
    const secret = readFileSync(file, 'utf8').replace(/[\r\n]+$/, '');
    if (secret !== '') return secret;
  } catch (error) {
    throw new UsageError(`The file of --key-file cannot be read: ${reasonOf(error)}`);
  }
  throw new UsageError('The file of --key-file is empty.');
}

async function list({ config }: Surroundings): Promise<number> {
  const { directory } = config.backup;
  const [{ archives, broken }, migrations] = await Promise.all([
    listArchives(directory),
    readMigrations(),
  ]);
  if (archives.length + broken.length === 0) console.log(`There are no archives in ${directory}.`);
  for (const { name, manifest, proof } of archives) {
    const bytes = Object.values(manifest.parts).reduce((sum, part) => sum + part.bytes, 0);
    const proven = proof === null ? 'not verified' : proof.failure === null ? 'verified' : 'FAILED';
    const reason = whyNot(manifest, migrations);
    const newest = manifest.migrations.at(-1)?.name.slice(0, 6) ?? 'none';
    const columns = [
      name.padEnd(33),
      manifest.createdAt.slice(0, 19),
      size(bytes).padStart(10),
      proven.padEnd(12),
      `program ${manifest.program}, schema ${newest}, PostgreSQL ${major(manifest.postgres.version)}`,
      manifest.keys === null ? 'without keys' : 'with keys',
    ];
    console.log(columns.join('  '));
    if (proof?.failure) console.log(`    verification failed: ${proof.failure}`);
    if (reason !== null) console.log(`    this program cannot restore it: ${reason}`);
  }
  for (const { name, reason } of broken) console.log(`${name.padEnd(33)}  broken: ${reason}`);
  return 0;
}

async function verify(
  surroundings: Surroundings,
  named: string,
  accept: { secret: string | null; unsealed: boolean },
): Promise<number> {
  const [{ examineArchive, exclusively, serverVersion }, { prove }, { findPrograms }] =
    await Promise.all([
      import('./backup/restore.js'),
      import('./backup/prove.js'),
      import('./backup/programs.js'),
    ]);
  const site = asReader(surroundings);
  const { archive } = await examineArchive(site, named, accept);
  await exclusively(site, 'verification', async (server) => {
    const programs = await findPrograms(await serverVersion(server), site.config.backup.tools);
    const at = site.now().toISOString();
    try {
      await prove(site, server, programs, archive);
    } catch (error) {
      // a server that cannot be asked says nothing about the archive
      if (error instanceof BackupError)
        await writeProof(archive.path, { at, failure: reasonOf(error) });
      throw error;
    }
    await writeProof(archive.path, { at, failure: null });
  });
  console.log(`${archive.name} is whole: restored into a scratch database, and all was there.`);
  return 0;
}

async function extract(
  { config }: Surroundings,
  named: string,
  secret: string | null,
  folder: string,
): Promise<number> {
  const archive = await readArchive(locate(config.backup.directory, named));
  if (archive.manifest.keys === null)
    throw new BackupError(
      `${archive.name} was written without a backup key: it holds no configuration and keys.`,
    );
  if (secret === null)
    throw new BackupError('This needs the backup key: --key-file FILE, or backup.key_file.');
  const keys = await checkSeal(archive, secret, false);
  await checkParts(archive);
  if (keys === null) throw new BackupError(`${archive.name} has no seal.`);
  const { extractFiles, unpackFiles } = await import('./backup/secret-files.js');
  const sealed = await readFile(join(archive.path, PARTS.keys));
  for (const path of await extractFiles(unpackFiles(keys.decrypt(sealed)), folder))
    console.log(path);
  return 0;
}
