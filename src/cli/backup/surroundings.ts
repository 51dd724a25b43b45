/** What backups and restores work with. */

import type { Config } from '../../config/model.js';
import type { Logger } from '../../log.js';
import type { SettingFile } from '../doctor/check.js';

export interface Surroundings {
  readonly config: Config;
  readonly log: Logger;
  /** config.yaml and the files with secrets that it names. */
  readonly files: readonly SettingFile[];
  now(): Date;
  /** A line for people. */
  say(line: string): void;
}
