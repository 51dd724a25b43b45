/** Connections of backups and restores: as the owner of the tables, without limits on how long a statement takes. */
import pg from 'pg';
import {
  asOwner,
  type ConnectionOptions,
  clientConfig,
  connectError,
} from '../../data/connection.js';
import { BackupError } from './failure.js';

export const APPLICATION = 'qx-controlplane backup';
/** There in every cluster; databases can be made and renamed from there. */
const MAINTENANCE = 'postgres';

export async function connect(settings: ConnectionOptions, database: string): Promise<pg.Client> {
  const options = { ...asOwner(settings), database };
  const config = clientConfig(options);
  const client = new pg.Client({
    ...config,
    options: `${config.options} -c statement_timeout=0 -c idle_in_transaction_session_timeout=0`,
    application_name: APPLICATION,
  });
  client.on('error', () => {}); // a lost connection also rejects the statement that waits
  await client.connect().catch((error: unknown) => {
    throw connectError(options, error);
  });
  return client;
}

export async function withClient<T>(
  settings: ConnectionOptions,
  database: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = await connect(settings, database);
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

/** Any number that nobody else takes in the database `postgres`. */
const LOCK_CLASS = 72_707_370;

/**
 * A session from which databases are made, renamed and dropped, while no other machine does so for this database.
 * The lock ends with the session, and the session with this process.
 * @throws {BackupError} another run is at work; or this role may not make databases
 */
export async function withServer<T>(
  settings: ConnectionOptions,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  return withClient(settings, MAINTENANCE, async (client) => {
    const { rows } = await client.query<{ locked: boolean; may: boolean; role: string }>(
      `SELECT pg_try_advisory_lock($1, hashtext($2)) AS locked, rolcreatedb OR rolsuper AS may, rolname::text AS role
       FROM pg_roles WHERE rolname = current_user`,
      [LOCK_CLASS, settings.database],
    );
    const [row] = rows;
    if (!row?.locked)
      throw new BackupError(
        `Another backup or restore of the database ${settings.database} is at work, perhaps from another machine.`,
      );
    if (!row.may)
      throw new BackupError(
        `The role ${row.role} may not create databases, which proving an archive and restoring one need. As a superuser: ALTER ROLE ${pg.escapeIdentifier(row.role)} CREATEDB.`,
      );
    return work(client);
  });
}
