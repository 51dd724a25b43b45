/** Archives in the backup folder: each one a folder with a manifest, never half there under its name. */
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, isAbsolute, join } from 'node:path';
import { BackupError, explained } from './failure.js';
import { flushFolder, partOf, replaceFile } from './files.js';
import {
  FORMAT,
  type Manifest,
  manifestSchema,
  PARTS,
  type Proof,
  proofSchema,
} from './manifest.js';
import { openSeal, type SealKeys, sealSchema } from './seal.js';

const NAME = /^quantix-\d{8}T\d{6}Z-[0-9a-f]{8}$/;
/** Written, or being removed: of nobody, once no run is at work. */
const LEFTOVER = /^\.(writing|removing)-quantix-/;

export interface Archive {
  readonly name: string;
  readonly path: string;
  readonly manifest: Manifest;
  readonly proof: Proof | null;
}

export interface Broken {
  readonly name: string;
  readonly path: string;
  readonly reason: string;
}

export const archiveName = (now: Date, id: string): string =>
  `quantix-${now.toISOString().replace(/[-:]|\.\d+/g, '')}-${id.replaceAll('-', '').slice(-8)}`;
export const writingName = (name: string): string => `.writing-${name}`;

async function json(path: string): Promise<unknown> {
  return JSON.parse(await readFile(path, 'utf8'));
}

/** @throws {BackupError} there is no archive, or not one that this program understands */
export async function readArchive(path: string): Promise<Archive> {
  let written: unknown;
  try {
    written = await json(join(path, PARTS.manifest));
  } catch (cause) {
    throw new BackupError(`${path} is no archive: its manifest cannot be read.`, { cause });
  }
  const { format } = Object(written) as { format?: unknown };
  if (typeof format === 'number' && format > FORMAT)
    throw new BackupError(
      `${path} was written by a newer program (format ${format}; this one knows ${FORMAT}). Use that program.`,
    );
  const parsed = manifestSchema.safeParse(written);
  if (!parsed.success)
    throw new BackupError(`${path} is damaged: its manifest is not one of format ${FORMAT}.`);
  const proof = await json(join(path, PARTS.proof)).then(
    (text) => proofSchema.safeParse(text).data ?? null,
    () => null,
  );
  return { name: basename(path), path, manifest: parsed.data, proof };
}

/** An archive by its path, or by its name in the backup folder. */
export const locate = (directory: string, named: string): string =>
  isAbsolute(named) || named.includes('/') ? named : join(directory, named);

/** Newest first. What is no archive is passed over, what is a broken one is told. */
export async function listArchives(
  directory: string,
): Promise<{ archives: Archive[]; broken: Broken[] }> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const archives: Archive[] = [];
  const broken: Broken[] = [];
  for (const name of names.filter((one) => NAME.test(one))) {
    const path = join(directory, name);
    try {
      archives.push(await readArchive(path));
    } catch (error) {
      broken.push({ name, path, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  const time = ({ manifest }: Archive) => Date.parse(manifest.createdAt);
  return { archives: archives.sort((a, b) => time(b) - time(a)), broken };
}

/** What killed runs left. Only for who holds the lock. Returns the names of what it removed. */
export async function removeLeftovers(directory: string): Promise<string[]> {
  const left = (await readdir(directory)).filter((name) => LEFTOVER.test(name));
  for (const name of left) await rm(join(directory, name), { recursive: true, force: true });
  return left;
}

/** In one step out of sight, and then at leisure: a removal that is cut off leaves no half archive. */
export async function removeArchive(directory: string, name: string): Promise<void> {
  const doomed = join(directory, `.removing-${name}`);
  await rename(join(directory, name), doomed);
  await rm(doomed, { recursive: true, force: true });
}

export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw explained(error, path);
  });
}

export async function publish(directory: string, name: string): Promise<void> {
  await flushFolder(join(directory, writingName(name)));
  await rename(join(directory, writingName(name)), join(directory, name));
  await flushFolder(directory);
}

export async function writeProof(archive: string, proof: Proof): Promise<void> {
  await replaceFile(join(archive, PARTS.proof), `${JSON.stringify(proof)}\n`);
}

/** Whether every part is what the manifest says. @throws {BackupError} naming the part that is not */
export async function checkParts({ path, manifest }: Archive): Promise<void> {
  for (const [name, expected] of Object.entries(manifest.parts)) {
    if (name !== basename(name)) throw new BackupError(`${path} is damaged: a part is "${name}".`);
    const found = await partOf(join(path, name)).catch((cause: unknown) => {
      throw new BackupError(`${path} is damaged: ${name} cannot be read.`, { cause });
    });
    if (found.bytes !== expected.bytes)
      throw new BackupError(
        `${path} is damaged: ${name} has ${found.bytes} bytes instead of ${expected.bytes}.`,
      );
    if (found.sha256 !== expected.sha256)
      throw new BackupError(`${path} is damaged or was changed: the checksum of ${name} is wrong.`);
  }
  if (!manifest.parts[PARTS.database])
    throw new BackupError(`${path} is damaged: it names no database.`);
}

/**
 * Proves the archive with the backup key.
 * @returns the keys that open its secrets; null: there is no key, or no seal
 * @throws {BackupError} the seal does not fit; or there is none although there is a key, unless that is accepted
 */
export async function checkSeal(
  { path }: Archive,
  secret: string | null,
  acceptUnsealed: boolean,
): Promise<SealKeys | null> {
  const written = await readFile(join(path, PARTS.seal), 'utf8').catch(() => null);
  if (written === null) {
    if (secret === null || acceptUnsealed) return null;
    throw new BackupError(
      `${path} has no seal, and there is a backup key: whether somebody changed it cannot be told. If you know where it comes from: --unsealed.`,
    );
  }
  if (secret === null) return null;
  let seal: unknown = null;
  try {
    seal = JSON.parse(written);
  } catch {
    // as one that does not fit
  }
  const parsed = sealSchema.safeParse(seal);
  if (!parsed.success) throw new BackupError(`${path} is damaged: its seal cannot be read.`);
  return openSeal(secret, parsed.data, await readFile(join(path, PARTS.manifest)));
}
