/** What the database itself refuses, whatever the program above it does: every CHECK, every unique index, every foreign key's rule. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Data, DEFAULT_SECURITY_GROUP_ID, type Tx } from '../../src/data/client.js';
import {
  isCheckViolation,
  isForeignKeyViolation,
  isUniqueViolation,
} from '../../src/data/errors.js';
import { ACCEPTED, BASE, base, EDGES, REFUSED, type Row } from './constraint-cases.js';
import { type Adapter, memoryAdapter, postgresAdapter } from './data-fixtures.js';

const insertion = (table: string, values: Row): string => {
  const row = { ...ACCEPTED[table], ...values };
  return `INSERT INTO ${table} (${Object.keys(row).join(', ')}) VALUES (${Object.values(row).join(', ')})`;
};

const DEFAULT_GROUP = `'${DEFAULT_SECURITY_GROUP_ID}'`;
const UNDONE = new Error('rolled back on purpose');

describe.each<[string, Adapter]>([
  ['PostgreSQL', postgresAdapter()],
  ['memory', memoryAdapter()],
])('constraints on %s', (_name, adapter) => {
  let data: Data;
  beforeAll(async () => {
    data = await adapter.open();
    for (const [table, values] of BASE) await data.db.$executeRawUnsafe(insertion(table, values));
  });
  afterAll(() => adapter.dispose());

  /** Runs `work` in a transaction that is always rolled back; rejects with what it threw. */
  const undone = async (work: (tx: Tx) => Promise<unknown>): Promise<void> => {
    const attempt = data.transaction(async (tx) => {
      await work(tx);
      throw UNDONE;
    });
    await attempt.catch((error: unknown) => {
      if (error !== UNDONE) throw error;
    });
  };
  const trying = (sql: string) => undone((tx) => tx.$executeRawUnsafe(sql));
  const errorOf = (sql: string): Promise<unknown> =>
    trying(sql).then(
      () => undefined,
      (error: unknown) => error,
    );

  // The feed's one row is there already.
  const tables = Object.keys(ACCEPTED).filter((table) => table !== 'change_feed');
  test.each(tables)('a proper row of %s is accepted', async (table) => {
    // the join tables have no room for a second row between the same two
    const other: Readonly<Record<string, Row>> = {
      project_members: { user_id: base.project },
      vm_security_groups: { security_group_id: DEFAULT_GROUP },
      image_shares: { image_id: base.vm },
      interface_security_groups: { security_group_id: DEFAULT_GROUP },
    };
    await undone(async (tx) => {
      const eve = { id: base.project, username: `'eve'`, email: `'eve@example.org'` };
      await tx.$executeRawUnsafe(insertion('users', eve));
      if (table !== 'users') await tx.$executeRawUnsafe(insertion(table, other[table] ?? {}));
    });
  });

  test.each(EDGES)('%s: %o is just accepted', (table, values) => trying(insertion(table, values)));

  describe.each(Object.entries(REFUSED))('%s', (table, cases) => {
    test.each(Object.entries(cases))('%s refuses', async (constraint, rows) => {
      expect(rows.length).toBeGreaterThan(0);
      for (const row of rows) {
        const error = await errorOf(insertion(table, row));
        const violated = isCheckViolation(error) ?? isUniqueViolation(error);
        expect(violated?.constraint, JSON.stringify(row)).toBe(constraint);
      }
    });
  });

  test('every CHECK and every unique index of the database has a case here, and no other', async () => {
    const rows = await data.db.$queryRaw<{ name: string }[]>`
      SELECT conname::text AS name FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
      WHERE c.contype = 'c' AND t.relnamespace = 'public'::regnamespace
      UNION SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
      WHERE i.indisunique AND t.relnamespace = 'public'::regnamespace AND t.relname <> '_prisma_migrations'
      ORDER BY 1`;
    const tried = Object.values(REFUSED).flatMap((cases) => Object.keys(cases));
    expect(tried.sort()).toEqual(rows.map((row) => row.name).sort());
  });

  test('no constraint can be deferred: in memory a COMMIT that fails would go unnoticed', async () => {
    const rows = await data.db.$queryRaw`
      SELECT conname::text AS name FROM pg_constraint WHERE condeferrable AND connamespace = 'public'::regnamespace`;
    expect(rows).toEqual([]);
  });

  describe('the audit log', () => {
    const refused = async (sql: string) =>
      expect(String(await errorOf(sql))).toContain('audit_log is append-only');

    test.each([
      `UPDATE audit_log SET action = 'forged'`,
      `UPDATE audit_log SET details = '{}', user_id = NULL`,
      `UPDATE audit_log SET user_id = NULL`,
      `UPDATE audit_log SET seq = seq`,
      'DELETE FROM audit_log',
      'TRUNCATE audit_log',
      'TRUNCATE users CASCADE',
    ])('refuses: %s', refused);

    test('forgets only the id of a user who is deleted', async () => {
      await undone(async (tx) => {
        const before = await tx.auditEntry.findUniqueOrThrow({
          where: { id: 'c0000000-0000-7000-8000-000000000001' },
        });
        expect(before.userId).not.toBeNull();
        await tx.$executeRawUnsafe(`DELETE FROM users WHERE id = ${base.user}`);
        const after = await tx.auditEntry.findUniqueOrThrow({ where: { id: before.id } });
        expect(after).toEqual({ ...before, userId: null });
      });
    });
  });

  describe('the seals of the audit log', () => {
    const columns =
      'number, from_seq, to_seq, entries, manifest, manifest_hash, sealed_at, previous, hash';
    const seal = (number: number, from: number, previous: string) =>
      `INSERT INTO audit_seals (${columns}) VALUES (${number}, ${from}, 9, 1, '', repeat('0', 64), now(), repeat('${previous}', 64), repeat('9', 64))`;
    test.each([
      ['does not continue', seal(3, 2, '1')],
      ['does not continue', seal(2, 3, '1')],
      ['does not continue', seal(2, 2, '3')],
      ['append-only', `UPDATE audit_seals SET hash = repeat('3', 64)`],
      ['append-only', 'UPDATE audit_seals SET manifest = NULL, removed_at = now()'],
      ['append-only', 'SELECT audit_remove(1)'],
      ['append-only', 'DELETE FROM audit_seals'],
      ['append-only', 'TRUNCATE audit_seals'],
    ])('refuse what %s: %s', async (refusal, sql) => {
      expect(String(await errorOf(sql))).toContain(refusal);
    });
  });

  describe('deleting', () => {
    const count = async (tx: Tx, table: string, where: string): Promise<number> => {
      const rows = await tx.$queryRawUnsafe<{ n: number }[]>(
        `SELECT count(*)::int AS n FROM ${table} WHERE ${where}`,
      );
      return rows[0]?.n ?? -1;
    };

    test.each([
      ['a project with machines', `DELETE FROM projects WHERE id = ${base.project}`],
      ['a cluster with nodes', `DELETE FROM clusters WHERE id = ${base.cluster}`],
      ['a pool with volumes', `DELETE FROM storage_pools WHERE id = ${base.pool}`],
      ['a group that machines use', `DELETE FROM security_groups WHERE id = ${base.group}`],
      ['a network with interfaces', `DELETE FROM virtual_networks WHERE id = ${base.user}`],
    ])('%s is refused', async (_what, sql) => {
      expect(isForeignKeyViolation(await errorOf(sql))).toBeDefined();
    });

    test.each([
      [
        'a node that runs machines',
        'virtual_machines',
        { node_id: base.node },
        `DELETE FROM nodes WHERE id = ${base.node}`,
      ],
      [
        'a machine with a volume attached',
        'volumes',
        { phase: `'IN_USE'`, attached_vm_id: base.vm },
        `DELETE FROM virtual_machines WHERE id = ${base.vm}`,
      ],
      [
        'a snapshot with children',
        'vm_snapshots',
        { parent_id: base.snapshot },
        `DELETE FROM vm_snapshots WHERE id = ${base.snapshot}`,
      ],
      [
        'a pool with images',
        'images',
        { pool_id: base.pool },
        `DELETE FROM volumes; DELETE FROM storage_pools WHERE id = ${base.pool}`,
      ],
    ])('%s is refused', async (_what, table, values, sql) => {
      const attempt = undone(async (tx) => {
        await tx.$executeRawUnsafe(insertion(table, values));
        for (const statement of sql.split('; ')) await tx.$executeRawUnsafe(statement);
      });
      const error = await attempt.catch((thrown: unknown) => thrown);
      expect(isForeignKeyViolation(error)).toBeDefined();
    });

    test('a machine takes its interfaces with it, and their addresses are free', async () => {
      await undone(async (tx) => {
        await tx.$executeRawUnsafe(`DELETE FROM virtual_machines WHERE id = ${base.vm}`);
        for (const table of ['network_interfaces', 'ip_addresses', 'interface_security_groups'])
          expect([table, await count(tx, table, 'true')]).toEqual([table, 0]);
      });
    });

    test('a machine takes its whole tree of snapshots with it, and leaves its tasks', async () => {
      await undone(async (tx) => {
        await tx.$executeRawUnsafe(
          insertion('vm_snapshots', { id: base.project, parent_id: base.snapshot }),
        );
        await tx.$executeRawUnsafe(insertion('vm_snapshots', { parent_id: base.project }));
        await tx.$executeRawUnsafe(`DELETE FROM virtual_machines WHERE id = ${base.vm}`);
        expect(await count(tx, 'vm_snapshots', 'true')).toBe(0);
        expect(
          await count(
            tx,
            'tasks',
            `id = ${base.user} AND vm_id IS NULL AND resource_id = ${base.vm}`,
          ),
        ).toBe(1);
      });
    });

    test('a user keeps what was made, and takes memberships and tokens', async () => {
      await undone(async (tx) => {
        await tx.$executeRawUnsafe(`UPDATE virtual_machines SET created_by = ${base.user}`);
        await tx.$executeRawUnsafe(`DELETE FROM users WHERE id = ${base.user}`);
        expect(await count(tx, 'virtual_machines', 'created_by IS NULL')).toBe(1);
        expect(await count(tx, 'project_members', 'true')).toBe(0);
        expect(await count(tx, 'api_tokens', 'true')).toBe(0);
      });
    });

    test('a group takes its rules, unless another group names it', async () => {
      const empty = { id: base.project, name: `'empty'` };
      await undone(async (tx) => {
        await tx.$executeRawUnsafe(insertion('security_groups', empty));
        await tx.$executeRawUnsafe(
          insertion('security_rules', { security_group_id: base.project }),
        );
        await tx.$executeRawUnsafe(`DELETE FROM security_groups WHERE id = ${base.project}`);
        expect(await count(tx, 'security_rules', `security_group_id = ${base.project}`)).toBe(0);
      });
      const named = undone(async (tx) => {
        await tx.$executeRawUnsafe(insertion('security_groups', empty));
        await tx.$executeRawUnsafe(insertion('security_rules', { remote_group_id: base.project }));
        await tx.$executeRawUnsafe(`DELETE FROM security_groups WHERE id = ${base.project}`);
      });
      expect(isForeignKeyViolation(await named.catch((error: unknown) => error))?.constraint).toBe(
        'security_rules_remote_group_id_fkey',
      );
    });
  });
});
