/** What a database looks like, as text: two databases with the same text have the same schema, or the same rows. */

/** Sends one statement and resolves to its rows. */
export type Query = (sql: string) => Promise<Record<string, unknown>[]>;

/** Position, not number, of a column: dropping a column leaves a gap in the numbers. */
const PARTS: Readonly<Record<string, string>> = {
  columns: `
    SELECT c.relname, row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum) AS position, a.attname,
      format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attidentity
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')`,
  constraints: `
    SELECT conrelid::regclass::text, conname, contype, condeferrable, convalidated, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'`,
  indexes: `SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'`,
  enums: `
    SELECT t.typname, e.enumsortorder, e.enumlabel
    FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid WHERE t.typnamespace = 'public'::regnamespace`,
  functions: `
    SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace`,
  triggers: `
    SELECT tgrelid::regclass::text, tgname, tgenabled, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal`,
  sequences: `
    SELECT sequencename, data_type::text, start_value, increment_by, cycle FROM pg_sequences WHERE schemaname = 'public'`,
};

const lines = (rows: Record<string, unknown>[]): string[] =>
  rows.map((row) => Object.values(row).map(String).join(' | ')).sort();

/** Every table, column, constraint, index, type, function, trigger and sequence of the schema public. */
export async function describeSchema(query: Query): Promise<string[]> {
  const all: string[] = [];
  for (const [part, sql] of Object.entries(PARTS)) {
    all.push(...lines(await query(sql)).map((line) => `${part}: ${line}`));
  }
  return all;
}

/** Every row of every table, and where each sequence stands. */
export async function describeRows(query: Query): Promise<string[]> {
  const tables = await query(
    `SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`,
  );
  const all: string[] = [];
  for (const { tablename } of tables) {
    const rows = await query(`SELECT to_jsonb(t)::text AS row FROM public."${tablename}" AS t`);
    all.push(...lines(rows).map((line) => `${tablename}: ${line}`));
  }
  const sequences = await query(
    `SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public' ORDER BY 1`,
  );
  return [...all, ...lines(sequences)];
}
