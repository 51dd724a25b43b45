/** What follows the swap, and cannot be in its transaction: shared settings in etcd, and what Redis keeps. May be done again at any time. */
import type pg from 'pg';
import { forgetInRedis } from './forget.js';
import { type Mark, markStatement, presentDatabase } from './mark.js';
import { writeSettings } from './shared-settings.js';
import type { Surroundings } from './surroundings.js';

/** Does what is pending at the database of the configuration. Returns its mark if there was anything. */
export async function finishPending(site: Surroundings, server: pg.Client): Promise<Mark | null> {
  const { config, say } = site;
  const { database } = config.database;
  const mark = (await presentDatabase(server, database))?.mark;
  if (!mark?.pending) return null;
  const { settings } = mark.pending;
  if (settings === null) say('Shared settings in etcd were left as they are.');
  else say(`Shared settings in etcd: ${await writeSettings(config, settings)} changed.`);
  await forgetInRedis(config);
  say(
    'Redis: all sessions were ended, and all kept answers forgotten. Everybody has to sign in again.',
  );
  const done: Mark = { ...mark, pending: null };
  const nothingElse = done.archive === null && done.before === null;
  await server.query(markStatement(database, nothingElse ? null : done));
  return mark;
}
