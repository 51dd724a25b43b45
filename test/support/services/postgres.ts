/** Real PostgreSQL servers for tests. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { inject } from 'vitest';
import { LOOPBACK } from './ports.js';
import { layOutDataFolder, PASSWORD_FILE, SUPERUSER } from './postgres-data.js';
import type { Account } from './process.js';
import { POSTGRES, provide } from './provide.js';
import { type ServerHandle, startServer } from './server.js';

/** Where a PostgreSQL server is and how to get in; plain data, so it travels between processes. */
export interface PostgresAddress {
  readonly host: string;
  readonly port: number;
  /** A superuser. */
  readonly user: string;
  /** Contains characters that have a meaning in URLs, as real passwords do. */
  readonly password: string;
}

/** Makes and removes databases on a server. */
export interface Databases {
  /** Creates an empty UTF-8 database, with a fresh name when none is given, and returns its name. */
  createDatabase(name?: string): Promise<string>;
  /** Creates a copy of this one, to which nobody is connected, and returns its name. */
  copyDatabase(template: string): Promise<string>;
  /** Drops it, cutting off whoever is still connected. A database that is not there is fine. */
  dropDatabase(name: string): Promise<void>;
}

/** On the shared server: a migrated database to be copied, for whoever does not test the migrating itself. */
export const MIGRATED = 'migrated';

export type SharedPostgres = PostgresAddress & Databases;
export type PostgresHandle = ServerHandle & PostgresAddress & Databases;

export interface PostgresOptions {
  /** Survive a power cut: for tests that kill the server and count what is left. Default: false. */
  readonly durable?: boolean;
  /** Settings as in postgresql.conf; they win over all others. */
  readonly settings?: Readonly<Record<string, string>>;
}

declare module 'vitest' {
  export interface ProvidedContext {
    postgres: PostgresAddress;
  }
}

/** PostgreSQL refuses to run as root, and then runs as the account that its package has made. */
async function serverAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = (await readFile('/etc/passwd', 'utf8'))
    .split('\n')
    .map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const fields = accounts.find((entry) => entry[0] === name);
    if (fields) return { uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  throw new Error(
    'PostgreSQL does not run as root, and there is no account "postgres" or "nobody"',
  );
}

/** Runs one statement over a connection of its own; resolves to its first row and column, if any. */
async function execute(address: PostgresAddress, statement: string): Promise<unknown> {
  const { host, port, user, password } = address;
  const client = new pg.Client({
    host,
    port,
    user,
    password,
    database: 'postgres',
    connectionTimeoutMillis: 5_000,
  });
  client.on('error', () => {}); // a cut connection also rejects the statement
  await client.connect();
  try {
    const { rows } = await client.query({ text: statement, rowMode: 'array' });
    return rows[0]?.[0];
  } finally {
    await client.end();
  }
}

function databases(address: PostgresAddress): Databases {
  const create = async (name: string, template: string): Promise<string> => {
    const [made, from] = [name, template].map(pg.escapeIdentifier);
    await execute(address, `CREATE DATABASE ${made} TEMPLATE ${from}`);
    return name;
  };
  const freshName = (): string => `test_${randomBytes(8).toString('hex')}`;
  return {
    // template0, because template1 cannot be copied while anybody is connected to it.
    createDatabase: (name = freshName()) => create(name, 'template0'),
    copyDatabase: (template) => create(freshName(), template),
    async dropDatabase(name) {
      const identifier = pg.escapeIdentifier(name);
      await execute(address, `DROP DATABASE IF EXISTS ${identifier} WITH (FORCE)`);
    },
  };
}

/** The server that the test run started once for all files. Make your own database in it. */
export function sharedPostgres(): SharedPostgres {
  const address = inject('postgres');
  return { ...address, ...databases(address) };
}

/** Starts a private server. Use it to kill or pause it; otherwise `sharedPostgres` is cheaper. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresHandle> {
  const programs = await provide(POSTGRES);
  const account = await serverAccount();
  const careful = options.durable ? 'on' : 'off';
  const settings = {
    listen_addresses: LOOPBACK,
    unix_socket_directories: '',
    max_connections: '300',
    timezone: 'UTC',
    // Shared memory in files of the data folder: a killed server leaves nothing outside of it.
    dynamic_shared_memory_type: 'mmap',
    fsync: careful,
    full_page_writes: careful,
    synchronous_commit: careful,
    ...options.settings,
  };
  let password = '';
  const handle = await startServer({
    name: 'PostgreSQL',
    ports: 1,
    account,
    abortSignal: 'SIGQUIT',
    async prepare(folder) {
      await layOutDataFolder(programs, folder, account);
      password = await readFile(join(folder, PASSWORD_FILE), 'utf8');
    },
    command: (folder, [port]) => ({
      program: join(programs, 'postgres'),
      args: [
        ...['-D', join(folder, 'data'), '-p', String(port)],
        ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
      ],
      account,
      stopSignal: 'SIGINT', // its "fast" shutdown: SIGTERM would wait for clients to leave
    }),
    async probe(port, folder) {
      const address = { host: LOOPBACK, port, user: SUPERUSER, password };
      const served = await execute(address, 'SHOW data_directory');
      if (served !== join(folder, 'data')) throw new Error(`it serves ${served}`);
    },
  });
  const access = { user: SUPERUSER, password };
  const address = { host: handle.host, port: handle.port, ...access };
  return Object.assign(handle, access, databases(address));
}
