/** Restores an archive into a scratch database and compares: the only proof that it can be done. */

import { join } from 'node:path';
import type pg from 'pg';
import { asOwner } from '../../data/connection.js';
import { type Archive, checkParts } from './archive.js';
import { beside, withScratch } from './databases.js';
import { PARTS } from './manifest.js';
import { type Programs, undump } from './programs.js';
import type { Surroundings } from './surroundings.js';
import { verifyRestored } from './verify.js';

/** @throws {BackupError} what is wrong with it */
export async function prove(
  site: Surroundings,
  server: pg.Client,
  programs: Programs,
  archive: Archive,
): Promise<void> {
  const { config, now } = site;
  await checkParts(archive);
  const scratch = beside(config.database.database, 'verify', now());
  await withScratch(server, scratch, archive.manifest.postgres, async () => {
    const options = { ...asOwner(config.database), database: scratch };
    await undump(programs, options, join(archive.path, PARTS.database));
    await verifyRestored(site, scratch, archive.manifest);
  });
}
