/** Room for one more archive, looked at before anything is written. */
import { statfs } from 'node:fs/promises';
import { MIB, size } from '../doctor/units.js';
import type { Archive } from './archive.js';
import { BackupError } from './failure.js';
import { PARTS } from './manifest.js';

/** Dumps are compressed; a first one is taken to be half of what the database has on disk, indexes and all. */
const FIRST_SHARE = 0.5;
const GROWTH = 1.5;
const MARGIN = 4 * MIB;

export function expectedBytes(databaseBytes: number, last: Archive | undefined): number {
  const dump = last?.manifest.parts[PARTS.database]?.bytes;
  // an archive from a time when the database was a fraction of what it is now says little
  const grown = last && databaseBytes > 2 * last.manifest.postgres.bytes;
  const estimate = dump === undefined || grown ? databaseBytes * FIRST_SHARE : dump * GROWTH;
  return Math.ceil(estimate) + MARGIN;
}

/** @throws {BackupError} there is less */
export async function assertSpace(directory: string, bytes: number): Promise<void> {
  const { bsize, bavail } = await statfs(directory);
  const free = bsize * bavail;
  if (free < bytes)
    throw new BackupError(
      `The disk is too full: ${directory} has ${size(free)} left, and this backup may need ${size(bytes)}. Make room, or lower backup.keep_days or backup.keep_count.`,
    );
}
