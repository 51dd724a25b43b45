/** `config check|appliance|postgresql|nginx`: judges the configuration, and prints what goes with it on an appliance. */
import { configurationFiles } from '../config/load.js';
import { applianceConfig } from './appliance/configuration.js';
import { machineHere } from './appliance/machine.js';
import { hasIpv6, nginxConfig } from './appliance/nginx.js';
import { postgresTuning } from './appliance/postgres-tuning.js';
import type { Options } from './run.js';
import { flagsOf, settingsOf } from './settings.js';
import { UsageError } from './usage.js';

type Action = (options: Options) => string;

const ACTIONS: Readonly<Record<string, Action>> = {
  // A configuration with faults does not get this far: they are printed, and the exit code is 2.
  check(options) {
    settingsOf(options);
    const files = configurationFiles(flagsOf(options)).map(({ file }) => file);
    return `no faults in ${files.join(', ') || 'the defaults'}\n`;
  },
  appliance: () => applianceConfig(),
  postgresql: (options) => postgresTuning(machineHere(), settingsOf(options).config),
  nginx: (options) => nginxConfig(settingsOf(options).config, { ipv6: hasIpv6() }),
};

export async function config(words: readonly string[], options: Options): Promise<number> {
  const [name = '', ...rest] = words;
  const action = ACTIONS[name];
  if (!action || rest.length > 0)
    throw new UsageError(
      `Say one of ${Object.keys(ACTIONS)
        .map((word) => `"config ${word}"`)
        .join(', ')}.`,
    );
  process.stdout.write(action(options));
  return 0;
}
