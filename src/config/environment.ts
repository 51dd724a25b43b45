/** Reads the `QUANTIX_*` environment variables into settings. Others are none of our business. */
import { entries } from './entries.js';
import type { Report, Setting } from './setting.js';
import { nearest } from './suggest.js';

/** The variable that names the configuration file, as `--config` does. */
export const FILE_VARIABLE = 'QUANTIX_CONFIG';
/** Known here only so that it is no fault: the command line tools take their token from it. */
const TOKEN_VARIABLE = 'QUANTIX_TOKEN';

const PREFIX = 'QUANTIX_';
const byVariable = new Map(entries.map((entry) => [entry.variable, entry]));
const others = [FILE_VARIABLE, TOKEN_VARIABLE];

/**
 * The settings that the environment gives. A misspelled `QUANTIX_*` name is a fault, because a
 * setting that silently does nothing is worse than a process that does not start.
 */
export function readEnvironment(env: NodeJS.ProcessEnv, report: Report): Setting[] {
  const settings: Setting[] = [];
  for (const [variable, raw] of Object.entries(env)) {
    if (raw === undefined || !variable.startsWith(PREFIX) || others.includes(variable)) continue;
    const entry = byVariable.get(variable);
    if (entry === undefined) {
      const near = nearest(variable.slice(PREFIX.length), shortNames());
      const message = `unknown variable${near ? `; did you mean ${PREFIX}${near}?` : ''}`;
      report({ path: variable, source: variable, message });
    } else settings.push({ entry, raw, source: variable, folder: process.cwd() });
  }
  return settings;
}

function shortNames(): string[] {
  return [...byVariable.keys(), ...others].map((variable) => variable.slice(PREFIX.length));
}
