/**
 * What a restore leaves written on the database itself, as its comment, in the transaction that puts it in its place: where the one before
 * is, what etcd held then, and what is still to be done. So a crash at any point is seen by the next run, and the restore can be undone.
 */
import pg from 'pg';
import { z } from 'zod';

const settingsSchema = z.nullable(z.record(z.string(), z.string()));

const markSchema = z.strictObject({
  quantix: z.literal('restored'),
  /** Of the archive; null: nothing was restored here, but something is to be done. */
  archive: z.nullable(z.string()),
  at: z.string(),
  /** The database that it replaced. */
  before: z.nullable(z.string()),
  /** Shared settings before; null: etcd did not answer, or none were restored. */
  settings: settingsSchema,
  /** What the swap could not do in its transaction; null: it is done. `settings` null: leave etcd as it is. */
  pending: z.nullable(z.strictObject({ settings: settingsSchema })),
});
export type Mark = z.infer<typeof markSchema>;

export interface Present {
  readonly mark: Mark | null;
  readonly owner: string;
  /** Whether this role may rename it. */
  readonly ours: boolean;
}

/** Null: there is no such database. */
export async function presentDatabase(server: pg.Client, name: string): Promise<Present | null> {
  const { rows } = await server.query<{ comment: string | null; owner: string; ours: boolean }>(
    `SELECT shobj_description(oid, 'pg_database') AS comment, pg_get_userbyid(datdba)::text AS owner,
       pg_has_role(datdba, 'USAGE') AS ours FROM pg_database WHERE datname = $1`,
    [name],
  );
  const [row] = rows;
  if (!row) return null;
  let mark: Mark | null = null;
  try {
    mark = markSchema.safeParse(JSON.parse(row.comment ?? 'null')).data ?? null;
  } catch {
    // an operator's own comment
  }
  return { mark, owner: row.owner, ours: row.ours };
}

export const markStatement = (name: string, mark: Mark | null): string =>
  `COMMENT ON DATABASE ${pg.escapeIdentifier(name)} IS ${mark === null ? 'NULL' : pg.escapeLiteral(JSON.stringify(mark))}`;
