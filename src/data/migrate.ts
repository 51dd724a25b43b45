/**
 * Brings a database to the schema of this program, or back. Every migration runs once, in a transaction, under a lock,
 * and is recorded in `_prisma_migrations` in that same transaction with Prisma's own columns and checksum,
 * so that Prisma's tools agree with us. At an up-to-date database it only reads.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { followCluster } from './feed-epoch.js';
import { type MigrationSession, type MigrationTarget, openSession } from './migration-session.js';
import { type Migration, readMigrations } from './migrations.js';
import { assertMayChange, grantService, RoleError } from './service-role.js';

export type { MigrationTarget } from './migration-session.js';

export interface MigrateOptions {
  /** Where to stop: a migration's name or its number. Default: the newest (up), all but the last applied (down). */
  readonly to?: string | undefined;
  /** Where the files are; the program's own by default. */
  readonly directory?: string | undefined;
  /** How long to wait for another process that migrates, in milliseconds; a minute by default. */
  readonly lockWaitMs?: number | undefined;
}

export interface MigrationStatus {
  readonly name: string;
  /** edited: its file changed after it was applied. failed: begun by other tools, and never finished. unknown: of a newer program. */
  readonly state: 'applied' | 'pending' | 'edited' | 'failed' | 'unknown';
  readonly appliedAt: Date | null;
}

/** The database and the files contradict each other; the message names the migration and the way out. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError';
}

interface AppliedRow {
  readonly migration_name: string;
  readonly checksum: string;
  readonly finished_at: Date | null;
}

/** Reverts everything, for `down`. */
export const NOTHING = 'none';

const RECORDS = `CREATE TABLE _prisma_migrations (
  id varchar(36) PRIMARY KEY NOT NULL, checksum varchar(64) NOT NULL, finished_at timestamptz,
  migration_name varchar(255) NOT NULL, logs text, rolled_back_at timestamptz,
  started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0)`;

async function hasRecords(session: MigrationSession): Promise<boolean> {
  const [row] = await session.query<{ readable: boolean | null }>(
    `SELECT has_table_privilege(to_regclass('public._prisma_migrations'), 'SELECT') AS readable`,
  );
  if (row?.readable === false) {
    if (session.service !== null) await assertMayChange(session); // says better what is wrong
    throw new RoleError(
      'This role may not read the list of migrations: they were applied by another one. Run "qx-controlplane migrate up" once with database.migration_user set; that grants database.user what it needs.',
    );
  }
  return row?.readable === true;
}

async function appliedRows(session: MigrationSession): Promise<AppliedRow[]> {
  if (!(await hasRecords(session))) return [];
  return session.query<AppliedRow>(
    `SELECT migration_name, checksum, finished_at FROM _prisma_migrations
     WHERE rolled_back_at IS NULL ORDER BY migration_name`,
  );
}

function compare(migrations: readonly Migration[], rows: readonly AppliedRow[]): MigrationStatus[] {
  const byName = new Map(rows.map((row) => [row.migration_name, row]));
  const known = migrations.map(({ name, checksum }): MigrationStatus => {
    const row = byName.get(name);
    byName.delete(name);
    if (!row) return { name, state: 'pending', appliedAt: null };
    const appliedAt = row.finished_at;
    if (appliedAt === null) return { name, state: 'failed', appliedAt };
    return { name, state: row.checksum === checksum ? 'applied' : 'edited', appliedAt };
  });
  const unknown = [...byName.values()].map((row): MigrationStatus => {
    return { name: row.migration_name, state: 'unknown', appliedAt: row.finished_at };
  });
  return [...known, ...unknown];
}

/** Refuses every database that is not simply some way along the list of our migrations. */
function assertOrderly(statuses: readonly MigrationStatus[]): void {
  const first = (state: MigrationStatus['state']) => statuses.find((s) => s.state === state)?.name;
  const unknown = first('unknown');
  if (unknown !== undefined) {
    throw new MigrationError(
      `The database is newer than this program: it has the migration ${unknown}, which this program does not know. Start the newer program.`,
    );
  }
  const edited = first('edited');
  if (edited !== undefined) {
    throw new MigrationError(
      `The migration ${edited} was edited after it was applied to this database. Restore its file, and put the change into a new migration.`,
    );
  }
  const failed = first('failed');
  if (failed !== undefined) {
    throw new MigrationError(
      `The migration ${failed} was begun by another tool and never finished. Repair the database, then mark it with "prisma migrate resolve".`,
    );
  }
  const pending = first('pending');
  const late = statuses.findLast((s) => s.state === 'applied')?.name;
  if (pending !== undefined && late !== undefined && pending < late) {
    throw new MigrationError(
      `The migration ${pending} is missing in this database although the later ${late} was applied.`,
    );
  }
}

