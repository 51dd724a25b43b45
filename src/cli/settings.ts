/** Configuration and log of a sub-command, from its options. */

import { type ConfigFlags, loadConfig } from '../config/load.js';
import type { Config } from '../config/model.js';
import { createLogger, type Logger } from '../log.js';
import type { Options } from './run.js';

export function flagsOf(options: Options): ConfigFlags {
  return {
    ...(options.dev ? { dev: true } : {}),
    ...(options.host === undefined ? {} : { host: options.host }),
    ...(options.port === undefined ? {} : { port: options.port }),
    ...(options.config === undefined ? {} : { configFile: options.config }),
    ...(options['log-level'] === undefined ? {} : { logLevel: options['log-level'] }),
  };
}

export function settingsOf(options: Options): { config: Config; log: Logger } {
  const config = loadConfig(flagsOf(options));
  return { config, log: createLogger({ level: config.log.level }) };
}
