/** What the database takes, what is left to clean, and how far transaction ids are from running out. */
import { defineCheck } from './check.js';
import { type Judgement, notice, ok, problem, warning } from './finding.js';
import { GIB, percent, size } from './units.js';

export interface StorageFacts {
  readonly bytes: number;
  readonly largest: readonly { readonly name: string; readonly bytes: number }[];
  /** The database of this server whose oldest transaction id is furthest behind, and by how many. */
  readonly oldest: { readonly name: string; readonly age: number };
  readonly freezeMaxAge: number;
  /** Tables of ours with many dead rows. */
  readonly bloated: readonly {
    readonly name: string;
    readonly dead: number;
    readonly live: number;
  }[];
}

/** PostgreSQL stops taking writes some 3 million ids before this. */
const WRAPAROUND = 2 ** 31;
const LARGE = 100 * GIB;
const MANY_DEAD = 50_000;
const DEAD_SHARE = 0.3;

function judgeAge({ oldest, freezeMaxAge }: StorageFacts): Judgement[] {
  const share = oldest.age / WRAPAROUND;
  const seen = `the database ${oldest.name} has used ${percent(share)} of the transaction ids that there are`;
  const advice = `In that database: VACUUM (FREEZE, VERBOSE); and look for what stops autovacuum: old transactions, replication slots, prepared transactions.`;
  if (share > 0.5) return [problem(`${seen}: at the end PostgreSQL takes no writes`, advice)];
  if (oldest.age > 2 * freezeMaxAge)
    return [warning(`${seen}: autovacuum does not keep up`, advice)];
  return [];
}

export function judgeStorage(facts: StorageFacts): Judgement[] {
  const findings = judgeAge(facts);
  for (const { name, dead, live } of facts.bloated) {
    if (dead < MANY_DEAD || dead < DEAD_SHARE * (live + dead)) continue;
    const seen = `${name} has ${dead} dead rows beside ${live} live ones`;
    findings.push(warning(seen, `VACUUM (ANALYZE) ${name}; and look for old transactions.`));
  }
  const [largest] = facts.largest;
  const total = `the database takes ${size(facts.bytes)}${largest ? `, most of it ${largest.name} with ${size(largest.bytes)}` : ''}`;
  if (facts.bytes > LARGE) findings.push(notice(total, 'Keep an eye on the disk of the server.'));
  if (findings.length === 0) findings.push(ok(total));
  findings.push(
    notice(
      'the free space on the disk of PostgreSQL cannot be seen from here',
      'On its machine: df -h.',
    ),
  );
  return findings;
}

export const postgresStorage = defineCheck({
  name: 'postgres-storage',
  about: 'Size of the database, dead rows, and the age of transaction ids.',
  async collect({ query }): Promise<StorageFacts> {
    const [total] = await query<{ bytes: number; freezeMaxAge: number }>(
      `SELECT pg_database_size(current_database())::float8 AS bytes,
         current_setting('autovacuum_freeze_max_age')::int AS "freezeMaxAge"`,
    );
    const largest = await query<StorageFacts['largest'][number]>(
      `SELECT relname::text AS name, pg_total_relation_size(oid)::float8 AS bytes FROM pg_class
       WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 2 DESC LIMIT 3`,
    );
    const [oldest] = await query<StorageFacts['oldest']>(
      'SELECT datname::text AS name, age(datfrozenxid)::int AS age FROM pg_database ORDER BY 2 DESC LIMIT 1',
    );
    const bloated = await query<StorageFacts['bloated'][number]>(
      `SELECT relname::text AS name, n_dead_tup::float8 AS dead, n_live_tup::float8 AS live FROM pg_stat_user_tables
       WHERE schemaname = 'public' ORDER BY n_dead_tup DESC LIMIT 5`,
    );
    if (!total || !oldest) throw new Error('the server does not tell sizes');
    return { ...total, largest, oldest, bloated };
  },
  judge: judgeStorage,
});
