/** Vitest global setup: one PostgreSQL for the whole run. Redis and etcd are started by who needs them. */
import type { TestProject } from 'vitest/node';
import { startPostgres } from './services/postgres.js';

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startPostgres();
  const { host, port, user, password } = server;
  project.provide('postgres', { host, port, user, password });
  return () => server.dispose();
}
