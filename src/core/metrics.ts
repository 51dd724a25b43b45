/** The process's own figures, for Prometheus. Made per app, so that two apps in one process do not share counters. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export type Metrics = ReturnType<typeof createMetrics>;

export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, prefix: 'quantix_' });
  const redisUp = new Gauge({
    name: 'quantix_redis_up',
    help: 'Whether Redis is in use: 1, or 0 while this instance goes on without it',
    registers,
  });
  const redisFailures = new Counter({
    name: 'quantix_redis_failures_total',
    help: 'Operations that Redis did not serve, by kind',
    labelNames: ['operation'],
    registers,
  });
  const redisDropped = new Counter({
    name: 'quantix_redis_dropped_messages_total',
    help: 'Announcements that other instances will never hear, because Redis was away for too long',
    registers,
  });
  return {
    /** What the ephemeral store tells of Redis. */
    redis: {
      away: () => redisUp.set(0),
      back: () => redisUp.set(1),
      failed: (operation: string) => redisFailures.inc({ operation }),
      dropped: () => redisDropped.inc(),
    },
    registry,
    /** Labels are bounded: the operation's name only when this server knows it, see server/plugins. */
    requests: new Histogram({
      name: 'quantix_graphql_request_seconds',
      help: 'GraphQL operations by type, first root field and outcome',
      labelNames: ['type', 'field', 'outcome'],
      buckets: SECONDS,
      registers,
    }),
    commands: new Histogram({
      name: 'quantix_command_seconds',
      help: 'Commands by name and outcome (ok, replayed, an error code, or bug)',
      labelNames: ['command', 'outcome'],
      buckets: SECONDS,
      registers,
    }),
    statements: new Histogram({
      name: 'quantix_sql_statement_seconds',
      help: 'SQL statements as the database adapter timed them',
      buckets: SECONDS,
      registers,
    }),
    slowStatements: new Counter({
      name: 'quantix_sql_slow_statements_total',
      help: 'SQL statements that took longer than database.slow_statement',
      registers,
    }),
    subscribers: new Gauge({
      name: 'quantix_subscribers',
      help: 'Open subscriptions by root field',
      labelNames: ['field'],
      registers,
    }),
    degraded: new Gauge({
      name: 'quantix_degraded',
      help: 'Whether this instance has to do without that server at the moment: 1, or 0',
      labelNames: ['server'],
      registers,
    }),
    leading: new Gauge({
      name: 'quantix_leading',
      help: 'Whether this instance leads and runs the controllers: 1, or 0',
      registers,
    }),
    pool: new Gauge({
      name: 'quantix_database_connections',
      help: 'Database connections of this process by state',
      labelNames: ['state'],
      registers,
    }),
    rateLimited: new Counter({
      name: 'quantix_rate_limited_total',
      help: 'Requests that were refused because their caller asked too often, by what was counted',
      labelNames: ['kind'],
      registers,
    }),
    afterCommitFailures: new Counter({
      name: 'quantix_after_commit_failures_total',
      help: 'Invalidations or announcements that failed after a commit',
      registers,
    }),
    auditEntriesLost: new Counter({
      name: 'quantix_audit_entries_lost_total',
      help: 'Entries about refusals and failures that stand in the log alone, because the database did not take them',
      registers,
    }),
    responseCacheInUse: new Gauge({
      name: 'quantix_response_cache_in_use',
      help: 'Whether kept answers may be used: 1, or 0 while it is not certain that all hear of every change at once',
      registers,
    }),
    responseCache: new Counter({
      name: 'quantix_response_cache_total',
      help: 'Queries that may be answered from the cache, by what became of it (hit, shared, miss, bypass, unavailable)',
      labelNames: ['outcome'],
      registers,
    }),
    controllerRuns: new Counter({
      name: 'quantix_controller_runs_total',
      help: 'Rounds of each controller by outcome',
      labelNames: ['controller', 'outcome'],
      registers,
    }),
  };
}
