/**
 * Writes the rows of many tables in one statement. The client would plan statements of that size for longer than the database runs them,
 * and that for each table: a start waits for it. What is no parameter are names, and those stand in the demo's own tables.
 */
import type { Tx } from '../../data/client.js';
import { Prisma } from '../../gen/client/client.js';

/** Rows by the fields of the data model; all with the same ones. */
export type Table = readonly [name: string, rows: readonly object[]];

/** As the data model maps them; the database refuses what it does not have. */
const columnOf = (field: string): string =>
  field
    .replace(/^virtualMachineId$/, 'vmId')
    .replace(/ById$/, 'By')
    .replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);

const writable = (_: string, value: unknown): unknown =>
  typeof value === 'bigint' ? String(value) : value;

/**
 * Columns that are not named get the database's defaults. References are looked at when all is written, in whatever order.
 * @throws Error when rows of a table differ in their fields: what one has and another has not would be null there, and not the default
 */
export async function insertTables(tx: Tx, tables: readonly Table[]): Promise<void> {
  const written = tables.map(([table, rows], index) => {
    const fields = Object.keys(rows[0] ?? {}).sort();
    if (rows.some((row) => Object.keys(row).sort().join() !== fields.join()))
      throw new Error(`The rows of ${table} have different columns.`);
    const columns = new Map(fields.map((field) => [field, columnOf(field)]));
    const records = rows.map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([field, value]) => [columns.get(field) ?? field, value]),
      ),
    );
    const name = Prisma.raw(`"${table}"`);
    const list = Prisma.raw([...columns.values()].map((column) => `"${column}"`).join(', '));
    return Prisma.sql`${Prisma.raw(`t${index}`)} AS (INSERT INTO ${name} (${list}) SELECT ${list}
      FROM jsonb_populate_recordset(NULL::${name}, ${JSON.stringify(records, writable)}::jsonb))`;
  });
  await tx.$executeRaw`WITH ${Prisma.join(written)} SELECT 1`;
}
