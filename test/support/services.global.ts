/** Vitest global setup: one PostgreSQL for the whole run, and one file for what its workers note. Redis and etcd are started by who needs them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { defaultConfig } from '../../src/config/load.js';
import { runMigrations } from '../../src/data/migrate.js';
import { SEEN_FILE } from './declared-errors.js';
import { MIGRATED, startPostgres } from './services/postgres.js';

/** Each file has a database of its own for a minute: autovacuum would visit all of them in turn, and find nothing worth its while. */
const FOR_MANY_DATABASES = { autovacuum: 'off', max_wal_size: '8GB', checkpoint_timeout: '1h' };

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startPostgres({ settings: FOR_MANY_DATABASES });
  const { host, port, user, password } = server;
  project.provide('postgres', { host, port, user, password });
  const database = await server.createDatabase(MIGRATED);
  const { database: defaults } = defaultConfig({ mode: 'production' });
  await runMigrations({ ...defaults, host, port, user, password, database });
  const folder = mkdtempSync(join(tmpdir(), 'quantix-tests-'));
  process.env[SEEN_FILE] ??= join(folder, 'declared-errors');
  writeFileSync(process.env[SEEN_FILE], '', { flag: 'a' });
  return async () => {
    rmSync(folder, { recursive: true });
    await server.dispose();
  };
}
