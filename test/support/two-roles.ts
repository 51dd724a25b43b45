/** A database with two roles, as docs/database.md tells an operator to make it: one owns it, the other works with it. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { databaseOptions } from '../services/data-fixtures.js';
import { sharedPostgres } from './services/postgres.js';

export interface TwoRoles {
  /** Settings with both roles. */
  readonly both: ReturnType<typeof databaseOptions>;
  /** Settings with the service role alone. */
  readonly service: ReturnType<typeof databaseOptions>;
  readonly owner: string;
  /** Runs SQL as one of the roles, or as the superuser. */
  as(role: 'superuser' | 'owner' | 'service', sql: string): Promise<pg.QueryResult>;
  dispose(): Promise<void>;
}

export async function twoRoles(): Promise<TwoRoles> {
  const server = sharedPostgres();
  const database = await server.createDatabase();
  const suffix = randomBytes(4).toString('hex');
  // names as operators choose them: they have to be quoted
  const owner = `Owner ${suffix}`;
  const service = `service-${suffix}`;
  const passwords = { owner: 'o@/:%#"\' 1', service: 's@/:%#"\' 2' };
  const [o, s, d] = [owner, service, database].map((name) => pg.escapeIdentifier(name));
  const options = databaseOptions(server, database, {
    user: service,
    password: passwords.service,
    maxConnections: 10,
    maxIdleConnections: 1,
  });
  const access = {
    superuser: { user: server.user, password: server.password },
    owner: { user: owner, password: passwords.owner },
    service: { user: service, password: passwords.service },
  };
  const as: TwoRoles['as'] = async (role, sql) => {
    const { host, port } = server;
    const client = new pg.Client({ host, port, database, ...access[role] });
    client.on('error', () => {});
    await client.connect();
    try {
      return await client.query(sql);
    } finally {
      await client.end();
    }
  };
  await as(
    'superuser',
    `CREATE ROLE ${o} LOGIN PASSWORD ${pg.escapeLiteral(passwords.owner)};
     CREATE ROLE ${s} LOGIN PASSWORD ${pg.escapeLiteral(passwords.service)};
     ALTER DATABASE ${d} OWNER TO ${o}`,
  );
  return {
    both: { ...options, migrationUser: owner, migrationPassword: passwords.owner },
    service: options,
    owner,
    as,
    async dispose() {
      await as('superuser', `ALTER DATABASE ${d} OWNER TO CURRENT_USER`);
      await server.dropDatabase(database);
      const { host, port } = server;
      const client = new pg.Client({ host, port, database: 'postgres', ...access.superuser });
      await client.connect();
      await client.query(`DROP ROLE ${o}; DROP ROLE ${s}`);
      await client.end();
    },
  };
}
