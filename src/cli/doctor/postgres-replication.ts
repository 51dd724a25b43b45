/** Standbys and how far they are behind, and slots that keep the server's log from being removed. */
import { defineCheck } from './check.js';
import { type Judgement, notice, ok, problem, warning } from './finding.js';
import { GIB, size, time } from './units.js';

export interface ReplicationFacts {
  readonly standbys: readonly {
    readonly name: string;
    readonly state: string | null;
    /** Null where this role may not see it. */
    readonly lagSeconds: number | null;
    readonly lagBytes: number | null;
  }[];
  readonly slots: readonly {
    readonly name: string;
    readonly active: boolean;
    readonly walStatus: string | null;
    readonly keptBytes: number | null;
  }[];
}

const LONG_LAG_S = 30;

export function judgeReplication({ standbys, slots }: ReplicationFacts): Judgement[] {
  const findings: Judgement[] = [];
  for (const { name, state, lagSeconds, lagBytes } of standbys) {
    const behind = `the standby ${name} is ${size(lagBytes ?? 0)} and ${time(lagSeconds ?? 0)} behind`;
    if ((lagSeconds ?? 0) > LONG_LAG_S || (lagBytes ?? 0) > GIB) {
      findings.push(warning(behind, 'Look at its disk, its network, and long queries on it.'));
    } else if (state !== null && state !== 'streaming') {
      findings.push(notice(`the standby ${name} is in the state ${state}`));
    }
  }
  for (const { name, active, walStatus, keptBytes } of slots) {
    const drop = `If nobody will come for it: SELECT pg_drop_replication_slot('${name}');`;
    const kept = size(keptBytes ?? 0);
    if (walStatus === 'lost' || walStatus === 'unreserved') {
      const seen = `the replication slot ${name} has lost what it needs (${walStatus})`;
      findings.push(problem(seen, `Its standby has to be made anew. ${drop}`));
    } else if (!active && (keptBytes ?? 0) > GIB) {
      const seen = `the replication slot ${name} is used by nobody and keeps ${kept} of the log: the disk fills up`;
      findings.push(problem(seen, drop));
    } else if (!active) {
      findings.push(
        warning(`the replication slot ${name} is used by nobody (keeps ${kept})`, drop),
      );
    }
  }
  if (standbys.length === 0) {
    const advice = 'Set up streaming replication, or be sure of your backups.';
    findings.push(notice('there is no standby: what is lost with this server is lost', advice));
  }
  if (findings.length > 0) return findings;
  return [ok(`${standbys.length} standbys, the last of them ${worstLag(standbys)} behind`)];
}

function worstLag(standbys: ReplicationFacts['standbys']): string {
  return time(Math.max(...standbys.map(({ lagSeconds }) => lagSeconds ?? 0)));
}

export const postgresReplication = defineCheck({
  name: 'postgres-replication',
  about: 'Standbys, how far they are behind, and replication slots that fill the disk.',
  async collect({ query }): Promise<ReplicationFacts> {
    const standbys = await query<ReplicationFacts['standbys'][number]>(
      `SELECT coalesce(nullif(application_name, ''), 'unnamed') AS name, state,
         extract(epoch FROM replay_lag)::float8 AS "lagSeconds",
         CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::float8 END AS "lagBytes"
       FROM pg_stat_replication ORDER BY 1`,
    );
    const slots = await query<ReplicationFacts['slots'][number]>(
      `SELECT slot_name::text AS name, active, wal_status AS "walStatus",
         CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::float8 END AS "keptBytes"
       FROM pg_replication_slots ORDER BY 1`,
    );
    return { standbys, slots };
  },
  judge: judgeReplication,
});
