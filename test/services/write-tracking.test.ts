/** What the data port says of writes: every table, on both adapters, after the commit and before the writer hears of it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allEntities } from '../../src/core/entity.js';
import { TYPES_WITH_TABLES, typesOfTable } from '../../src/core/tables.js';
import type { Data, Tx } from '../../src/data/client.js';
import { DataUnavailableError } from '../../src/data/errors.js';
import { FOLLOW_DELETION, tablesWritten } from '../../src/data/writes.js';
import '../../src/schema.js';
import { openTestData } from '../support/app.js';

const cluster = (name: string) => ({ data: { id: crypto.randomUUID(), name } });

/** What is told while `work` runs, and whether one of the two was told at the wrong time. */
async function toldBy(data: Data, work: () => Promise<unknown>) {
  const tables: string[][] = [];
  const before: string[][] = [];
  const doubts: boolean[] = [];
  let early = false;
  let done = false;
  const stop = data.onWrite({
    async writing(names) {
      before.push([...names].sort());
      early ||= before.length !== tables.length + 1;
    },
    async written(names, inDoubt) {
      doubts.push(inDoubt);
      await new Promise((resolve) => setImmediate(resolve));
      early ||= done;
      tables.push([...names].sort());
    },
  });
  await work().catch(() => undefined);
  done = true;
  stop();
  expect(before).toEqual(tables);
  return { tables, early, inDoubt: doubts.some(Boolean) };
}

describe.each(['memory', 'postgres'] as const)('on %s', (on) => {
  let data: Data;
  beforeAll(async () => {
    data = await openTestData(on);
  });
  afterAll(() => data.close());

  const told = (work: () => Promise<unknown>) => toldBy(data, work);

  it('a transaction is told of once, when it is committed, with all that it wrote', async () => {
    let seen = 0;
    let seenBefore = 0;
    const stop = data.onWrite({
      async writing() {
        // In memory there is one connection, and the transaction has it.
        if (on === 'postgres')
          seenBefore = await data.db.cluster.count({ where: { name: `${on}-a` } });
      },
      async written() {
        seen = await data.db.cluster.count({ where: { name: `${on}-a` } });
      },
    });
    const { tables, early, inDoubt } = await told(() =>
      data.transaction(async (tx) => {
        await tx.cluster.create(cluster(`${on}-a`));
        await tx.project.update({
          where: { id: '00000000-0000-7000-8000-000000000001' },
          data: { description: 'x' },
        });
        await tx.$queryRaw`SELECT id FROM clusters FOR UPDATE`;
      }),
    );
    stop();
    expect({ tables, early, inDoubt, seen, seenBefore }).toEqual({
      tables: [['clusters', 'projects']],
      early: false,
      inDoubt: false,
      seen: 1,
      seenBefore: 0,
    });
  });

  it('a statement by itself is told of, also one that goes past the models', async () => {
    const { tables, early } = await told(async () => {
      await data.db.cluster.create(cluster(`${on}-b`));
      await data.db.$executeRaw`UPDATE clusters SET description = 'y'`;
      await data.db
        .$queryRaw`WITH gone AS (DELETE FROM clusters WHERE name = 'none' RETURNING 1) SELECT count(*)::int FROM gone`;
    });
    expect({ tables, early }).toEqual({
      tables: [
        ['clusters'],
        ['clusters'],
        ['clusters', 'drs_recommendations', 'enrolment_tokens', 'enrolments'],
      ],
      early: false,
    });
  });

  it.each<[string, (tx: Tx) => Promise<unknown>]>([
    [
      'is rolled back',
      async (tx) => {
        await tx.cluster.create(cluster(`${on}-c`));
        throw new Error('no');
      },
    ],
    ['only reads', (tx) => tx.cluster.count()],
  ])('a transaction that %s is not told of', async (_case, run) => {
    expect((await told(() => data.transaction(run))).tables).toEqual([]);
  });

  it('a commit that is refused is told of', async () => {
    const { tables, inDoubt } = await told(() =>
      data.transaction(async (tx) => {
        await tx.cluster.create(cluster(`${on}-d`));
        // What is looked at only when the COMMIT comes.
        await tx.$executeRaw`CREATE TEMPORARY TABLE parent (id int PRIMARY KEY)`;
        await tx.$executeRaw`CREATE TEMPORARY TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)`;
        await tx.$executeRaw`INSERT INTO child VALUES (1)`;
      }),
    );
    expect(tables.flat()).toContain('clusters');
    expect(inDoubt).toBe(false);
  });

  it('a transaction that a listener refuses does not begin', async () => {
    const refusal = new DataUnavailableError('connection', 'not now');
    const stop = data.onWrite({
      beginning: () => Promise.reject(refusal),
      written: async () => {},
    });
    const before = data.statements();
    await expect(data.transaction((tx) => tx.cluster.count())).rejects.toThrow(refusal);
    stop();
    expect(data.statements()).toBe(before);
    expect(await data.transaction((tx) => tx.cluster.count())).toBeTypeOf('number');
  });

  it.each<[string, () => Promise<unknown>]>([
    ['transaction', () => data.transaction((tx) => tx.cluster.create(cluster(`${on}-refused`)))],
    ['statement', () => data.db.cluster.create(cluster(`${on}-refused`))],
  ])('a %s that a listener refuses is not committed, and is told of', async (_, write) => {
    const refusal = new DataUnavailableError('connection', 'not now');
    const stop = data.onWrite({ writing: () => Promise.reject(refusal), written: async () => {} });
    const heard = await told(() => expect(write()).rejects.toThrow(refusal));
    stop();
    expect(heard).toEqual({ tables: [['clusters']], early: false, inDoubt: false });
    const found = () => data.db.cluster.deleteMany({ where: { name: `${on}-refused` } });
    expect(await found()).toEqual({ count: 0 });
    await write();
    expect(await found()).toEqual({ count: 1 });
  });
});

