/** Who is connected, and who holds up others: old transactions, locks, transactions that were prepared and forgotten. */
import { defineCheck } from './check.js';
import { type Judgement, notice, ok, problem, warning } from './finding.js';
import { percent, time } from './units.js';

export interface ActivityFacts {
  readonly connections: number;
  readonly max: number;
  /** By application, the most first. */
  readonly applications: readonly { readonly application: string; readonly count: number }[];
  /** By state, of those that can be seen. */
  readonly states: readonly { readonly state: string; readonly count: number }[];
  /** Whether sessions of other roles can be seen. */
  readonly seesAll: boolean;
  readonly transactions: readonly Transaction[];
  readonly waits: readonly {
    readonly pid: number;
    readonly seconds: number;
    readonly blockers: readonly number[];
  }[];
  readonly prepared: { readonly count: number; readonly oldestSeconds: number };
}

export interface Transaction {
  readonly pid: number;
  readonly application: string;
  readonly state: string;
  readonly seconds: number;
}

const MINUTE = 60;
const LONG_TRANSACTION_S = 5 * MINUTE;
const VERY_LONG_TRANSACTION_S = 60 * MINUTE;
const LONG_WAIT_S = 5;
const LONG_PREPARED_S = 5 * MINUTE;

function judgeConnections({ connections, max, applications }: ActivityFacts): Judgement[] {
  const share = connections / max;
  if (share < 0.75) return [];
  const who = applications.slice(0, 5).map(({ application, count }) => `${application} ${count}`);
  const seen = `${connections} of ${max} connections are taken (${percent(share)}): ${who.join(', ')}`;
  const advice =
    'Raise max_connections of PostgreSQL, lower database.max_connections, or end what leaks them.';
  return [share < 0.9 ? warning(seen, advice) : problem(seen, advice)];
}

function judgeTransactions({ transactions }: ActivityFacts): Judgement[] {
  const [oldest] = transactions;
  if (!oldest || oldest.seconds < LONG_TRANSACTION_S) return [];
  const { pid, application, state, seconds } = oldest;
  const others = transactions.filter((one) => one.seconds >= LONG_TRANSACTION_S).length - 1;
  const more = others > 0 ? `, and ${others} more` : '';
  const seen = `a transaction of ${application} (process ${pid}, ${state}) has been open for ${time(seconds)}${more}: cleaning and the change feed wait for it`;
  const advice = `End it if nobody needs it: SELECT pg_terminate_backend(${pid});`;
  return [seconds < VERY_LONG_TRANSACTION_S ? warning(seen, advice) : problem(seen, advice)];
}

function judgeWaits({ waits }: ActivityFacts): Judgement[] {
  const long = waits.filter(({ seconds }) => seconds >= LONG_WAIT_S);
  const [longest] = long;
  if (!longest) return [];
  const blockers = longest.blockers.join(', ');
  const seen = `${long.length} sessions wait for locks, process ${longest.pid} for ${time(longest.seconds)}, behind process ${blockers}`;
  const advice = `Look at it: SELECT * FROM pg_stat_activity WHERE pid IN (${blockers || longest.pid});`;
  return [warning(seen, advice)];
}

function judgePrepared({ prepared: { count, oldestSeconds } }: ActivityFacts): Judgement[] {
  if (count === 0) return [];
  const seen = `${count} prepared transactions, the oldest for ${time(oldestSeconds)}; this program makes none`;
  const advice =
    'Whoever made them should end them: SELECT gid FROM pg_prepared_xacts; ROLLBACK PREPARED ...';
  return [oldestSeconds < LONG_PREPARED_S ? notice(seen, advice) : problem(seen, advice)];
}

export function judgeActivity(facts: ActivityFacts): Judgement[] {
  const findings = [
    ...judgeConnections(facts),
    ...judgeTransactions(facts),
    ...judgeWaits(facts),
    ...judgePrepared(facts),
  ];
  if (findings.length === 0) {
    const states = facts.states.map(({ state, count }) => `${count} ${state}`).join(', ');
    findings.push(
      ok(`${facts.connections} of ${facts.max} connections${states && ` (${states})`}`),
    );
  }
  if (!facts.seesAll) {
    const seen =
      'transactions and waits of other roles, and what standbys do, cannot be seen by this role';
    findings.push(
      notice(seen, 'As a superuser: GRANT pg_read_all_stats TO the role of database.user.'),
    );
  }
  return findings;
}

const OTHERS = `pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`;

export const postgresActivity = defineCheck({
  name: 'postgres-activity',
  about:
    'Connections by application and state, transactions left open, waits for locks, prepared transactions.',
  async collect({ query }): Promise<ActivityFacts> {
    const [total] = await query<{ connections: number; max: number; seesAll: boolean }>(
      `SELECT (SELECT count(*)::int FROM ${OTHERS}) AS connections, current_setting('max_connections')::int AS max,
        pg_has_role('pg_read_all_stats', 'USAGE') AS "seesAll"`,
    );
    const applications = await query<{ application: string; count: number }>(
      `SELECT coalesce(nullif(application_name, ''), 'unnamed') AS application, count(*)::int AS count
       FROM ${OTHERS} GROUP BY 1 ORDER BY 2 DESC, 1`,
    );
    const states = await query<{ state: string; count: number }>(
      `SELECT state, count(*)::int AS count FROM ${OTHERS} AND state IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1`,
    );
    const transactions = await query<Transaction>(
      `SELECT pid, coalesce(nullif(application_name, ''), 'unnamed') AS application, state,
         extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds
       FROM ${OTHERS} AND xact_start IS NOT NULL ORDER BY xact_start LIMIT 100`,
    );
    const waits = await query<ActivityFacts['waits'][number]>(
      `SELECT pid, pg_blocking_pids(pid) AS blockers, extract(epoch FROM clock_timestamp() - query_start)::float8 AS seconds
       FROM ${OTHERS} AND wait_event_type = 'Lock' ORDER BY query_start LIMIT 100`,
    );
    const [prepared] = await query<ActivityFacts['prepared']>(
      `SELECT count(*)::int AS count,
         coalesce(extract(epoch FROM clock_timestamp() - min(prepared)), 0)::float8 AS "oldestSeconds" FROM pg_prepared_xacts`,
    );
    if (!total || !prepared) throw new Error('the server shows no activity');
    return { ...total, applications, states, transactions, waits, prepared };
  },
  judge: judgeActivity,
});
