/** Settings of the server on which durability, maintenance and room for our connections depend. */
import { defineCheck } from './check.js';
import { type Judgement, notice, ok, problem, warning } from './finding.js';
import { isLocal } from './postgres.js';
import { MIB, size } from './units.js';

export interface SettingsFacts {
  readonly fsync: string;
  readonly full_page_writes: string;
  readonly synchronous_commit: string;
  readonly autovacuum: string;
  readonly track_counts: string;
  readonly password_encryption: string;
  readonly log_timezone: string;
  /** As the server writes it; "0" is off. */
  readonly idle_in_transaction_session_timeout: string;
  /** Bytes. */
  readonly shared_buffers: number;
  readonly work_mem: number;
  readonly effective_cache_size: number;
  /** Connections that our role can have: the least of the limits of server, database and role. */
  readonly connections: number;
  /** database.max_connections: what one instance opens. */
  readonly ours: number;
  /** On this machine: then its memory is for the check "postgres-tuning". */
  readonly local: boolean;
}

const set = (name: string, value: string) =>
  `ALTER SYSTEM SET ${name} = ${value}; SELECT pg_reload_conf();`;

/** Values that must not be, what they cost, and what they should be. */
const SWITCHES: readonly [keyof SettingsFacts, string, string][] = [
  ['fsync', 'a power cut can destroy the database', 'on'],
  ['full_page_writes', 'a power cut can destroy pages', 'on'],
  ['synchronous_commit', 'a crash can lose writes that were acknowledged', 'on'],
  ['autovacuum', 'tables grow without end, and transaction ids run out', 'on'],
  ['track_counts', 'autovacuum does not know what to clean', 'on'],
];

function judgeConnections({ connections, ours }: SettingsFacts): Judgement[] {
  const room = Math.floor(connections / ours);
  const seen = `${connections} connections can be had, one instance opens up to ${ours}`;
  if (room >= 2) return [];
  const advice =
    'Raise max_connections of PostgreSQL (or the limit of the role or database), or lower database.max_connections.';
  if (room === 0)
    return [problem(`${seen}: not even one instance can open all of its own`, advice)];
  return [
    warning(`${seen}: there is no room for a second one, not even during an upgrade`, advice),
  ];
}

function judgeMemory(facts: SettingsFacts): Judgement[] {
  const { shared_buffers, work_mem, effective_cache_size } = facts;
  const findings: Judgement[] = [];
  if (shared_buffers <= 128 * MIB) {
    findings.push(
      notice(
        `shared_buffers is ${size(shared_buffers)}, which suits a small machine`,
        "A quarter of the server's memory is usual: ALTER SYSTEM SET shared_buffers = '...', then restart PostgreSQL.",
      ),
    );
  }
  if (work_mem < 4 * MIB || work_mem > 256 * MIB) {
    findings.push(
      notice(
        `work_mem is ${size(work_mem)}; each sort of each connection takes so much`,
        set('work_mem', "'16MB'"),
      ),
    );
  }
  if (effective_cache_size < shared_buffers) {
    const seen = `effective_cache_size is ${size(effective_cache_size)}, less than shared_buffers with ${size(shared_buffers)}`;
    findings.push(
      notice(`${seen}: indexes look dearer than they are`, set('effective_cache_size', "'...'")),
    );
  }
  return findings;
}

export function judgeSettings(facts: SettingsFacts): Judgement[] {
  const findings = [...judgeConnections(facts)];
  for (const [name, cost, right] of SWITCHES) {
    if (facts[name] === 'off') findings.push(problem(`${name} is off: ${cost}`, set(name, right)));
  }
  if (facts.password_encryption !== 'scram-sha-256') {
    const seen = `password_encryption is ${facts.password_encryption}: new passwords are kept in a weak form`;
    findings.push(warning(seen, set('password_encryption', "'scram-sha-256'")));
  }
  if (/^0\D*$/.test(facts.idle_in_transaction_session_timeout)) {
    findings.push(
      notice(
        "idle_in_transaction_session_timeout is off for others: ours have their own, but anybody else's forgotten transaction holds up cleaning and the change feed",
        set('idle_in_transaction_session_timeout', "'10min'"),
      ),
    );
  }
  if (!/^(Etc\/)?(UTC|GMT|UCT|Zulu)$/i.test(facts.log_timezone)) {
    const seen = `log_timezone is ${facts.log_timezone}; our log is in UTC`;
    findings.push(notice(seen, set('log_timezone', "'UTC'")));
  }
  if (!facts.local) findings.push(...judgeMemory(facts));
  if (findings.length > 0) return findings;
  return [
    ok(`durable, maintained, room for ${Math.floor(facts.connections / facts.ours)} instances`),
  ];
}

const NAMES = [
  ...['fsync', 'full_page_writes', 'synchronous_commit', 'autovacuum', 'track_counts'],
  ...['password_encryption', 'log_timezone', 'idle_in_transaction_session_timeout'],
];
const SIZES = ['shared_buffers', 'work_mem', 'effective_cache_size'];

/** A limit of -1 is none. The server keeps some connections for superusers and (from 16 on) for a role of theirs. */
const SQL = `SELECT ${NAMES.map((name) => `current_setting('${name}') AS ${name}`).join(', ')},
  ${SIZES.map((name) => `pg_size_bytes(current_setting('${name}'))::float8 AS ${name}`).join(', ')},
  least(current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
      - coalesce(current_setting('reserved_connections', true)::int, 0),
    nullif(d.datconnlimit, -1), nullif(r.rolconnlimit, -1)) AS connections
  FROM pg_database d, pg_roles r WHERE d.datname = current_database() AND r.rolname = current_user`;

export const postgresSettings = defineCheck({
  name: 'postgres-settings',
  about:
    'Settings of the server: durability, cleaning, room for the connections of two instances, passwords, memory, time zone of its log.',
  async collect({ config, query }): Promise<SettingsFacts> {
    const [row] = await query<Omit<SettingsFacts, 'ours' | 'local'>>(SQL);
    if (!row) throw new Error('the server has no settings');
    const { maxConnections: ours, host } = config.database;
    return { ...row, ours, local: isLocal(host) };
  },
  judge: judgeSettings,
});
