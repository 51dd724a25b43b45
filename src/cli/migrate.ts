/** `migrate up|down|status`: the database's schema, by hand. */
import { migrationStatus, revertMigrations, runMigrations } from '../data/migrate.js';
import type { Options } from './run.js';
import { settingsOf } from './settings.js';
import { UsageError } from './usage.js';

export async function migrate(words: readonly string[], options: Options): Promise<number> {
  const [action, ...rest] = words;
  if (rest.length > 0) throw new UsageError(`migrate ${action} takes no "${rest[0]}".`);
  const { config } = settingsOf(options);
  const to = options.to === undefined ? {} : { to: options.to };
  if (action === 'up') return report('applied', await runMigrations(config.database, to));
  if (action === 'down') return report('reverted', await revertMigrations(config.database, to));
  if (action !== 'status')
    throw new UsageError('Say "migrate up", "migrate down" or "migrate status".');
  if (options.to !== undefined) throw new UsageError('migrate status takes no --to.');
  for (const { name, state, appliedAt } of await migrationStatus(config.database)) {
    console.log(
      `${name.padEnd(32)} ${state.padEnd(8)} ${appliedAt?.toISOString() ?? ''}`.trimEnd(),
    );
  }
  return 0;
}

function report(done: string, names: readonly string[]): number {
  if (names.length === 0) console.log('nothing to do');
  for (const name of names) console.log(`${done} ${name}`);
  return 0;
}
