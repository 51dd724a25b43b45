/**
 * Puts one database in the place of another: two renamings in one transaction, so that at every moment one of the two has the name.
 * PostgreSQL lets nobody new into a database that is being renamed, and renames none that somebody is in.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { ConnectionOptions } from '../../data/connection.js';
import { BackupError } from './failure.js';
import { connect } from './session.js';

export interface Renaming {
  readonly from: string;
  readonly to: string;
}

const IN_USE = '55006';
const PAUSE_MS = 200;

/** Who is connected to the database, in words. What kind of process it is, other roles may not see; the server's own have no role. */
export async function sessionsAt(server: pg.Client, database: string): Promise<string[]> {
  const { rows } = await server.query<{ says: string }>(
    `SELECT concat(coalesce(nullif(application_name, ''), 'unnamed'), ' as ', usename, ' (process ', pid, ')') AS says
     FROM pg_stat_activity WHERE datname = $1 AND usesysid IS NOT NULL ORDER BY pid`,
    [database],
  );
  return rows.map(({ says }) => says);
}

/**
 * @param also statements of the same transaction
 * @param evict ends sessions at what is renamed: whoever is in there does not get to stay
 * @throws {BackupError} somebody is connected
 */
export async function renameAll(
  server: pg.Client,
  settings: ConnectionOptions,
  renamings: readonly Renaming[],
  also: readonly string[],
  evict: boolean,
): Promise<void> {
  const statements = [
    ...renamings.map(
      ({ from, to }) =>
        `ALTER DATABASE ${pg.escapeIdentifier(from)} RENAME TO ${pg.escapeIdentifier(to)}`,
    ),
    ...also,
  ];
  const renaming = server
    .query(`BEGIN; ${statements.join('; ')}; COMMIT`)
    .then(() => {})
    .catch(async (cause: unknown) => {
      await server.query('ROLLBACK').catch(() => {});
      if ((cause as { code?: string }).code !== IN_USE) throw cause;
      const [name = ''] = renamings.map(({ from }) => from);
      const sessions = await sessionsAt(server, name);
      throw new BackupError(
        `Nothing was changed: the database ${name} is in use${sessions.length > 0 ? ` by ${sessions.join(', ')}` : ''}. Stop all control planes, or use --force.`,
        { cause },
      );
    });
  if (!evict) return renaming;
  let done = false;
  const settled = renaming.finally(() => {
    done = true;
  });
  settled.catch(() => {});
  // The renaming waits for sessions to end, for five seconds: meanwhile they are ended.
  const other = await connect(settings, 'postgres');
  try {
    while (!done) {
      await other.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY($1) AND usesysid IS NOT NULL`,
        [renamings.map(({ from }) => from)],
      );
      await Promise.race([sleep(PAUSE_MS), settled.catch(() => {})]);
    }
  } finally {
    await other.end().catch(() => {});
    await settled.catch(() => {}); // what comes next at this session must not get into its transaction
  }
  return settled;
}

/** Whose sessions at the database this role may not end. */
export async function beyondReach(server: pg.Client, database: string): Promise<string[]> {
  const { rows } = await server.query<{ name: string }>(
    `SELECT DISTINCT r.rolname::text AS name FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
     WHERE a.datname = $1 AND NOT pg_has_role(r.oid, 'USAGE')
       AND (r.rolsuper OR NOT pg_has_role('pg_signal_backend', 'USAGE'))`,
    [database],
  );
  return rows.map(({ name }) => name);
}
