/** An installation with two roles, etcd and Redis, whose backups lie in a temporary folder. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { createBackup } from '../../src/cli/backup/create.js';
import type { RestoreOptions } from '../../src/cli/backup/restore.js';
import { restoreArchive } from '../../src/cli/backup/restore.js';
import type { Surroundings } from '../../src/cli/backup/surroundings.js';
import { undoRestore } from '../../src/cli/backup/undo.js';
import { type ConfigOverrides, defaultConfig } from '../../src/config/load.js';
import { startEtcd } from '../support/services/etcd.js';
import { sharedPostgres } from '../support/services/postgres.js';
import { startRedis } from '../support/services/redis.js';
import { twoRoles } from '../support/two-roles.js';
import { silent } from './data-fixtures.js';

export const SECRET = 'a passphrase of some length';

export type BackupSite = Awaited<ReturnType<typeof openBackupSite>>;

export async function openBackupSite() {
  const [roles, etcd, redis, folder] = await Promise.all([
    twoRoles(),
    startEtcd(),
    startRedis(),
    mkdtemp(join(tmpdir(), 'backup-')),
  ]);
  const { both, owner } = roles;
  const { host, port, user, database, password = null } = both;
  const { migrationUser = null, migrationPassword = null } = both;
  const access = { host, port, user, password, database, migrationUser, migrationPassword };
  await roles.as('superuser', `ALTER ROLE "${owner}" CREATEDB`);
  const [secrets, keyFile] = [join(folder, 'etc'), join(folder, 'etc', 'backup')];
  await mkdir(secrets);
  await writeFile(keyFile, SECRET);
  await writeFile(join(secrets, 'encryption'), 'e'.repeat(40));
  const directory = join(folder, 'backups');
  const lines: string[] = [];
  // not at the database itself: whoever restores it wants nobody there
  const shared = sharedPostgres();
  const server = new pg.Client({
    ...{ host: shared.host, port: shared.port, database: 'postgres' },
    ...{ user: shared.user, password: shared.password },
  });
  server.on('error', () => {});
  await server.connect();

  const surroundings = (change: ConfigOverrides = {}): Surroundings => ({
    config: defaultConfig({
      mode: 'production',
      database: { ...access, ...change.database },
      etcd: { endpoints: [`http://${etcd.host}:${etcd.port}`], ...change.etcd },
      redis: { host: redis.host, port: redis.port, password: redis.password, ...change.redis },
      auth: { encryptionKey: 'e'.repeat(40) },
      backup: { directory, key: SECRET, include: [secrets], ...change.backup },
    }),
    log: silent,
    files: [{ setting: 'backup.key_file', file: keyFile, holdsSecret: true }],
    now: () => new Date(),
    say: (line) => lines.push(line),
  });

  return {
    roles,
    redis,
    database,
    folder,
    directory,
    lines,
    surroundings,
    backup: (change: ConfigOverrides = {}, onInterrupted = async (_reason: string) => {}) =>
      createBackup(surroundings(change), onInterrupted),
    restore: (named: string, options: Partial<RestoreOptions> = {}, change: ConfigOverrides = {}) =>
      restoreArchive(surroundings(change), named, {
        ...{ secret: SECRET, force: false, unsealed: false, auditFaults: false },
        ...options,
      }),
    undo: (change: ConfigOverrides = {}) => undoRestore(surroundings(change), false),
    /** Databases of this site beside its own: what stands behind its name. */
    async others(): Promise<string[]> {
      const { rows } = await server.query(
        `SELECT substr(datname, $1) AS name FROM pg_database WHERE starts_with(datname, $2) ORDER BY 1`,
        [database.length + 2, `${database}_`],
      );
      return rows.map(({ name }) => String(name));
    },
    async dispose() {
      for (const name of await this.others()) await shared.dropDatabase(`${database}_${name}`);
      await server.end();
      await roles.dispose();
      await Promise.all([etcd.dispose(), redis.dispose(), rm(folder, { recursive: true })]);
    },
  };
}
