/** PostgreSQL at all: reachable, our credentials, its version, encryption, and whether it takes writes. */
import { isIP } from 'node:net';
import { defineCheck, NotReached } from './check.js';
import { type Judgement, notice, ok, problem, reasonOf, warning } from './finding.js';

export interface Refusal {
  readonly reason: string;
  /** SQLSTATE or the system's code, where there is one. */
  readonly code: string | null;
}

export interface PostgresFacts {
  /** Where, and as whom: `role@host:port/database`. */
  readonly address: string;
  readonly local: boolean;
  readonly sslMode: string;
  readonly refusal: Refusal | null;
  readonly server: {
    /** As 150018. */
    readonly version: number;
    readonly versionText: string;
    /** The protocol's version, e.g. TLSv1.3; null: not encrypted. */
    readonly tls: string | null;
    readonly standby: boolean;
  } | null;
}

/** Tried with these; see docs/database.md. */
const OLDEST = 14;
const NEWEST = 18;

function adviceFor({ code, reason }: Refusal): string {
  if (code === '28P01' || code === '28000')
    return 'Check database.user and database.password_file, and the line of pg_hba.conf that applies.';
  if (code === '3D000') return 'Create it (docs/database.md), or correct database.database.';
  if (code === '53300' || code === '53400')
    return 'Raise max_connections of PostgreSQL, or lower database.max_connections; who holds them: SELECT application_name, count(*) FROM pg_stat_activity GROUP BY 1.';
  if (code === '57P03') return 'It is starting or recovering: ask again in a moment.';
  if (/certificate|altnames|self.signed|SSL/i.test(reason))
    return 'Check database.ssl_mode and database.ssl_ca_file against the certificate of the server.';
  return 'Start PostgreSQL, or correct database.host and database.port; a firewall may be in between.';
}

function judgeTls({ sslMode, local, server }: PostgresFacts): Judgement[] {
  if (!server || local) return [];
  if (server.tls === null)
    return [
      warning(
        'the connection is not encrypted, and leaves this machine',
        'Set database.ssl_mode to verify-full and database.ssl_ca_file to the authority.',
      ),
    ];
  if (sslMode === 'verify-full') return [];
  return [
    notice(
      `the connection is encrypted (${server.tls}), but ssl_mode ${sslMode} does not prove that the right server answers`,
      'Set database.ssl_mode to verify-full.',
    ),
  ];
}

export function judgePostgres(facts: PostgresFacts): Judgement[] {
  const { address, refusal, server } = facts;
  if (refusal || !server) {
    const why = refusal ?? { reason: 'no answer', code: null };
    return [problem(`${address} cannot be used: ${why.reason}`, adviceFor(why))];
  }
  const major = Math.floor(server.version / 10_000);
  const findings = judgeTls(facts);
  if (major < OLDEST || major > NEWEST) {
    const seen = `${address} is version ${server.versionText}; ${OLDEST} to ${NEWEST} are known to work`;
    const advice =
      major < OLDEST
        ? `Upgrade PostgreSQL to ${OLDEST} or newer.`
        : 'Look for a newer version of this program.';
    findings.push(warning(seen, advice));
  }
  if (server.standby) {
    findings.push(
      problem(
        `${address} is a standby: it takes no writes`,
        'Point database.host at the primary, or promote this one: SELECT pg_promote().',
      ),
    );
  }
  if (findings.length > 0) return findings;
  const tls = server.tls ?? 'not encrypted, on this machine';
  return [ok(`${address} is version ${server.versionText}, ${tls}`)];
}

/** Whether a server at this address is on this machine. */
export function isLocal(host: string): boolean {
  if (host.startsWith('/') || host === 'localhost' || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}

interface ServerRow {
  readonly version: number;
  readonly text: string;
  readonly tls: string | null;
  readonly standby: boolean;
}

export const postgres = defineCheck({
  name: 'postgres',
  about: `PostgreSQL: reachable, credentials, version (${OLDEST} to ${NEWEST}), encryption, and that it takes writes.`,
  async collect({ config: { database }, query }): Promise<PostgresFacts> {
    const { user, host, port, sslMode } = database;
    const known = {
      address: `${user}@${host}:${port}/${database.database}`,
      local: isLocal(host),
      sslMode,
    };
    try {
      const [row] = await query<ServerRow>(
        `SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS text,
           (SELECT CASE WHEN ssl THEN version END FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS tls,
           pg_is_in_recovery() AS standby`,
      );
      const server = row && {
        version: row.version,
        versionText: row.text,
        tls: row.tls,
        standby: row.standby,
      };
      return { ...known, refusal: null, server: server ?? null };
    } catch (error) {
      const cause = error instanceof NotReached ? (error.cause ?? error) : error;
      const code = (cause as { code?: unknown }).code;
      const refusal = {
        reason: reasonOf(cause),
        code: typeof code === 'string' ? code : null,
      };
      return { ...known, refusal, server: null };
    }
  },
  judge: judgePostgres,
});
