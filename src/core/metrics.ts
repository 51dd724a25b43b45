/** The process's own figures, for Prometheus. Made per app, so that two apps in one process do not share counters. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export type Metrics = ReturnType<typeof createMetrics>;

export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, prefix: 'quantix_' });
  return {
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
    pool: new Gauge({
      name: 'quantix_database_connections',
      help: 'Database connections of this process by state',
      labelNames: ['state'],
      registers,
    }),
    afterCommitFailures: new Counter({
      name: 'quantix_after_commit_failures_total',
      help: 'Invalidations or announcements that failed after a commit',
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
