/**
 * Two roles for one database: the owner (`database.migration_user`) migrates, the service role (`database.user`) does the daily work
 * and can neither change a table nor touch an audit entry that is there. What the service role may do is written here, and laid upon
 * the database after each migration. The names of both are the operator's, so this is no migration file.
 */
import pg from 'pg';
import type { MigrationSession } from './migration-session.js';

/** The database does not let this role do what it has to; the message says what to change. */
export class RoleError extends Error {
  override readonly name = 'RoleError';
}

const DAILY = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];
/** What differs from the daily work. Forgetting a deleted user in old entries is done by the foreign key, which acts as the owner. */
const LESS: Readonly<Record<string, readonly string[]>> = {
  audit_log: ['SELECT', 'INSERT'],
  audit_seals: ['SELECT', 'INSERT'],
  _prisma_migrations: ['SELECT'],
};

export interface Granted {
  readonly name: string;
  readonly kind: 'table' | 'sequence';
  readonly privileges: readonly string[];
}

/** What the service role should be able to do with a table or sequence. */
function privilegesOn({ name, kind }: Pick<Granted, 'name' | 'kind'>): readonly string[] {
  return kind === 'sequence' ? ['USAGE'] : (LESS[name] ?? DAILY);
}

/** The statements that make it so; none when it is. */
function correctionsOf(role: string, granted: readonly Granted[]): string[] {
  const to = pg.escapeIdentifier(role);
  return granted.flatMap((relation) => {
    const wanted = privilegesOn(relation);
    const same = wanted.length === relation.privileges.length;
    if (same && wanted.every((privilege) => relation.privileges.includes(privilege))) return [];
    const on = `${relation.kind} public.${pg.escapeIdentifier(relation.name)}`;
    return [`REVOKE ALL ON ${on} FROM ${to}`, `GRANT ${wanted.join(', ')} ON ${on} TO ${to}`];
  });
}

const GRANTED = `
  SELECT c.relname::text AS name, CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind,
    ARRAY(SELECT a.privilege_type FROM aclexplode(c.relacl) a WHERE a.grantee = r.oid
      UNION ALL SELECT 'a column''s' FROM pg_attribute t CROSS JOIN aclexplode(t.attacl) a
      WHERE t.attrelid = c.oid AND a.grantee = r.oid) AS privileges
  FROM pg_class c JOIN pg_roles r ON r.rolname = $1
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'S') AND pg_has_role(c.relowner, 'USAGE')
  ORDER BY 1`;

/** Tables that other tools make as the owner are of use to the service role, too. */
const DEFAULTS = `
  SELECT count(*)::int AS count FROM pg_default_acl d JOIN pg_roles r ON r.rolname = $1 CROSS JOIN aclexplode(d.defaclacl) a
  WHERE d.defaclnamespace = 'public'::regnamespace AND d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = current_user) AND a.grantee = r.oid`;
const DEFAULTS_COUNT = DAILY.length + 1;

const SCHEMA = `
  SELECT has_schema_privilege($1, n.oid, 'USAGE') AS uses, has_schema_privilege($1, n.oid, 'CREATE') AS creates,
    pg_has_role(n.nspowner, 'USAGE') AS ours,
    ARRAY(SELECT p.oid::regprocedure::text FROM pg_proc p
      WHERE p.pronamespace = n.oid AND pg_has_role(p.proowner, 'USAGE') AND NOT has_function_privilege($1, p.oid, 'EXECUTE')) AS closed
  FROM pg_namespace n WHERE n.nspname = 'public'`;

interface SchemaRow {
  readonly uses: boolean;
  readonly creates: boolean;
  readonly ours: boolean;
  readonly closed: readonly string[];
}

/**
 * Gives the session's service role exactly its privileges. Where it has them, this only reads.
 * @throws {RoleError} there is no such role
 */
export async function grantService(session: MigrationSession): Promise<void> {
  const { service } = session;
  if (service === null) return;
  const to = pg.escapeIdentifier(service);
  const found = await session.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [service]);
  if (found.length === 0) {
    throw new RoleError(
      `There is no role ${service}, which is database.user. As a superuser: CREATE ROLE ${to} LOGIN PASSWORD '...'.`,
    );
  }
  const statements = correctionsOf(service, await session.query<Granted>(GRANTED, [service]));
  const [defaults] = await session.query<{ count: number }>(DEFAULTS, [service]);
  if (defaults?.count !== DEFAULTS_COUNT) {
    const byDefault = 'ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT';
    statements.push(`${byDefault} ${DAILY.join(', ')} ON TABLES TO ${to}`);
    statements.push(`${byDefault} USAGE ON SEQUENCES TO ${to}`);
  }
  const [schema] = await session.query<SchemaRow>(SCHEMA, [service]);
  if (schema) {
    if (!schema.uses && schema.ours) statements.push(`GRANT USAGE ON SCHEMA public TO ${to}`);
    // before PostgreSQL 15 everybody may create tables there, and so put them in the way of ours
    if (schema.creates && schema.ours)
      statements.push(`REVOKE CREATE ON SCHEMA public FROM PUBLIC, ${to}`);
    for (const name of schema.closed) statements.push(`GRANT EXECUTE ON FUNCTION ${name} TO ${to}`);
  }
  if (statements.length > 0) await session.script(`BEGIN; ${statements.join('; ')}; COMMIT`);
}

const MAY_CHANGE = `
  SELECT current_user::text AS role, current_database()::text AS database, has_schema_privilege('public', 'CREATE') AS creates,
    (SELECT min(pg_get_userbyid(relowner)) FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'S') AND NOT pg_has_role(relowner, 'USAGE')) AS owner`;

interface MayChangeRow {
  readonly role: string;
  readonly database: string;
  readonly creates: boolean;
  readonly owner: string | null;
}

const WAY_OUT =
  'Set database.migration_user and database.migration_password_file to the owner and its password, or run "qx-controlplane migrate up" with them';

/**
 * Before anything is changed: whether the session's role may change the tables at all.
 * @throws {RoleError} it may not
 */
export async function assertMayChange(session: MigrationSession): Promise<void> {
  const [row] = await session.query<MayChangeRow>(MAY_CHANGE);
  if (!row) return;
  const { role, database, owner } = row;
  if (owner !== null && session.service !== null) {
    throw new RoleError(
      `The tables of the database ${database} belong to the role ${owner}, not to database.migration_user ${role}. As a superuser, in that database: REASSIGN OWNED BY ${pg.escapeIdentifier(owner)} TO ${pg.escapeIdentifier(role)}.`,
    );
  }
  if (owner !== null) {
    throw new RoleError(
      `The database ${database} has to be migrated, and its tables belong to the role ${owner}: ${role} may not change them. ${WAY_OUT}.`,
    );
  }
  if (!row.creates) {
    throw new RoleError(
      `The role ${role} may not create tables in the schema public of the database ${database}. ${WAY_OUT}; or, as the owner of the database: GRANT CREATE ON SCHEMA public TO ${pg.escapeIdentifier(role)}.`,
    );
  }
}