it('a commit or a statement whose answer is lost may come through yet, and says so', async () => {
  const data = await openTestData('postgres');
  const cut = async () => {
    await data.db
      .$queryRaw`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'`;
  };
  const stop = data.onWrite({ writing: cut, written: async () => {} });
  const lost = await toldBy(data, () =>
    data.transaction((tx) => tx.cluster.create(cluster('in-doubt'))),
  );
  stop();
  expect(lost).toMatchObject({ tables: [['clusters']], inDoubt: true });
  const ended = await toldBy(
    data,
    () =>
      data.db
        .$executeRaw`INSERT INTO clusters (id, name) SELECT gen_random_uuid(), pg_terminate_backend(pg_backend_pid())::text`,
  );
  expect(ended).toMatchObject({ tables: [['clusters']], inDoubt: true });
  await data.close();
});

describe('of the database as it is', () => {
  let data: Data;
  beforeAll(async () => {
    data = await openTestData('memory');
  });
  afterAll(() => data.close());

  it('the rows that go or change with those they refer to are known', async () => {
    const rows = await data.db.$queryRaw<{ owner: string; follower: string }[]>`
      SELECT DISTINCT confrelid::regclass::text AS owner, conrelid::regclass::text AS follower
      FROM pg_constraint WHERE contype = 'f' AND confdeltype IN ('c', 'n', 'd') ORDER BY 1, 2`;
    const pairs = Object.entries(FOLLOW_DELETION).flatMap(([owner, followers]) =>
      followers.map((follower) => ({ owner, follower })),
    );
    expect(pairs).toEqual(rows);
  });

  it('nothing is updated by its foreign key, and no trigger writes', async () => {
    const keys = await data.db.$queryRaw`
      SELECT conname FROM pg_constraint WHERE contype = 'f' AND confupdtype IN ('n', 'd')`;
    const triggers = await data.db.$queryRaw`
      SELECT DISTINCT tgname FROM pg_trigger WHERE NOT tgisinternal
        AND tgname NOT LIKE 'audit\\_%'`;
    expect([keys, triggers]).toEqual([[], []]);
  });

  it('every table is shown by types of the API, or said to be by none; every entity has one', async () => {
    const tables = await data.db.$queryRaw<{ name: string }[]>`
      SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename <> '_prisma_migrations'`;
    expect(tables.filter(({ name }) => typesOfTable(name) === null)).toEqual([]);
    expect(allEntities().filter(({ type }) => !TYPES_WITH_TABLES.has(type))).toEqual([]);
  });
});

describe('of a statement', () => {
  it.each([
    ['INSERT INTO "public"."users" ("id") VALUES ($1)', ['users']],
    ['UPDATE "public"."users" SET "role" = $1', ['users']],
    ['UPDATE users SET /* unseen */ role = $1', []],
    ['select 1 FROM users FOR UPDATE', []],
    ['\n  WITH a AS (UPDATE nodes SET x = 1 RETURNING 1) INSERT INTO tasks SELECT * FROM a', ['nodes', 'tasks']],
    ['DELETE FROM ONLY network_interfaces WHERE true', ['interface_security_groups', 'ip_addresses', 'network_interfaces']],
    ['INSERT INTO tasks VALUES (1) ON CONFLICT DO UPDATE SET a = 1', ['SET', 'tasks']],
    ['TRUNCATE volumes', ['tasks', 'volumes']],
  ])('%s', (sql, tables) => {
    expect([...tablesWritten(sql)].sort()).toEqual(tables);
  }); // biome-ignore format: a table

  it('a deletion reaches as far as its foreign keys do', () => {
    const reached = tablesWritten('DELETE FROM "public"."virtual_machines" WHERE 1=1');
    expect([...reached].sort()).toEqual([
      'drs_recommendations',
      'interface_security_groups',
      'ip_addresses',
      'network_interfaces',
      'tasks',
      'virtual_machines',
      'vm_security_groups',
      'vm_snapshots',
    ]);
  });
});
