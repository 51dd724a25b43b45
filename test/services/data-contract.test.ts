/** The contract of the data port: one suite, run against PostgreSQL and against the database in memory. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Data, DEFAULT_PROJECT_ID, DEFAULT_SECURITY_GROUP_ID } from '../../src/data/client.js';
import {
  DataUnavailableError,
  isCheckViolation,
  isForeignKeyViolation,
  isOutOfRange,
  isSerializationFailure,
  isUnavailable,
  isUniqueViolation,
  TransactionAbortedError,
} from '../../src/data/errors.js';
import { withSavepoint } from '../../src/data/savepoint.js';
import { newId } from '../../src/ids.js';
import {
  type Adapter,
  addCluster,
  addNode,
  freshName,
  memoryAdapter,
  postgresAdapter,
  recording,
} from './data-fixtures.js';

const caught = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => expect.fail('it should have failed'),
    (error: unknown) => error,
  );

/** A gate for tests: `opened` resolves once somebody calls `open`. */
function latch(): { opened: Promise<void>; open: () => void } {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

describe.each<[string, Adapter]>([
  ['PostgreSQL', postgresAdapter()],
  ['memory', memoryAdapter()],
])('data on %s', (name, adapter) => {
  let data: Data;
  beforeAll(async () => {
    data = await adapter.open();
  });
  afterAll(() => adapter.dispose());

  describe('transactions', () => {
    test('keep what they wrote when they end well', async () => {
      const cluster = await data.transaction((tx) => addCluster(tx));
      await expect(data.db.cluster.findUnique({ where: { id: cluster.id } })).resolves.toEqual(
        cluster,
      );
    });

    test('leave nothing behind when the callback throws', async () => {
      const clusterName = freshName('cluster');
      const failure = new Error('changed my mind');
      const attempt = data.transaction(async (tx) => {
        await addCluster(tx, clusterName);
        throw failure;
      });
      await expect(attempt).rejects.toBe(failure);
      await expect(data.db.cluster.count({ where: { name: clusterName } })).resolves.toBe(0);
    });

    test('fail, instead of pretending success, when a failed statement was ignored', async () => {
      const { name: taken } = await addCluster(data.db);
      const other = freshName('cluster');
      const attempt = data.transaction(async (tx) => {
        await addCluster(tx, other);
        await addCluster(tx, taken).catch(() => undefined);
        return 'fine';
      });
      await expect(attempt).rejects.toBeInstanceOf(TransactionAbortedError);
      await expect(data.db.cluster.count({ where: { name: other } })).resolves.toBe(0);
      await expect(data.transaction((tx) => tx.cluster.count())).resolves.toBeGreaterThan(0);
    });

    test('run again after a serialization failure, with nothing left of the first attempt', async () => {
      const clusterName = freshName('cluster');
      let attempts = 0;
      await data.transaction(async (tx) => {
        attempts += 1;
        await addCluster(tx, clusterName);
        if (attempts < 3) {
          await tx.$executeRaw`DO $$ BEGIN RAISE EXCEPTION 'lost the race' USING ERRCODE = '40001'; END $$`;
        }
      });
      expect(attempts).toBe(3);
      await expect(data.db.cluster.count({ where: { name: clusterName } })).resolves.toBe(1);
    });

    test('give up after five serialization failures and say why', async () => {
      let attempts = 0;
      const error = await caught(
        data.transaction(async (tx) => {
          attempts += 1;
          await tx.$executeRaw`DO $$ BEGIN RAISE EXCEPTION 'lost again' USING ERRCODE = '40P01'; END $$`;
        }),
      );
      expect(attempts).toBe(5);
      expect(error).toMatchObject({ name: 'DataUnavailableError', reason: 'queue-timeout' });
      expect(isSerializationFailure((error as Error).cause)).toBe(true);
    });

    test('do not run again after any other failure', async () => {
      let attempts = 0;
      const error = await caught(
        data.transaction(async (tx) => {
          attempts += 1;
          await tx.$executeRaw`SELECT 1 / 0`;
        }),
      );
      expect(attempts).toBe(1);
      expect(isSerializationFailure(error) || isUnavailable(error)).toBe(false);
    });

    test('number 200 at once all succeed, and none of their increments is lost', async () => {
      const { id } = await addCluster(data.db);
      const increment = () =>
        data.transaction((tx) =>
          tx.cluster.update({ where: { id }, data: { version: { increment: 1 } } }),
        );
      await Promise.all(Array.from({ length: 200 }, increment));
      const { version } = await data.db.cluster.findUniqueOrThrow({ where: { id } });
      expect(version).toBe(201);
      expect(data.pool().waiting).toBe(0);
    });

    test('that run too long are rolled back and called unavailable', async () => {
      const hasty = await adapter.open({ transactionTimeoutMs: 200 });
      const clusterName = freshName('cluster');
      const error = await caught(
        hasty.transaction(async (tx) => {
          await addCluster(tx, clusterName);
          await sleep(400);
          await tx.cluster.count();
        }),
      );
      expect(isUnavailable(error)).toBe(true);
      await expect(hasty.db.cluster.count({ where: { name: clusterName } })).resolves.toBe(0);
      await expect(hasty.transaction((tx) => tx.cluster.count())).resolves.toBe(0);
    });
  });

  describe('a part of a transaction', () => {
    const names = () => ['outer', 'part', 'inner', 'later'].map(() => freshName('cluster'));
    const there = async (all: readonly string[]): Promise<string[]> => {
      const rows = await data.db.cluster.findMany({ where: { name: { in: [...all] } } });
      return all.filter((one) => rows.some((row) => row.name === one));
    };

    test('that throws is undone alone, and the rest is committed', async () => {
      const all = names();
      const [outer = '', part = '', , later = ''] = all;
      const failure = new Error('changed my mind');
      const told = await data.transaction(async (tx) => {
        await addCluster(tx, outer);
        const error = await caught(
          withSavepoint(tx, async () => {
            await addCluster(tx, part);
            throw failure;
          }),
        );
        await addCluster(tx, later);
        return error;
      });
      expect(told).toBe(failure);
      await expect(there(all)).resolves.toEqual([outer, later]);
    });

    test('that ends well is committed with the rest, and its result is told', async () => {
      const all = names();
      const [outer = '', part = ''] = all;
      const made = await data.transaction(async (tx) => {
        await addCluster(tx, outer);
        return withSavepoint(tx, () => addCluster(tx, part));
      });
      expect(made.name).toBe(part);
      await expect(there(all)).resolves.toEqual([outer, part]);
    });

    test('whose statement the database refuses does not take the transaction with it', async () => {
      const { name: taken } = await addCluster(data.db);
      const all = names();
      const [outer = '', part = '', , later = ''] = all;
      const refused = await data.transaction(async (tx) => {
        await addCluster(tx, outer);
        const error = await caught(
          withSavepoint(tx, async () => {
            await addCluster(tx, part);
            await addCluster(tx, taken);
          }),
        );
        await addCluster(tx, later);
        return error;
      });
      expect(isUniqueViolation(refused)).toMatchObject({ constraint: 'clusters_name_key' });
      await expect(there(all)).resolves.toEqual([outer, later]);
    });

    test('can have parts of its own: an inner one goes alone, an outer one with all that is in it', async () => {
      const all = names();
      const [outer = '', part = '', inner = '', later = ''] = all;
      const nested = (end: 'well' | 'badly') =>
        data.transaction(async (tx) => {
          const attempt = withSavepoint(tx, async () => {
            await addCluster(tx, part);
            const refusal = withSavepoint(tx, async () => {
              await addCluster(tx, inner);
              await tx.$executeRaw`SELECT 1 / 0`;
            });
            await caught(refusal);
            await withSavepoint(tx, () => addCluster(tx, later));
            if (end === 'badly') throw new Error('all of it');
          });
          await (end === 'well' ? attempt : caught(attempt));
          if (end === 'badly') await addCluster(tx, outer);
        });
      await nested('badly');
      await expect(there(all)).resolves.toEqual([outer]);
      await nested('well');
      await expect(there(all)).resolves.toEqual([outer, part, later]);
    });

    test('goes with its transaction when that fails later', async () => {
      const all = names();
      const attempt = data.transaction(async (tx) => {
        await withSavepoint(tx, () => addCluster(tx, all[1]));
        throw new Error('the rest of it');
      });
      await expect(attempt).rejects.toThrow('the rest of it');
      await expect(there(all)).resolves.toEqual([]);
    });
  });

  describe('the queue before transactions', () => {
    /** Fills every place with a transaction that waits for the latch. */
    async function occupied(limits: { queueWaitMs: number; maxQueuedCommands: number }) {
      const busy = await adapter.open({ ...limits, maxConnections: 2 });
      const release = latch();
      const started = latch();
      const running = busy.transaction(async (tx) => {
        started.open();
        await release.opened;
        return tx.cluster.count();
      });
      await started.opened;
      return { busy, running, release: release.open };
    }

    test('refuses the one who comes when it is full, at once', async () => {
      const { busy, running, release } = await occupied({
        queueWaitMs: 5_000,
        maxQueuedCommands: 1,
      });
      const waiting = busy.transaction((tx) => tx.cluster.count());
      const start = performance.now();
      const error = await caught(busy.transaction((tx) => tx.cluster.count()));
      expect(error).toBeInstanceOf(DataUnavailableError);
      expect(error).toMatchObject({ reason: 'queue-full' });
      expect(performance.now() - start).toBeLessThan(1_000);
      expect(busy.pool().waiting).toBe(1);
      release();
      await expect(Promise.all([running, waiting])).resolves.toEqual([0, 0]);
    });

    test('refuses the one who waited too long', async () => {
      const { busy, running, release } = await occupied({
        queueWaitMs: 100,
        maxQueuedCommands: 10,
      });
      const error = await caught(busy.transaction((tx) => tx.cluster.count()));
      expect(error).toMatchObject({ name: 'DataUnavailableError', reason: 'queue-timeout' });
      release();
      await running;
      await expect(busy.transaction((tx) => tx.cluster.count())).resolves.toBe(0);
    });

    test('is left by the one whose signal is aborted, and the next one gets the turn', async () => {
      const { busy, running, release } = await occupied({
        queueWaitMs: 5_000,
        maxQueuedCommands: 2,
      });
      const impatient = new AbortController();
      const left = caught(
        busy.transaction((tx) => tx.cluster.count(), { signal: impatient.signal }),
      );
      const next = busy.transaction((tx) => tx.cluster.count());
      const reason = new Error('the client went away');
      impatient.abort(reason);
      await expect(left).resolves.toBe(reason);
      expect(busy.pool().waiting).toBe(1);
      release();
      await expect(Promise.all([running, next])).resolves.toEqual([0, 0]);
    });

    test('does not commit a transaction whose signal was aborted while it ran', async () => {
      const clusterName = freshName('cluster');
      const gone = new AbortController();
      const attempt = data.transaction(
        async (tx) => {
          await addCluster(tx, clusterName);
          gone.abort(new Error('the client went away'));
        },
        { signal: gone.signal },
      );
      await expect(attempt).rejects.toThrow('the client went away');
      await expect(data.db.cluster.count({ where: { name: clusterName } })).resolves.toBe(0);
    });

    test('serves first come, first served', async () => {
      const { busy, running, release } = await occupied({
        queueWaitMs: 5_000,
        maxQueuedCommands: 10,
      });
      const order: number[] = [];
      const queued = [1, 2, 3, 4].map((n) => busy.transaction(async () => void order.push(n)));
      release();
      await Promise.all([running, ...queued]);
      expect(order).toEqual([1, 2, 3, 4]);
    });
  });

  describe('errors', () => {
    test('name the unique constraint and its fields, for models and for raw SQL alike', async () => {
      const { id, name: taken } = await addCluster(data.db);
      const expected = { constraint: 'clusters_name_key', fields: ['name'] };
      expect(isUniqueViolation(await caught(addCluster(data.db, taken)))).toEqual(expected);
      const raw = data.db
        .$executeRaw`INSERT INTO clusters (id, name) VALUES (${newId()}::uuid, ${taken})`;
      expect(isUniqueViolation(await caught(raw))).toEqual(expected);
      const sameId = data.db.cluster.create({ data: { id, name: freshName('cluster') } });
      expect(isUniqueViolation(await caught(sameId))).toEqual({
        constraint: 'clusters_pkey',
        fields: ['id'],
      });
    });

    test('name the fields behind a partial unique index over an expression', async () => {
      const alert = {
        severity: 'INFO',
        title: 't',
        sourceType: 'SYSTEM',
        kind: 'disk-full',
      } as const;
      await data.db.alert.create({ data: { id: newId(), ...alert } });
      const repeat = caught(data.db.alert.create({ data: { id: newId(), ...alert } }));
      expect(isUniqueViolation(await repeat)).toEqual({
        constraint: 'alerts_open_key',
        fields: ['sourceType', 'sourceId', 'kind'],
      });
    });

    test('name the foreign key, for a missing parent and for one that is still used', async () => {
      const constraint = { constraint: 'nodes_cluster_id_fkey' };
      const orphan = caught(addNode(data.db, { clusterId: newId() }));
      expect(isForeignKeyViolation(await orphan)).toEqual(constraint);
      const { clusterId } = await addNode(data.db);
      const used = caught(data.db.cluster.delete({ where: { id: clusterId } }));
      expect(isForeignKeyViolation(await used)).toEqual(constraint);
    });

    test('name the violated check', async () => {
      const error = await caught(addCluster(data.db, 'Not A Name'));
      expect(isCheckViolation(error)).toEqual({ constraint: 'clusters_name_check' });
      expect(isUniqueViolation(error) ?? isForeignKeyViolation(error)).toBeUndefined();
    });

    test('say that a number is too large for its column', async () => {
      const { id } = await addCluster(data.db);
      const where = { id };
      await data.db.cluster.update({ where, data: { version: 2 ** 31 - 1 } });
      const counted = caught(
        data.db.cluster.update({ where, data: { version: { increment: 1 } } }),
      );
      const raw = caught(
        data.db.$executeRaw`UPDATE clusters SET version = version + 1 WHERE id = ${id}::uuid`,
      );
      expect([isOutOfRange(await counted), isOutOfRange(await raw)]).toEqual([true, true]);
      expect(isOutOfRange(await caught(data.db.$queryRaw`SELECT nonsense`))).toBe(false);
    });

    test('in the request are not taken for an unavailable database', async () => {
      const errors = await Promise.all([
        caught(data.db.cluster.findUnique({ where: { id: 'not-a-uuid' } })),
        caught(data.db.cluster.update({ where: { id: newId() }, data: { description: 'x' } })),
        caught(data.db.$queryRaw`SELECT nonsense`),
      ]);
      expect(errors.map(isUnavailable)).toEqual([false, false, false]);
    });
  });

  describe('statements', () => {
    test('are counted and told to listeners, BEGIN and COMMIT included', async () => {
      const read = await recording(data, () => data.db.cluster.findMany({ take: 3 }));
      expect(read.count).toBe(1);
      expect(read.sql[0]).toContain('"public"."clusters"');
      const write = await recording(data, () => data.transaction((tx) => addCluster(tx)));
      expect(write.sql.map((sql) => sql.split(' ')[0])).toEqual(['BEGIN', 'INSERT', 'COMMIT']);
      expect(write.count).toBe(3);
    });

    test('are counted also when they fail', async () => {
      const attempt = await recording(data, () =>
        caught(data.transaction((tx) => tx.$executeRaw`SELECT 1 / 0`)),
      );
      expect(attempt.sql).toEqual(['BEGIN', 'SELECT 1 / 0', 'ROLLBACK']);
    });

    test('are told with how long they took, until the listener leaves', async () => {
      const durations: number[] = [];
      const stop = data.onStatement((_sql, durationMs) => durations.push(durationMs));
      await data.db.$queryRaw`SELECT count(*) FROM generate_series(1, 300000)`;
      stop();
      await data.db.cluster.count();
      expect(durations).toHaveLength(1);
      expect(durations[0]).toBeGreaterThan(1);
    });

    test('of a nested selection are one, with a LIMIT at every level', async () => {
      const { clusterId } = await addNode(data.db);
      for (let i = 0; i < 5; i += 1) await addNode(data.db, { clusterId });
      const { result, sql } = await recording(data, () =>
        data.db.cluster.findMany({
          where: { id: clusterId },
          take: 7,
          select: {
            id: true,
            nodes: { take: 2, orderBy: { hostname: 'asc' }, select: { hostname: true } },
          },
        }),
      );
      expect(result[0]?.nodes).toHaveLength(2);
      expect(sql).toHaveLength(1);
      expect(sql[0]).toContain('LATERAL');
      expect(sql[0]?.match(/LIMIT/g)).toHaveLength(2);
    });
  });

  describe('values come back exactly as they were written', () => {
    test('64-bit integers, up to the largest', async () => {
      const largest = 2n ** 63n - 1n;
      const pool = await data.db.storagePool.create({
        data: {
          id: newId(),
          name: freshName('pool'),
          poolType: 'NFS',
          capacityBytes: largest,
          usedBytes: 9_007_199_254_740_993n,
        },
      });
      const read = await data.db.storagePool.findUniqueOrThrow({ where: { id: pool.id } });
      expect(read.capacityBytes).toBe(largest);
      expect(read.usedBytes).toBe(9_007_199_254_740_993n);
      const found = await data.db.storagePool.count({ where: { capacityBytes: largest } });
      expect(found).toBe(1);
    });

    test.each(['192.0.2.1', '2001:db8::1'])('the address %s', async (managementIp) => {
      const { id } = await addNode(data.db, { managementIp });
      const read = await data.db.node.findUniqueOrThrow({ where: { id } });
      expect(read.managementIp).toBe(managementIp);
      await expect(data.db.node.count({ where: { id, managementIp } })).resolves.toBe(1);
    });

    test.each(['10.20.0.0/16', '2001:db8::/48'])('the network %s', async (cidr) => {
      const { id } = await data.db.virtualNetwork.create({
        data: { id: newId(), name: freshName('net'), networkType: 'OVERLAY', cidr },
      });
      const read = await data.db.virtualNetwork.findUniqueOrThrow({ where: { id } });
      expect(read.cidr).toBe(cidr);
    });

    test('JSON, with its types, nesting and every kind of character', async () => {
      const spec = {
        text: 'quote " backslash \\ newline \n emoji 🖥️ zero-width \u200b',
        number: 1.5,
        large: Number.MAX_SAFE_INTEGER,
        truth: true,
        nothing: null,
        list: [1, 'two', { three: [] }],
        empty: {},
      };
      const cluster = await addCluster(data.db);
      const node = await data.db.node.create({
        data: {
          id: newId(),
          hostname: freshName('node'),
          managementIp: '192.0.2.1',
          clusterId: cluster.id,
          spec,
        },
      });
      const read = await data.db.node.findUniqueOrThrow({ where: { id: node.id } });
      expect(read.spec).toEqual(spec);
    });

    test('lists of text and of ids, empty ones too', async () => {
      const dnsServers = ['192.0.2.53', 'a,b', 'say "hi"', 'back\\slash', '{braces}', 'NULL', ''];
      const network = { networkType: 'ISOLATED' as const };
      const ids = [newId(), newId()];
      const full = await data.db.virtualNetwork.create({
        data: { id: newId(), name: freshName('net'), ...network, dnsServers },
      });
      const empty = await data.db.virtualNetwork.create({
        data: { id: newId(), name: freshName('net'), ...network },
      });
      const pool = await data.db.storagePool.create({
        data: { id: newId(), name: freshName('pool'), poolType: 'NFS', assignedNodeIds: ids },
      });
      const networks = await data.db.virtualNetwork.findMany({
        where: { id: { in: [full.id, empty.id] } },
        orderBy: { id: 'asc' },
      });
      expect(networks.map((n) => n.dnsServers)).toEqual([dnsServers, []]);
      const read = await data.db.storagePool.findUniqueOrThrow({ where: { id: pool.id } });
      expect(read.assignedNodeIds).toEqual(ids);
    });

    test.each(['2026-02-28T23:59:59.999Z', '1999-12-31T00:00:00.000Z', '2026-07-01T12:00:00.120Z'])(
      'the time %s, and it is found again by equality',
      async (text) => {
        const lastHeartbeat = new Date(text);
        const { id } = await addNode(data.db);
        await data.db.node.update({ where: { id }, data: { lastHeartbeat } });
        const read = await data.db.node.findUniqueOrThrow({ where: { id } });
        expect(read.lastHeartbeat).toEqual(lastHeartbeat);
        await expect(data.db.node.count({ where: { id, lastHeartbeat } })).resolves.toBe(1);
      },
    );

    test('times that the server makes have no hidden microseconds', async () => {
      const { id } = await addCluster(data.db);
      const rows = await data.db.$queryRaw<{ exact: boolean }[]>`
        SELECT date_trunc('milliseconds', created_at) = created_at AS exact FROM clusters WHERE id = ${id}::uuid`;
      expect(rows).toEqual([{ exact: true }]);
    });
  });

  test('starts with the default project and its default security group', async () => {
    const project = await data.db.project.findUniqueOrThrow({
      where: { id: DEFAULT_PROJECT_ID },
      select: { name: true, securityGroups: { select: { id: true, isDefault: true } } },
    });
    expect(project).toEqual({
      name: 'default',
      securityGroups: [{ id: DEFAULT_SECURITY_GROUP_ID, isDefault: true }],
    });
  });

  test('stamps audit entries with the transaction that wrote them and a rising sequence', async () => {
    const entry = () => ({ id: newId(), username: 'u', action: 'a.b', resourceType: 'Cluster' });
    const [first, second, xact] = await data.transaction(async (tx) => [
      await tx.auditEntry.create({ data: entry() }),
      await tx.auditEntry.create({ data: entry() }),
      await tx.$queryRaw<{ id: bigint }[]>`SELECT pg_current_xact_id()::text::bigint AS id`,
    ]);
    const later = await data.db.auditEntry.create({ data: entry() });
    expect(first.txId).toBe(xact[0]?.id);
    expect(second.txId).toBe(first.txId);
    expect(second.seq).toBeGreaterThan(first.seq);
    expect(later.txId).toBeGreaterThan(first.txId);
  });

  test('shows why the root client is forbidden inside a transaction', async () => {
    const clusterName = freshName('cluster');
    const hasty = await adapter.open({ transactionTimeoutMs: 500 });
    const misuse = hasty.transaction(async () => {
      await addCluster(hasty.db, clusterName);
      throw new Error('roll back');
    });
    if (name === 'memory') {
      // the root client waits for the session that the transaction holds, until the transaction's time is over
      const start = performance.now();
      await caught(misuse);
      expect(performance.now() - start).toBeGreaterThan(400);
    } else {
      await expect(misuse).rejects.toThrow('roll back');
    }
    // on both, what it wrote is outside of the transaction: the rollback did not undo it
    await expect.poll(() => hasty.db.cluster.count({ where: { name: clusterName } })).toBe(1);
  });

  test('says how it is: its kind, whether it lasts, and its pool', async () => {
    const memory = name === 'memory';
    expect(data.kind).toBe(memory ? 'memory' : 'postgres');
    expect(data.persistent).toBe(!memory);
    expect(data.pool().max).toBe(memory ? 1 : 50);
    expect(data.pool().total).toBeGreaterThanOrEqual(memory ? 1 : 10);
    await expect(data.ping()).resolves.toBeUndefined();
  });

  test('close() lets the running transaction finish, refuses everybody else, and may be called twice', async () => {
    const closing = await adapter.open({ maxConnections: 2 });
    const started = latch();
    const release = latch();
    const running = closing.transaction(async (tx) => {
      started.open();
      await release.opened;
      return addCluster(tx);
    });
    await started.opened;
    const waiting = caught(closing.transaction((tx) => tx.cluster.count()));
    const closed = closing.close();
    await expect(waiting).resolves.toMatchObject({
      name: 'DataUnavailableError',
      reason: 'connection',
    });
    release.open();
    await expect(running).resolves.toHaveProperty('id');
    await closed;
    await closing.close();
    const late = [
      closing.db.cluster.count(),
      closing.transaction((tx) => tx.cluster.count()),
      closing.ping(),
    ];
    for (const attempt of late) expect(await caught(attempt)).toBeInstanceOf(DataUnavailableError);
  });
});
