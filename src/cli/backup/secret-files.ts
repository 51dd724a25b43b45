/** Configuration and keys of this machine, as one text that is only ever written encrypted. */
import { lstat, mkdir, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { z } from 'zod';
import { BackupError } from './failure.js';
import { flushFolder, writeNew } from './files.js';

const LARGEST = 1024 * 1024;
const LARGEST_SUM = 16 * LARGEST;

const filesSchema = z.array(
  z.strictObject({
    path: z.string().regex(/^\/[^\0]*$/),
    mode: z.int(),
    content: z.base64(),
  }),
);
export type SecretFile = z.infer<typeof filesSchema>[number];

async function filesBelow(path: string): Promise<string[]> {
  const found = await lstat(path).catch(() => null);
  if (found === null) return [];
  if (found.isDirectory()) {
    const names = (await readdir(path)).sort();
    return (await Promise.all(names.map((name) => filesBelow(join(path, name))))).flat();
  }
  // a link counts for the file that it leads to; sockets and the like are passed over
  return (await stat(path).catch(() => null))?.isFile() ? [path] : [];
}

const real = (path: string): Promise<string> => realpath(path).catch(() => resolve(path));

/**
 * @param paths files and folders
 * @param except never taken: the backup key would open the box that it lies in
 * @throws {BackupError} too large, or a file that may not be read
 */
export async function collectSecretFiles(
  paths: readonly string[],
  except: readonly string[],
): Promise<SecretFile[]> {
  const excluded = new Set(await Promise.all(except.map(real)));
  const all = new Set((await Promise.all(paths.map((path) => filesBelow(resolve(path))))).flat());
  const files: SecretFile[] = [];
  let sum = 0;
  for (const path of [...all].sort()) {
    if (excluded.has(await real(path))) continue;
    const { size, mode } = await stat(path);
    sum += size;
    if (size > LARGEST || sum > LARGEST_SUM)
      throw new BackupError(
        `${path} is too large to be configuration (${size} bytes): see backup.include.`,
      );
    const content = await readFile(path).catch((cause: unknown) => {
      throw new BackupError(`${path} is to be in the backup, and this user may not read it.`, {
        cause,
      });
    });
    files.push({ path, mode: mode & 0o777, content: content.toString('base64') });
  }
  return files;
}

export const packFiles = (files: readonly SecretFile[]): Buffer =>
  Buffer.from(JSON.stringify(files));

/** @throws {BackupError} it is not what `packFiles` made */
export function unpackFiles(packed: Uint8Array): SecretFile[] {
  try {
    return filesSchema.parse(JSON.parse(Buffer.from(packed).toString()));
  } catch (cause) {
    throw new BackupError('The keys of the archive cannot be read.', { cause });
  }
}

/** Writes each file below `folder` under its old path, so that nothing of this machine is overwritten. */
export async function extractFiles(
  files: readonly SecretFile[],
  folder: string,
): Promise<string[]> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if ((await readdir(folder)).length > 0)
    throw new BackupError(`The folder ${folder} is not empty. Name an empty or a new one.`);
  const root = resolve(folder);
  const written: string[] = [];
  for (const { path, content } of files) {
    const target = resolve(join(root, path));
    if (!target.startsWith(`${root}${sep}`))
      throw new BackupError(`The archive names a file outside of the folder: ${path}`);
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    await writeNew(target, Buffer.from(content, 'base64'));
    written.push(target);
  }
  await flushFolder(root);
  return written;
}
