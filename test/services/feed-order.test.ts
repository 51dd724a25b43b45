/** The order of the change feed on PostgreSQL: whatever transactions do to each other, no reader misses, repeats or swaps changes. */
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMINISTRATORS } from '../../src/core/audience.js';
import { type FeedEntry, feedEnd, readFeed } from '../../src/core/feed.js';
import { decodeFeedCursor, encodeFeedCursor, type FeedCursor } from '../../src/core/feed-cursor.js';
import type { Data } from '../../src/data/client.js';
import { openData } from '../../src/data/open.js';
import { newId } from '../../src/ids.js';
import { postgresConfig } from '../support/app.js';
import { silent } from './data-fixtures.js';

let data: Data;
let address: pg.ClientConfig;
const clients: pg.Client[] = [];
beforeAll(async () => {
  const config = await postgresConfig();
  const { host, port, user, password, database } = config.database;
  address = { host, port, user, password: password ?? '', database };
  data = await openData(config, silent);
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.end()));
  await data.close();
});

async function session(): Promise<pg.Client> {
  const client = new pg.Client(address);
  await client.connect();
  clients.push(client);
  return client;
}

/** Objects are clusters; what a change is called says which change of which object it is. */
async function makeObjects(count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => newId());
  const rows = ids.map((id) => ({ id, name: `c-${id}` }));
  await data.db.cluster.createMany({ data: rows });
  return ids;
}

const begin = async (client: pg.Client) => {
  await client.query('BEGIN');
  await client.query('SELECT pg_current_xact_id()'); // as a command does that claims its key first
};

/** Waits for the row like a command, and writes what it did like the audit. */
async function change(client: pg.Client, id: string): Promise<void> {
  const { rows } = await client.query(
    'UPDATE clusters SET version = version + 1 WHERE id = $1 RETURNING version',
    [id],
  );
  await client.query(
    `INSERT INTO audit_log (id, username, action, resource_type, resource_id, details, seen_before, seen_after)
     VALUES ($1, 'u', 'test', 'Cluster', $2, jsonb_build_object('after', jsonb_build_object('version', $3::int)), $4, $4)`,
    [newId(), id, rows[0].version, [ADMINISTRATORS]],
  );
}

const end = () => feedEnd(data.db, 'r');
const query = (first: number) => ({ ids: [ADMINISTRATORS], types: ['Cluster'], first });

async function read(after: FeedCursor, first: number) {
  const page = await readFeed(data.db, after, query(first));
  if ('stale' in page) throw new Error(page.stale);
  return page;
}

/** All that there is after a cursor, and the cursor at the end. */
async function readAll(after: FeedCursor, first = 100) {
  const entries: FeedEntry[] = [];
  for (let cursor = after; ; ) {
    const page = await read(cursor, first);
    entries.push(...page.entries);
    // Through its text: what a client gives back is all that is kept of it.
    cursor = decodeFeedCursor(encodeFeedCursor(page.end));
    if (!page.more) return { entries, cursor };
  }
}

const versions = (entries: readonly FeedEntry[], id: string) =>
  entries.filter(({ objectId }) => objectId === id).map(({ version }) => version);

