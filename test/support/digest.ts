/** What a database holds, as one line for each table: two equal digests mean that nothing was written in between. */
import type { Data } from '../../src/data/client.js';

/** Rows, newest change and a checksum over every column of every row, by table. */
export async function digest({ db }: Data): Promise<Record<string, string>> {
  const tables = await db.$queryRaw<{ name: string; dated: boolean }[]>`
    SELECT t.table_name::text AS name, bool_or(c.column_name = 'updated_at') AS dated
    FROM information_schema.tables t JOIN information_schema.columns c USING (table_schema, table_name)
    WHERE t.table_schema = 'public' AND t.table_type = 'BASE TABLE'
    GROUP BY 1 ORDER BY 1`;
  const lines: Record<string, string> = {};
  for (const { name, dated } of tables) {
    const newest = dated ? 'max(updated_at)::text' : `''`;
    const [row] = await db.$queryRawUnsafe<{ line: string }[]>(
      `SELECT count(*) || ' rows, ' || coalesce(${newest}, '') || ' ' ||
         md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '')) AS line FROM "${name}" t`,
    );
    lines[name] = row?.line ?? '';
  }
  return lines;
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
