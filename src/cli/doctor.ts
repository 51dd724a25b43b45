/** `doctor`: looks at everything that this program needs, and says what is wrong and what to do. */
import { configurationFiles } from '../config/load.js';
import type { Config } from '../config/model.js';
import { runCheck, type SettingFile } from './doctor/check.js';
import { CHECKS } from './doctor/checks.js';
import { type Finding, worst } from './doctor/finding.js';
import { openPostgresSession } from './doctor/postgres-session.js';
import { findingsAsJson, printFindings } from './doctor/report.js';
import type { Options } from './run.js';
import { flagsOf, settingsOf } from './settings.js';
import { UsageError } from './usage.js';

/** Runs all checks at once, each within its own time: a server that hangs does not hold up the others. */
export async function examine(
  config: Config,
  files: readonly SettingFile[],
  deadlineMs?: number,
): Promise<Finding[]> {
  const { query, close } = openPostgresSession(config.database);
  const site = { config, files, query };
  const found = await Promise.all(CHECKS.map((check) => runCheck(check, site, deadlineMs)));
  await close();
  return found.flat();
}

export async function doctor(words: readonly string[], options: Options): Promise<number> {
  if (words.length > 0) throw new UsageError(`doctor takes no "${words[0]}".`);
  const { config } = settingsOf(options);
  const findings = await examine(config, configurationFiles(flagsOf(options)));
  process.stdout.write(options.json ? findingsAsJson(findings) : printFindings(findings));
  return worst(findings) === 'problem' ? 1 : 0;
}
