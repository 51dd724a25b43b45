/** What a database holds, as one line for each table: two equal digests mean that nothing was written in between. */
import type { Data } from '../../src/data/client.js';

const statements = new WeakMap<Data, Promise<string>>();

/**
 * By table how many rows there are, and the sum of the transactions that wrote them: whatever is written since, if it changes
 * nothing, gives a row a transaction of its own. Tests ask often, so no row's content is looked at.
 */
export async function digest(data: Data): Promise<Record<string, string>> {
  const statement = statements.get(data) ?? statementFor(data);
  statements.set(data, statement);
  const lines = await data.db.$queryRawUnsafe<{ name: string; line: string }[]>(await statement);
  return Object.fromEntries(lines.map(({ name, line }) => [name, line]));
}

async function statementFor({ db }: Data): Promise<string> {
  const tables = await db.$queryRaw<{ name: string }[]>`
    SELECT relname::text AS name FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1`;
  return tables
    .map(
      ({ name }) => `SELECT '${name}' AS name,
        count(*) || ' rows by ' || coalesce(sum(xmin::text::bigint), 0) AS line FROM "${name}"`,
    )
    .join(' UNION ALL ');
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
