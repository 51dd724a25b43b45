/** A fresh app for a test file: the real thing in this process, reached through `app.fetch`, nothing listening. */
import { type App, createApp } from '../../src/app.js';
import type { Clock } from '../../src/clock.js';
import { type ConfigOverrides, defaultConfig } from '../../src/config/load.js';
import type { Data } from '../../src/data/client.js';
import { openData } from '../../src/data/open.js';
import { createLogger } from '../../src/log.js';
import { type Client, createClient } from './client.js';
import { createSeed, type Seed } from './seed.js';
import { MIGRATED, sharedPostgres } from './services/postgres.js';

export interface TestApp {
  readonly app: App;
  readonly data: Data;
  /** Nobody signed in. */
  readonly anonymous: Client;
  readonly seed: Seed;
  /** A client that is signed in as this user (password: seed.password). */
  signIn(username: string): Promise<Client>;
  /** A client with this bearer token. */
  withToken(token: string): Client;
  /** SQL statements that `work` sends, BEGIN and COMMIT left out. */
  statementsOf(work: () => Promise<unknown>): Promise<string[]>;
  stop(): Promise<void>;
}

export interface TestAppOptions {
  readonly config?: ConfigOverrides;
  readonly clock?: Clock;
  /** A database of its own: on the shared real server (the default, and a third cheaper), or in this process as with --dev. */
  readonly on?: 'memory' | 'postgres';
  /** A database that outlives the app, e.g. to start a second app on it. */
  readonly data?: Data;
  readonly logLevel?: string;
}

/** What is deleted is gone at once; tests of the bin say otherwise. */
const WITHOUT_BIN: ConfigOverrides = { deletion: { retentionMs: 0 } };

/** Nobody listens there: without etcd and Redis, and without waiting for them long. */
const ALONE = {
  etcd: { endpoints: ['http://127.0.0.1:1'], dialTimeoutMs: 50 },
  redis: { host: '127.0.0.1', port: 1, connectTimeoutMs: 50 },
} satisfies ConfigOverrides;

/** One user of a test asks more often than anybody; tests of the limits say otherwise. */
const UNLIMITED = {
  requestsPerMinuteAddress: 0,
  requestsPerMinutePrincipal: 0,
  costPerMinutePrincipal: 0,
};

/** Opens a database for tests: migrated and empty but for the default project. */
export async function openTestData(on: 'memory' | 'postgres'): Promise<Data> {
  const log = createLogger({ level: 'silent' });
  if (on === 'memory') return openData(defaultConfig({ mode: 'dev' }), log);
  return openData(await postgresConfig(), log);
}

/** The configuration of a production app on a new database of the shared server, migrated as above. */
export async function postgresConfig(overrides: ConfigOverrides = {}) {
  return configOn(await sharedPostgres().copyDatabase(MIGRATED), overrides);
}

/** The same on a database that is there. */
export function configOn(database: string, overrides: ConfigOverrides = {}) {
  const { host, port, user, password } = sharedPostgres();
  return defaultConfig({
    ...ALONE,
    ...overrides,
    mode: 'production',
    database: {
      host,
      port,
      user,
      password,
      database,
      fallback: 'refuse',
      maxConnections: 20,
      maxIdleConnections: 2,
      ...overrides.database,
    },
  });
}

export async function createTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const data = options.data ?? (await openTestData(options.on ?? 'postgres'));
  const limits = { ...UNLIMITED, ...options.config?.limits };
  const config = defaultConfig({
    mode: 'dev',
    ...ALONE,
    ...WITHOUT_BIN,
    ...options.config,
    limits,
  });
  const log = createLogger({ level: options.logLevel ?? 'silent' });
  const app = await createApp(config, {
    log,
    data,
    ...(options.clock ? { clock: options.clock } : {}),
  });
  const seed = createSeed(data);
  const client = (token: string | null) => createClient((request) => app.fetch(request), token);
  return {
    app,
    data,
    seed,
    anonymous: client(null),
    withToken: (token) => client(token),
    signIn: async (username) => client(await client(null).login(username, seed.password)),
    async statementsOf(work) {
      const seen: string[] = [];
      const stop = data.onStatement((sql) => {
        if (!/^(BEGIN|COMMIT|ROLLBACK)/i.test(sql)) seen.push(sql);
      });
      await work();
      stop();
      return seen;
    },
    async stop() {
      await app.stop();
      if (!options.data) await data.close();
    },
  };
}
