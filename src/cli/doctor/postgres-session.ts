/** The doctor's one connection to PostgreSQL: it only reads, and gives up soon. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type ConnectionOptions, clientConfig } from '../../data/connection.js';
import { NotReached, type Site } from './check.js';

export interface PostgresSession {
  readonly query: Site['query'];
  close(): Promise<void>;
}

/** Shorter than a check may take, so that each tells its own reason. */
const PATIENCE_MS = 4_000;

const FAREWELL_MS = 500;

/** Connects as in production, but for its name in pg_stat_activity, and without the right to write. Rejects with the driver's error. */
export async function connect(options: ConnectionOptions): Promise<pg.Client> {
  const connectTimeoutMs = Math.min(options.connectTimeoutMs, PATIENCE_MS);
  const config = clientConfig({ ...options, connectTimeoutMs });
  const client = new pg.Client({
    ...config,
    options: `${config.options} -c default_transaction_read_only=on`,
    application_name: 'qx-controlplane doctor',
    statement_timeout: PATIENCE_MS,
    query_timeout: PATIENCE_MS,
  });
  client.on('error', () => {}); // a lost connection also rejects what waits for it
  await client.connect();
  return client;
}

/** Statements go one after the other; after one without an answer, none is sent any more. */
export function openPostgresSession(options: ConnectionOptions): PostgresSession {
  const connecting = connect(options);
  connecting.catch(() => {}); // told by each query
  let last: Promise<unknown> = connecting;
  let silent = false;
  return {
    query: <Row extends object>(sql: string, parameters: readonly unknown[] = []) => {
      const answer = last.then(async (): Promise<Row[]> => {
        const client = await connecting.catch((cause: unknown) => {
          throw new NotReached('PostgreSQL cannot be used', { cause });
        });
        if (silent) throw new NotReached('PostgreSQL does not answer');
        try {
          return (await client.query<Row>(sql, [...parameters])).rows;
        } catch (error) {
          silent = !(error instanceof pg.DatabaseError);
          throw silent ? new NotReached('PostgreSQL does not answer', { cause: error }) : error;
        }
      });
      last = answer.catch(() => {});
      return answer;
    },
    async close() {
      const client = await connecting.catch(() => null);
      // one that does not answer would never acknowledge the end
      if (client && !silent) await Promise.race([client.end(), sleep(FAREWELL_MS)]);
    },
  };
}
