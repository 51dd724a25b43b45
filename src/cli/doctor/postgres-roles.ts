/** What the service role could do if somebody got hold of its password. */
import { defineCheck } from './check.js';
import { type Judgement, notice, ok, problem, reasonOf, warning } from './finding.js';
import { connect } from './postgres-session.js';

export interface RolesFacts {
  readonly role: string;
  readonly superuser: boolean;
  /** Tables of ours that it owns, itself or as a member of their owner. */
  readonly owns: number;
  readonly createsTables: boolean;
  /** Whether it may change or delete audit entries; null: there is no audit log yet. */
  readonly changesAudit: boolean | null;
  /** The owner that is configured, and why it cannot connect, if so. */
  readonly owner: { readonly role: string; readonly refusal: string | null } | null;
}

export function judgeRoles(facts: RolesFacts): Judgement[] {
  const { role, owner } = facts;
  const findings: Judgement[] = [];
  if (owner?.refusal) {
    const seen = `database.migration_user ${owner.role} cannot connect: ${owner.refusal}`;
    findings.push(
      problem(seen, 'Check database.migration_user and database.migration_password_file.'),
    );
  }
  if (facts.superuser) {
    const seen = `${role} is a superuser: with its password everything in this server can be read and destroyed`;
    return [
      ...findings,
      warning(seen, `ALTER ROLE "${role}" NOSUPERUSER, and see docs/database.md.`),
    ];
  }
  if (facts.owns > 0) {
    const seen = `${role} owns the tables: with its password they, and the audit log, can be changed`;
    return [
      ...findings,
      notice(seen, 'Give them to a role of their own: docs/database.md, "Two roles".'),
    ];
  }
  if (facts.changesAudit) {
    const seen = `${role} may change or delete audit entries`;
    findings.push(warning(seen, 'qx-controlplane migrate up, with database.migration_user set.'));
  }
  if (facts.createsTables) {
    const seen = `${role} may create tables in the schema public`;
    findings.push(
      notice(seen, 'As the owner of the schema: REVOKE CREATE ON SCHEMA public FROM PUBLIC.'),
    );
  }
  return findings.length > 0 ? findings : [ok(`${role} can do the daily work and nothing else`)];
}

const SQL = `SELECT r.rolname::text AS role, r.rolsuper AS superuser,
    has_schema_privilege('public', 'CREATE') AS "createsTables",
    has_table_privilege(to_regclass('public.audit_log'), 'DELETE, TRUNCATE')
      OR has_any_column_privilege(to_regclass('public.audit_log'), 'UPDATE') AS "changesAudit",
    (SELECT count(*)::int FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
      AND pg_has_role(relowner, 'USAGE')) AS owns
  FROM pg_roles r WHERE r.rolname = current_user`;

export const postgresRoles = defineCheck({
  name: 'postgres-roles',
  about: 'What the service role may do beyond its daily work, and whether the owner can connect.',
  async collect({ config: { database }, query }): Promise<RolesFacts> {
    const [row] = await query<Omit<RolesFacts, 'owner'>>(SQL);
    if (!row) throw new Error('the server does not know our role');
    const { migrationUser: role, migrationPassword: password } = database;
    if (role === null) return { ...row, owner: null };
    try {
      await (await connect({ ...database, user: role, password })).end();
      return { ...row, owner: { role, refusal: null } };
    } catch (error) {
      return { ...row, owner: { role, refusal: reasonOf(error) } };
    }
  },
  judge: judgeRoles,
});
