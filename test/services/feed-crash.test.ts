/** The change feed after a crash of PostgreSQL, which gives the ids of transactions that left no trace to others. */
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ADMINISTRATORS } from '../../src/core/audience.js';
import { feedEnd, readFeed } from '../../src/core/feed.js';
import { runMigrations } from '../../src/data/migrate.js';
import { openPostgres } from '../../src/data/postgres.js';
import { newId } from '../../src/ids.js';
import { type PostgresHandle, startPostgres } from '../support/services/postgres.js';
import { databaseOptions, silent } from './data-fixtures.js';

let server: PostgresHandle;
let address: pg.ClientConfig;
beforeAll(async () => {
  // Commits are flushed, as they are in production: otherwise a crash takes more than what this is about.
  // What was not committed is written down late, so that the crash takes it.
  server = await startPostgres({ durable: true, settings: { wal_writer_delay: '10s' } });
  const { host, port, user, password } = server;
  address = { host, port, user, password, database: await server.createDatabase() };
});
afterAll(() => server.dispose());

/** What `work` is given is closed again: nothing survives the crash. */
async function withClient<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(address);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const write = (resource: string) =>
  withClient(async (client) => {
    const { rows } = await client.query(
      `INSERT INTO audit_log (id, username, action, resource_type, resource_id, details, seen_before, seen_after)
       VALUES ($1, 'u', 'test', 'Cluster', $2, '{}', $3, $3) RETURNING tx_id`,
      [newId(), resource, [ADMINISTRATORS]],
    );
    return BigInt(rows[0].tx_id);
  });

it('tells a change under an id that was somebody else’s when the cursor was made', async () => {
  const target = databaseOptions(server, String(address.database));
  await runMigrations(target);
  const open = () => openPostgres(target, silent);
  const before = await open();
  await write(newId());
  const lost = await withClient(async (client) => {
    await client.query('BEGIN');
    const { rows } = await client.query('SELECT pg_current_xact_id()::text AS id');
    await client.query('ROLLBACK');
    return BigInt(rows[0].id);
  });
  const cursor = await feedEnd(before.db, 'r');
  await server.kill();
  await before.close();
  await server.restart();

  const resource = newId();
  expect(await write(resource)).toBe(lost); // or this proves nothing
  await write(newId());
  const after = await open();
  const page = await readFeed(after.db, cursor, {
    ids: [ADMINISTRATORS],
    types: ['Cluster'],
    first: 10,
  });
  expect(page).not.toHaveProperty('stale');
  expect('entries' in page && page.entries[0]?.objectId).toBe(resource);
  await after.close();
}, 60_000);