describe('two changes of one object', () => {
  it('come in their order when the second transaction is the older one, and another one still runs between them', async () => {
    const [id = ''] = await makeObjects(1);
    const [early, between, late] = [await session(), await session(), await session()];
    const start = await end();
    await begin(early);
    await begin(between);
    await begin(late);
    await change(late, id);
    const waiting = change(early, id);
    await late.query('COMMIT');
    await waiting;
    await early.query('COMMIT');
    const { entries, cursor } = await readAll(start);
    expect(versions(entries, id)).toEqual([2, 3]);
    await change(between, id);
    await between.query('COMMIT');
    expect(versions((await readAll(cursor)).entries, id)).toEqual([4]);
  });

  it('are not held up by a transaction that goes on for long, and it comes when it is done', async () => {
    const [fast = '', slow = ''] = await makeObjects(2);
    const [long, short] = [await session(), await session()];
    const start = await end();
    await begin(long);
    await change(long, slow); // with a smaller `seq` than all that follows
    let cursor = start;
    for (const version of [2, 3, 4]) {
      await begin(short);
      await change(short, fast);
      await short.query('COMMIT');
      const page = await readAll(cursor);
      expect(page.entries.map(({ version: v }) => v)).toEqual([version]);
      cursor = page.cursor;
    }
    await long.query('COMMIT');
    const { entries } = await readAll(cursor);
    expect(entries.map(({ objectId }) => objectId)).toEqual([slow]);
  });

  it('are found although the transaction began after the last one that the snapshot knows', async () => {
    const [one = '', two = ''] = await makeObjects(2);
    const [first, second] = [await session(), await session()];
    await begin(first);
    await begin(second); // greater than all that is committed, and already at work
    await change(second, two);
    await change(first, one);
    await first.query('COMMIT');
    const cursor = await end();
    await second.query('COMMIT');
    expect((await readAll(cursor)).entries.map(({ objectId }) => objectId)).toEqual([two]);
  });

  it('that are rolled back were never there', async () => {
    const [id = ''] = await makeObjects(1);
    const client = await session();
    const start = await end();
    await begin(client);
    await change(client, id);
    await client.query('ROLLBACK');
    expect((await readAll(start)).entries).toEqual([]);
  });
});

describe('random transactions', () => {
  const plan = fc.record({
    // Objects in ascending order: the writers wait for each other, and do not deadlock.
    touches: fc.uniqueArray(fc.nat({ max: 3 }), { minLength: 1, maxLength: 3 }),
    pauses: fc.array(fc.nat({ max: 3 }), { minLength: 4, maxLength: 4 }),
    outcome: fc.constantFrom('COMMIT', 'COMMIT', 'COMMIT', 'ROLLBACK'),
    earlyId: fc.boolean(),
  });
  const sizes = [1, 2, 3, 7, 50];

  it('are read by all readers exactly once and in order, whatever their page size', async () => {
    const writers = await Promise.all(Array.from({ length: 6 }, session));
    const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(plan, { maxLength: 5 }), { minLength: 6, maxLength: 6 }),
        async (work) => {
          const objects = await makeObjects(4);
          const start = await end();
          let writing = true;
          const readers = sizes.map(async (first) => {
            const seen: FeedEntry[] = [];
            let cursor = start;
            for (let last = false; ; ) {
              const page = await readAll(cursor, first);
              seen.push(...page.entries);
              cursor = page.cursor;
              if (last) return seen;
              last = !writing;
            }
          });
          const committed = new Map(objects.map((id) => [id, 0]));
          await Promise.all(
            work.map(async (plans, i) => {
              const client = writers[i] as pg.Client;
              for (const { touches, pauses, outcome, earlyId } of plans) {
                await (earlyId ? begin(client) : client.query('BEGIN'));
                await pause(pauses[3] ?? 0);
                for (const [n, touch] of touches.toSorted().entries()) {
                  await change(client, objects[touch] as string);
                  await pause(pauses[n] ?? 0);
                }
                await client.query(outcome);
                if (outcome === 'ROLLBACK') continue;
                for (const touch of touches)
                  committed.set(
                    objects[touch] as string,
                    (committed.get(objects[touch] as string) ?? 0) + 1,
                  );
              }
            }),
          );
          writing = false;
          for (const seen of await Promise.all(readers)) {
            expect(new Set(seen.map(({ id }) => id)).size).toBe(seen.length);
            for (const id of objects) {
              const all = Array.from({ length: committed.get(id) ?? 0 }, (_, n) => n + 2);
              expect(versions(seen, id)).toEqual(all);
            }
          }
          // From any place in it, the rest is the rest.
          const { entries } = await readAll(start, 7);
          for (const [i, { cursor }] of entries.entries()) {
            if (i % 5 !== 0) continue;
            const rest = await readAll(cursor, 3);
            expect(rest.entries.map(({ id }) => id)).toEqual(
              entries.slice(i + 1).map(({ id }) => id),
            );
          }
        },
      ),
      { numRuns: 6, seed: Number(process.env.MODEL_SEED ?? 7) },
    );
  });
});
