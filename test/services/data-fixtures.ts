/** What the suites of the data layer share: adapters to run on, and rows to run with. */
import { pino } from 'pino';
import type { Data } from '../../src/data/client.js';
import { openMemory } from '../../src/data/memory.js';
import { runMigrations } from '../../src/data/migrate.js';
import type { DatabaseOptions } from '../../src/data/open.js';
import { openPostgres, type PostgresOptions } from '../../src/data/postgres.js';
import { newId } from '../../src/ids.js';
import { type PostgresAddress, sharedPostgres } from '../support/services/postgres.js';

export const silent = pino({ enabled: false });

/** Settings as in production, for one database of a test server. */
export function databaseOptions(
  address: PostgresAddress,
  database: string,
  overrides: Partial<PostgresOptions & DatabaseOptions> = {},
): PostgresOptions & DatabaseOptions {
  return {
    host: address.host,
    port: address.port,
    user: address.user,
    password: address.password,
    database,
    sslMode: 'disable',
    connectTimeoutMs: 5_000,
    maxConnections: 50,
    maxIdleConnections: 10,
    connectionMaxLifetimeMs: 300_000,
    statementTimeoutMs: 15_000,
    lockTimeoutMs: 5_000,
    idleInTransactionTimeoutMs: 30_000,
    queueWaitMs: 10_000,
    maxQueuedCommands: 1_000,
    fallback: 'refuse',
    ...overrides,
  };
}

export interface Limits {
  readonly queueWaitMs?: number;
  readonly maxQueuedCommands?: number;
  readonly transactionTimeoutMs?: number;
  /** PostgreSQL only: in memory there is one connection. */
  readonly maxConnections?: number;
}

/** One adapter, and how to get fresh migrated databases on it. */
export interface Adapter {
  readonly name: string;
  open(limits?: Limits): Promise<Data>;
  /** Closes all that was opened and drops its databases. */
  dispose(): Promise<void>;
}

export function postgresAdapter(): Adapter {
  const opened: { data: Data; database: string }[] = [];
  return {
    name: 'PostgreSQL',
    async open(limits = {}) {
      const server = sharedPostgres();
      const database = await server.createDatabase();
      const options = databaseOptions(server, database, limits);
      await runMigrations(options);
      const data = await openPostgres(options, silent);
      opened.push({ data, database });
      return data;
    },
    async dispose() {
      for (const { data, database } of opened.splice(0)) {
        await data.close();
        await sharedPostgres().dropDatabase(database);
      }
    },
  };
}

export function memoryAdapter(): Adapter {
  const opened: Data[] = [];
  return {
    name: 'memory',
    async open({ maxConnections: _, ...limits } = {}) {
      const data = await openMemory(limits);
      opened.push(data);
      return data;
    },
    async dispose() {
      for (const data of opened.splice(0)) await data.close();
    },
  };
}

let serial = 0;

/** A name that nothing else in this process has. */
export function freshName(prefix = 'x'): string {
  serial += 1;
  return `${prefix}-${serial}`;
}

export async function addCluster(db: Pick<Data['db'], 'cluster'>, name = freshName('cluster')) {
  return db.cluster.create({ data: { id: newId(), name } });
}

export async function addNode(
  db: Pick<Data['db'], 'cluster' | 'node'>,
  data: { hostname?: string; managementIp?: string; clusterId?: string } = {},
) {
  const clusterId = data.clusterId ?? (await addCluster(db)).id;
  return db.node.create({
    data: {
      id: newId(),
      hostname: data.hostname ?? freshName('node'),
      managementIp: data.managementIp ?? '192.0.2.10',
      clusterId,
    },
  });
}

/** Counts the statements that `work` sends, and keeps their text. */
export async function recording<T>(
  data: Data,
  work: () => Promise<T>,
): Promise<{ result: T; sql: string[]; count: number }> {
  const sql: string[] = [];
  const before = data.statements();
  const stop = data.onStatement((statement) => sql.push(statement));
  try {
    return { result: await work(), sql, count: data.statements() - before };
  } finally {
    stop();
  }
}