/** Position of the migration called `to`, by name or by number. */
function position(migrations: readonly Migration[], to: string): number {
  const found = migrations.findIndex(({ name }) => name === to || name.startsWith(`${to}_`));
  if (found >= 0) return found;
  throw new MigrationError(
    `There is no migration ${to}. There are: ${migrations.map(({ name }) => name).join(', ')}.`,
  );
}

const TABLE_IN_USE = '55P03';
/** How often to try while others keep a table, and how long those who waited behind a try get to go by. */
const TRIES = 8;
const LET_PASS_MS = 1_000;

async function inTransaction(
  session: MigrationSession,
  name: string,
  work: () => Promise<void>,
  attempt = 1,
): Promise<void> {
  await session.script('BEGIN');
  try {
    await work();
    await session.script('COMMIT');
  } catch (error) {
    await session.script('ROLLBACK').catch(() => {});
    if ((error as { code?: string }).code === TABLE_IN_USE) {
      if (attempt < TRIES) {
        await sleep(LET_PASS_MS);
        return inTransaction(session, name, work, attempt + 1);
      }
      throw new MigrationError(
        `The migration ${name} did not begin: for ${TRIES} tries a long transaction kept a table that it changes (a backup, say). Nothing was changed; try again when that is over.`,
        { cause: error },
      );
    }
    const reason = error instanceof Error ? error.message : String(error);
    throw new MigrationError(`The migration ${name} failed and was undone: ${reason}`, {
      cause: error,
    });
  }
}

async function withSession<T>(
  target: MigrationTarget,
  options: MigrateOptions,
  work: (session: MigrationSession, migrations: Migration[]) => Promise<T>,
): Promise<T> {
  const migrations = await readMigrations(options.directory);
  const session = await openSession(target, options.lockWaitMs);
  try {
    return await work(session, migrations);
  } finally {
    await session.close();
  }
}

/**
 * Applies what is pending, up to and including `to`. Returns the names of what it applied, in order.
 * As the owner it then grants the service role what it needs.
 * @throws {RoleError} this role may not change, or not read, the tables
 * @throws {MigrationError} edited, unknown or missing migrations, or one that failed: then it left nothing behind
 */
export function runMigrations(
  target: MigrationTarget,
  options: MigrateOptions = {},
): Promise<string[]> {
  return withSession(target, options, (session, migrations) =>
    session.alone(async () => {
      const statuses = compare(migrations, await appliedRows(session));
      assertOrderly(statuses);
      const end =
        options.to === undefined ? migrations.length : position(migrations, options.to) + 1;
      const done = statuses.filter(({ state }) => state === 'applied').length;
      const pending = migrations.slice(done, end);
      if (pending.length > 0) await assertMayChange(session);
      if (pending.length > 0 && !(await hasRecords(session))) await session.script(RECORDS);
      for (const { name, up, checksum } of pending) {
        await inTransaction(session, name, async () => {
          await session.script(up);
          await session.query(
            `INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
             VALUES ($1, $2, $3, now(), clock_timestamp(), 1)`,
            [randomUUID(), checksum, name],
          );
        });
      }
      await followCluster(session);
      await grantService(session);
      return pending.map(({ name }) => name);
    }),
  );
}

/**
 * Undoes the last applied migration, or all that came after `to` ("none": all there are).
 * Destroys the data that only those migrations have room for. Returns the names of what it undid, newest first.
 * @throws {MigrationError} as `runMigrations`
 */
export function revertMigrations(
  target: MigrationTarget,
  options: MigrateOptions = {},
): Promise<string[]> {
  return withSession(target, options, (session, migrations) =>
    session.alone(async () => {
      const statuses = compare(migrations, await appliedRows(session));
      assertOrderly(statuses);
      const applied = statuses.filter(({ state }) => state === 'applied').length;
      const { to } = options;
      const keep =
        to === undefined ? applied - 1 : to === NOTHING ? 0 : position(migrations, to) + 1;
      const undone = migrations.slice(Math.max(keep, 0), applied).reverse();
      if (undone.length > 0) await assertMayChange(session);
      for (const { name, down } of undone) {
        await inTransaction(session, name, async () => {
          await session.script(down);
          await session.query('DELETE FROM _prisma_migrations WHERE migration_name = $1', [name]);
        });
      }
      await grantService(session);
      return undone.map(({ name }) => name);
    }),
  );
}

/** Where the database stands, without changing or locking anything: ours in order, then those we do not know. */
export function migrationStatus(
  target: MigrationTarget,
  options: Pick<MigrateOptions, 'directory'> = {},
): Promise<MigrationStatus[]> {
  return withSession(target, options, async (session, migrations) =>
    compare(migrations, await appliedRows(session)),
  );
}
