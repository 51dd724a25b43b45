/** `backup`: writes one archive, proves it, and removes old ones. What goes wrong is an alert, too. */
import { configurationFiles } from '../config/load.js';
import type { Config } from '../config/model.js';
import { BackupError } from './backup/failure.js';
import type { Surroundings } from './backup/surroundings.js';
import { reasonOf } from './doctor/finding.js';
import type { Options } from './run.js';
import { flagsOf, settingsOf } from './settings.js';
import { UsageError } from './usage.js';

export function surroundingsOf(options: Options): Surroundings {
  const { config, log } = settingsOf({ 'log-level': 'error', ...options });
  const files = configurationFiles(flagsOf(options));
  assertReadable(config, files);
  return {
    config,
    log,
    files,
    now: () => new Date(),
    say: (line) => console.log(line),
  };
}

/** Loading lets these pass for the service. Here an archive would be written without keys, or one without a seal be believed. */
function assertReadable({ backup }: Config, files: Surroundings['files']): void {
  const missing = { 'backup.key_file': backup.key, 'backup.password_file': backup.password };
  for (const { setting, file } of files)
    if (setting in missing && missing[setting as keyof typeof missing] === null)
      throw new UsageError(`${setting} names ${file}, which this user may not read.`);
}

export async function backup(words: readonly string[], options: Options): Promise<number> {
  if (words.length > 0) throw new UsageError(`backup takes no "${words[0]}".`);
  const site = surroundingsOf(options);
  const { config, log } = site;
  const [{ createBackup }, { tellFailure, tellSuccess }] = await Promise.all([
    import('./backup/create.js'),
    import('./backup/alert.js'),
  ]);
  const tell = async (what: string, telling: () => Promise<void>): Promise<void> => {
    await telling().catch((error: unknown) => {
      console.error(`The alert could not be ${what}: ${reasonOf(error)}`);
    });
  };
  try {
    await createBackup(site, (reason) =>
      tell('raised', () =>
        tellFailure(config, log, `The backup before this one did not end: ${reason}.`),
      ),
    );
  } catch (error) {
    const reason = reasonOf(error);
    console.error(error instanceof BackupError ? reason : `The backup failed: ${reason}`);
    await tell('raised', () => tellFailure(config, log, reason));
    return 1;
  }
  await tell('resolved', () => tellSuccess(config, log));
  return 0;
}
