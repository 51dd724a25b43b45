/** Who may connect: of the database itself, so in no dump. */
import pg from 'pg';

const GRANTED = `
  SELECT CASE a.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(a.grantee)::text END AS grantee, a.privilege_type AS privilege
  FROM pg_database d CROSS JOIN aclexplode(d.datacl) a WHERE d.datname = $1 AND a.grantee <> d.datdba`;

/** Gives `to` the privileges of `from`; without one to take them from, `roles` may connect, and nobody else. */
export async function copyPrivileges(
  server: pg.Client,
  roles: readonly string[],
  from: string | null,
  to: string,
): Promise<void> {
  const on = `ON DATABASE ${pg.escapeIdentifier(to)}`;
  if (from === null) {
    const connecting = roles.map((role) => pg.escapeIdentifier(role)).join(', ');
    await server.query(`REVOKE ALL ${on} FROM PUBLIC; GRANT CONNECT ${on} TO ${connecting}`);
    return;
  }
  const { rows: custom } = await server.query(
    'SELECT 1 FROM pg_database WHERE datname = $1 AND datacl IS NOT NULL',
    [from],
  );
  if (custom.length === 0) return;
  const { rows } = await server.query<{ grantee: string | null; privilege: string }>(GRANTED, [
    from,
  ]);
  const grants = rows.map(({ grantee, privilege }) => {
    const role = grantee === null ? 'PUBLIC' : pg.escapeIdentifier(grantee);
    return `GRANT ${privilege} ${on} TO ${role}`; // the server's own word for it
  });
  await server.query([`REVOKE ALL ${on} FROM PUBLIC`, ...grants].join('; '));
}
