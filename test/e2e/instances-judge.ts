/** Looks at what was really written, past all instances: by whom, in which term, and how often. */
import { encodeGlobalId } from '../../src/ids.js';
import { query } from './database.js';
import type { Site } from './instances-site.js';

/** Notes every claim of a term and every write of a controller as it is committed, with the role that made it and the term then in force. */
export const WITNESS = `
  CREATE SCHEMA witness;
  CREATE TABLE witness.terms (at timestamptz DEFAULT clock_timestamp(), token bigint, instance text DEFAULT session_user);
  CREATE TABLE witness.writes (action text, token bigint, instance text DEFAULT session_user);
  CREATE FUNCTION witness.note_term() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO witness.terms (token) VALUES (NEW.token); RETURN NULL; END $$;
  CREATE FUNCTION witness.note_write() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO witness.writes (action, token) SELECT NEW.action, token FROM public.leadership; RETURN NULL; END $$;
  CREATE TRIGGER witness AFTER INSERT OR UPDATE ON public.leadership FOR EACH ROW EXECUTE FUNCTION witness.note_term();
  CREATE TRIGGER witness AFTER INSERT ON public.audit_log FOR EACH ROW WHEN (NEW.username LIKE 'system:%') EXECUTE FUNCTION witness.note_write();`;

const rows = <R extends object>({ postgres, installation }: Site, statement: string) =>
  query<R>(postgres, installation.database, statement);

export interface Term {
  readonly token: string;
  readonly instance: string;
}

/** Claims of terms in their order; repeated ones of the same instance once. */
export async function terms(site: Site): Promise<Term[]> {
  const all = await rows<Term>(site, 'SELECT token, instance FROM witness.terms ORDER BY at');
  return all.filter((term, i) => i === 0 || JSON.stringify(term) !== JSON.stringify(all[i - 1]));
}

/** In which terms controllers wrote, by whom, and how often. */
export const controllerWrites = (site: Site): Promise<(Term & { count: number })[]> =>
  rows(
    site,
    'SELECT token, instance, count(*)::int FROM witness.writes GROUP BY 1, 2 ORDER BY 1, 2',
  );

/** What the database says was done to machines by clients: `<machine> <action>` to how many. */
export async function done(site: Site): Promise<Map<string, number>> {
  const found = await rows<{ id: string; action: string; count: number }>(
    site,
    `SELECT resource_id AS id, action, count(*)::int FROM audit_log
     WHERE resource_type = 'VirtualMachine' AND username = 'ada' AND status = 'SUCCEEDED' GROUP BY 1, 2`,
  );
  return new Map(
    found.map(({ id, action, count }) => [
      `${encodeGlobalId('VirtualMachine', id)} ${action}`,
      count,
    ]),
  );
}

/** Every change of a machine, as followers should have seen it. */
export async function told(site: Site): Promise<Map<string, string[]>> {
  const found = await rows<{ id: string; said: string }>(
    site,
    `SELECT resource_id AS id, concat_ws(' ', action, coalesce(details #>> '{after,version}', 'null'), request_id) AS said
     FROM audit_log WHERE resource_type = 'VirtualMachine' AND (seen_before <> '{}' OR seen_after <> '{}') ORDER BY seq`,
  );
  const all = new Map<string, string[]>();
  for (const { id, said } of found) {
    const key = encodeGlobalId('VirtualMachine', id);
    all.set(key, [...(all.get(key) ?? []), said]);
  }
  return all;
}

/** Machines that exist, the bin included, by name; and as many rows as names. */
export const names = (site: Site): Promise<{ name: string; deleted: boolean }[]> =>
  rows(site, 'SELECT name, deleted_at IS NOT NULL AS deleted FROM virtual_machines ORDER BY name');
