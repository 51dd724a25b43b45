/** SIGHUP: read the configuration again, and use what can change while this runs. What has faults changes nothing. */
import { ConfigError } from '../config/errors.js';
import { loadConfig } from '../config/load.js';
import type { Services } from '../core/context.js';
import type { Options } from './run.js';
import { flagsOf } from './settings.js';

/** From now on, not from the start: a process that does not serve yet ends at this signal, as it would without us. */
export function followReload({ settings, log }: Services, options: Options): void {
  process.on('SIGHUP', () => {
    try {
      const left = settings.reread(loadConfig(flagsOf(options)));
      if (left.length > 0)
        log.warn({ settings: left }, 'configuration read again; these settings need a restart');
      else log.info('configuration read again');
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      log.error(
        { faults: error.message },
        'the configuration has faults: what was read before goes on',
      );
    }
  });
}
