/** `restore NAME` and `restore --undo`. */
import { surroundingsOf } from './backup.js';
import { secretOf } from './backups.js';
import type { Options } from './run.js';
import { UsageError } from './usage.js';

export async function restore(words: readonly string[], options: Options): Promise<number> {
  const [named, ...rest] = words;
  if (rest.length > 0 || (named === undefined) === (options.undo !== true))
    throw new UsageError('Say "restore NAME" or "restore --undo".');
  const aboutArchives = ['key-file', 'unsealed', 'audit-faults'] as const;
  const given = aboutArchives.find((name) => options[name] !== undefined);
  if (options.undo && given)
    throw new UsageError(`restore --undo reads no archive: it takes no --${given}.`);
  const site = surroundingsOf(options);
  const force = options.force === true;
  if (named === undefined) {
    const { undoRestore } = await import('./backup/undo.js');
    await undoRestore(site, force);
    return 0;
  }
  const { restoreArchive } = await import('./backup/restore.js');
  const secret = secretOf(site.config, options);
  await restoreArchive(site, named, {
    ...{ secret, force },
    unsealed: options.unsealed === true,
    auditFaults: options['audit-faults'] === true,
  });
  return 0;
}
