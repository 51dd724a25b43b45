/** What a database holds, as one line for each table: two equal digests mean that nothing was written in between. */
import type { Data } from '../../src/data/client.js';

interface Table {
  readonly name: string;
  readonly dated: boolean;
}

/** Rows, newest change and a checksum over every column of every row, by table. One statement: tests ask often. */
export async function digest({ db }: Data): Promise<Record<string, string>> {
  const tables = await db.$queryRaw<Table[]>`
    SELECT c.relname::text AS name, bool_or(a.attname = 'updated_at') AS dated
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
    GROUP BY 1 ORDER BY 1`;
  const lines = await db.$queryRawUnsafe<{ name: string; line: string }[]>(
    tables.map(lineOf).join(' UNION ALL '),
  );
  return Object.fromEntries(lines.map(({ name, line }) => [name, line]));
}

function lineOf({ name, dated }: Table): string {
  const newest = dated ? `coalesce(max(updated_at)::text, '')` : `''`;
  return `SELECT '${name}' AS name, count(*) || ' rows, ' || ${newest} || ' ' ||
    md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '')) AS line FROM "${name}" t`;
}

/** The tables that differ between two digests. */
export function changedTables(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): string[] {
  return Object.keys(after).filter((table) => before[table] !== after[table]);
}

/** Whether `text` stands anywhere in any row of any table. */
export async function tablesContaining({ db }: Data, text: string): Promise<string[]> {
  const tables = await db.$queryRaw<{ name: string }[]>`
    SELECT table_name::text AS name FROM information_schema.tables
    WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`;
  const found: string[] = [];
  for (const { name } of tables) {
    const rows = await db.$queryRawUnsafe<unknown[]>(
      `SELECT 1 FROM "${name}" t WHERE position($1 in t::text) > 0 LIMIT 1`,
      text,
    );
    if (rows.length > 0) found.push(name);
  }
  return found;
}
