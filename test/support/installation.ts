/** An installation for production as an operator lays it out: a configuration file, a secret, a database of its own. */
import { randomBytes } from 'node:crypto';
import { stringify } from 'yaml';
import { runHere } from './command-here.js';
import {
  type Finished,
  Program,
  type ProgramOptions,
  runProgram,
  type Served,
  serve,
} from './program.js';
import { type Databases, type PostgresAddress, sharedPostgres } from './services/postgres.js';

type Sections = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export const CONFIG = ['--config', 'config.yaml'] as const;

export interface Installation {
  /** The name of its database. */
  readonly database: string;
  readonly jwtSecret: string;
  /** Files and environment for a program of one's own. */
  readonly options: ProgramOptions;
  run(args: readonly string[], options?: ProgramOptions): Promise<Finished>;
  /** The same in this process: a second cheaper, for what a command says and does. */
  here(args: readonly string[], options?: ProgramOptions): Promise<Finished>;
  start(args: readonly string[], options?: ProgramOptions): Promise<Program>;
  serve(args?: readonly string[], options?: ProgramOptions): Promise<Served>;
  createUser(username: string, role: 'ADMIN' | 'OPERATOR' | 'VIEWER'): Promise<void>;
  /** Of the users that `createUser` makes. */
  readonly password: string;
}

/** config.yaml for a database on `server`. Keys are written as in the file: `max_connections`. */
export function configFile(
  server: PostgresAddress,
  database: string,
  sections: Sections = {},
): string {
  const { host, port, user, password } = server;
  return stringify({
    ...sections,
    database: {
      ...{ host, port, user, password, database },
      ...{ fallback: 'refuse', connect_timeout: '10s', max_idle_connections: 2 },
      ...sections.database,
    },
    // Nobody listens there: an installation without etcd and Redis, which does not wait for them long.
    etcd: { endpoints: ['http://127.0.0.1:1'], dial_timeout: '50ms', ...sections.etcd },
    redis: { host: '127.0.0.1', port: 1, connect_timeout: '50ms', ...sections.redis },
    auth: { jwt_secret_file: 'jwt', ...sections.auth },
  });
}

/** Makes an empty database on `server` (the shared one by default), and what is needed to run on it. */
export async function install(
  sections: Sections = {},
  server: PostgresAddress & Databases = sharedPostgres(),
): Promise<Installation> {
  const database = await server.createDatabase();
  const jwtSecret = randomBytes(32).toString('base64url');
  const files = { 'config.yaml': configFile(server, database, sections), jwt: jwtSecret };
  const password = 'correct horse battery';
  const merged = (options: ProgramOptions): ProgramOptions => ({
    ...options,
    files: { ...files, ...options.files },
  });
  const run: Installation['run'] = (args, options = {}) =>
    runProgram([...args, ...CONFIG], merged(options));
  const here: Installation['here'] = (args, options = {}) =>
    runHere([...args, ...CONFIG], merged(options));
  return {
    database,
    jwtSecret,
    options: { files },
    password,
    run,
    here,
    start: (args, options = {}) => Program.start([...args, ...CONFIG], merged(options)),
    serve: (args = [], options = {}) => serve([...CONFIG, ...args], merged(options)),
    async createUser(username, role) {
      const { code, stderr } = await here(['user', 'create', username, '--role', role], {
        stdin: `${password}\n`,
      });
      if (code !== 0) throw new Error(`cannot create ${username}: ${stderr}`);
    },
  };
}
