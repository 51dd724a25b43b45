/** Whether the database has the schema of this program. */
import { type MigrationStatus, migrationStatus } from '../../data/migrate.js';
import { RoleError } from '../../data/service-role.js';
import { defineCheck } from './check.js';
import { type Judgement, ok, problem } from './finding.js';

export type MigrationFacts =
  | { readonly refusal: string }
  | { readonly statuses: readonly Pick<MigrationStatus, 'name' | 'state'>[] };

const UP = 'qx-controlplane migrate up';

export function judgeMigrations(facts: MigrationFacts): Judgement[] {
  if ('refusal' in facts) return [problem(facts.refusal, UP)];
  const names = (state: MigrationStatus['state']) =>
    facts.statuses.filter((status) => status.state === state).map(({ name }) => name);
  const findings: Judgement[] = [];
  const [unknown, edited, failed, pending] = [
    names('unknown'),
    names('edited'),
    names('failed'),
    names('pending'),
  ];
  if (unknown.length > 0) {
    const seen = `the database is newer than this program: it has ${unknown.join(', ')}`;
    findings.push(problem(seen, 'Start the newer program, or go back with its "migrate down".'));
  }
  if (edited.length > 0) {
    const seen = `files were changed after they were applied: ${edited.join(', ')}`;
    findings.push(
      problem(seen, 'Restore the files of this release; changes go into new migrations.'),
    );
  }
  if (failed.length > 0) {
    const seen = `begun by another tool and never finished: ${failed.join(', ')}`;
    findings.push(problem(seen, 'Repair the database, then "prisma migrate resolve".'));
  }
  if (pending.length === facts.statuses.length) {
    findings.push(problem('the database is empty', UP));
  } else if (pending.length > 0) {
    const seen = `${pending.length} behind this program: ${pending.join(', ')}`;
    findings.push(problem(seen, UP));
  }
  const newest = facts.statuses.at(-1)?.name;
  return findings.length > 0 ? findings : [ok(`${facts.statuses.length} applied, up to ${newest}`)];
}

export const postgresMigrations = defineCheck({
  name: 'postgres-migrations',
  about:
    'The schema: migrations that are missing, unknown to this program, changed after they were applied, or half done.',
  async collect({ config: { database }, query }): Promise<MigrationFacts> {
    await query('SELECT 1'); // without a connection there is nothing to say
    try {
      return { statuses: await migrationStatus({ ...database, migrationUser: null }) };
    } catch (error) {
      if (error instanceof RoleError) return { refusal: error.message };
      throw error;
    }
  },
  judge: judgeMigrations,
});
