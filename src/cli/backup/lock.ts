/**
 * One run at a time in a backup folder: a file that names the process. It is made complete in one step (link), so nobody reads half of it.
 * A killed run leaves it; the next one sees that its process is gone, takes its place, and says so.
 */
import { link, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { AlreadyRunning, BackupError } from './failure.js';
import { writeNew } from './files.js';

const FILE = '.lock';
const holderSchema = z.object({
  pid: z.int().positive(),
  /** When the process began, as the kernel counts: another process with the same number has another. */
  began: z.string(),
  since: z.string(),
  what: z.string(),
});
type Holder = z.infer<typeof holderSchema>;

export interface Lock {
  /** The run that was killed while it held the lock, in words. */
  readonly interrupted: string | null;
  release(): Promise<void>;
}

/** Null: there is no such process. */
async function beganOf(pid: number): Promise<string | null> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return /^[ZX]/.test(fields[0] ?? '') ? null : (fields[19] ?? '');
  } catch {
    return null;
  }
}

async function read(path: string): Promise<Holder | 'none' | 'unreadable'> {
  try {
    return holderSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'none' : 'unreadable';
  }
}

/** @throws {AlreadyRunning} a process that lives has it */
export async function takeLock(directory: string, what: string): Promise<Lock> {
  const path = join(directory, FILE);
  const mine = `${path}.${process.pid}`;
  const began = (await beganOf(process.pid)) ?? '';
  const holder: Holder = { pid: process.pid, began, since: new Date().toISOString(), what };
  await rm(mine, { force: true }); // of a process that had our number
  await writeNew(mine, Buffer.from(`${JSON.stringify(holder)}\n`));
  let interrupted: string | null = null;
  try {
    for (let attempt = 0; attempt < 10; attempt += 1) {
      try {
        await link(mine, path);
        return { interrupted, release: () => rm(path, { force: true }) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const found = await read(path);
      if (found === 'none') continue;
      if (found !== 'unreadable' && (await beganOf(found.pid)) === found.began)
        throw new AlreadyRunning(
          `A ${found.what} is at work here since ${found.since} (process ${found.pid}).`,
        );
      // Taken away under a name of its own: of two that see the same dead holder, one gets it. What it got is looked at again.
      const away = `${path}.dead.${process.pid}`;
      await rename(path, away).catch(() => {});
      const got = await read(away);
      await rm(away, { force: true });
      if (got === 'none') continue;
      if (got !== 'unreadable' && (await beganOf(got.pid)) === got.began)
        throw new BackupError('Another run began at this very moment. Try again.');
      interrupted =
        got === 'unreadable'
          ? 'a run left a lock that cannot be read'
          : `the ${got.what} that began at ${got.since} was killed or crashed (process ${got.pid})`;
    }
    throw new BackupError(`The lock ${path} cannot be had.`);
  } finally {
    await rm(mine, { force: true });
  }
}
