/** Two roles: the owner migrates, the service role serves the whole API and is refused everything beyond by PostgreSQL itself. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { postgresRoles } from '../../src/cli/doctor/postgres-roles.js';
import { openPostgresSession } from '../../src/cli/doctor/postgres-session.js';
import { defaultConfig } from '../../src/config/load.js';
import { retention } from '../../src/controllers/task-keeper.js';
import { findUnheard } from '../../src/core/unheard.js';
import type { Data } from '../../src/data/client.js';
import { migrationStatus, revertMigrations, runMigrations } from '../../src/data/migrate.js';
import { readMigrations } from '../../src/data/migrations.js';
import { openData } from '../../src/data/open.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { configFile } from '../support/installation.js';
import { createStage, MUTATIONS, mutate, type Stage, sampleOf } from '../support/mutations.js';
import { runProgram } from '../support/program.js';
import { type TwoRoles, twoRoles } from '../support/two-roles.js';
import { silent } from './data-fixtures.js';

const LIMITS = { queueWaitMs: 5_000, maxQueuedCommands: 100 };
const open = (database: TwoRoles['both']): Promise<Data> =>
  openData({ mode: 'production', database, limits: LIMITS }, silent);

describe('the service role', () => {
  let roles: TwoRoles;
  let data: Data;
  let world: TestApp;
  let stage: Stage;
  beforeAll(async () => {
    roles = await twoRoles();
    await runMigrations(roles.both);
    data = await open(roles.service);
    world = await createTestApp({ data });
    stage = await createStage(world);
  });
  afterAll(async () => {
    await world.stop();
    await data.close();
    await roles.dispose();
  });

  it('authenticates with scram-sha-256, and is neither superuser nor owner of anything', async () => {
    const { rows } = await roles.as(
      'superuser',
      `SELECT rolpassword ~ '^SCRAM-SHA-256' AS scram, rolsuper AS super, (SELECT count(*)::int FROM pg_class WHERE relowner = oid) AS owns
       FROM (SELECT a.rolpassword, a.rolsuper, a.oid FROM pg_authid a WHERE rolname = '${roles.service.user}') AS role`,
    );
    expect(rows).toEqual([{ scram: true, super: false, owns: 0 }]);
  });

  it('sees that another role writes, though not what', async () => {
    const writing = async () =>
      (await findUnheard(data.db)).filter(({ kind }) => kind === 'transaction').length;
    const { host, port, database, migrationUser, migrationPassword } = roles.both;
    const owner = new pg.Client({
      ...{ host, port, database, user: String(migrationUser), password: String(migrationPassword) },
    });
    await owner.connect();
    await owner.query('BEGIN');
    expect(await writing()).toBe(0);
    await owner.query('SELECT pg_current_xact_id()');
    expect(await writing()).toBe(1);
    await owner.query('ROLLBACK');
    await owner.end();
    expect(await writing()).toBe(0);
  });

  it('can do all that every mutation of the schema needs', async () => {
    const refused: unknown[] = [];
    // One after the other: a job may be given to a node that another sample takes out of service at that moment.
    for (const mutation of MUTATIONS) {
      const { client, input } = await sampleOf(mutation, stage);
      const answer = await mutate(client, mutation, input).catch((error: unknown) => error);
      if (!/Payload$/.test(String(Object(answer).__typename))) refused.push([mutation, answer]);
    }
    expect(refused).toEqual([]);
  });

  it('deletes a user whose entries stay: the foreign key forgets them as the owner', async () => {
    const { seed } = world;
    const { uuid, id } = await seed.user('ADMIN', { username: 'leaver' });
    const leaver = await world.signIn('leaver');
    const { input } = await sampleOf('createProject', stage);
    await mutate(leaver, 'createProject', input);
    const mine = () => data.db.auditEntry.findMany({ where: { username: 'leaver' } });
    expect((await mine()).some(({ userId }) => userId === uuid)).toBe(true);
    expect(await mutate(stage.admin, 'deleteUser', { id })).toMatchObject({
      __typename: 'DeleteUserPayload',
    });
    const left = await mine();
    expect(left.length).toBeGreaterThan(0);
    expect(left.every(({ userId }) => userId === null)).toBe(true);
  });

  it('forgets what is past its retention', async () => {
    const { seed, app } = world;
    const finishedAt = new Date('2020-01-01T00:00:00Z');
    const vm = await seed.vm(stage.project);
    const { uuid } = await seed.task(stage.project, vm, { status: 'SUCCEEDED', finishedAt });
    await retention.run(app.services, () => true, new AbortController().signal, 0 as never);
    expect(await data.db.task.findUnique({ where: { id: uuid } })).toBeNull();
  });

  it.each([
    ["UPDATE audit_log SET username = 'nobody'", /permission denied for table audit_log/],
    ['DELETE FROM audit_log', /permission denied for table audit_log/],
    ['TRUNCATE audit_log', /permission denied for table audit_log/],
    ['ALTER TABLE audit_log DISABLE TRIGGER ALL', /must be owner of table audit_log/],
    ['DROP TRIGGER audit_log_append_only ON audit_log', /must be owner of relation audit_log/],
    ['DROP FUNCTION audit_log_append_only() CASCADE', /must be owner of function/],
    ["SELECT setval('audit_log_seq_seq', 1)", /permission denied for sequence/],
    ['UPDATE audit_seals SET number = number', /permission denied for table audit_seals/],
    ['DELETE FROM audit_seals', /permission denied for table audit_seals/],
    ['SELECT audit_remove(1)', /there is no seal 1/], // as the owner, whose triggers have the last word
    [
      "INSERT INTO audit_seals VALUES (1, 1, 1, 1, '', repeat('0', 64), now() - interval '1 year', repeat('0', 64), repeat('1', 64))",
      /a seal is of now/,
    ],
    ['ALTER TABLE projects ADD COLUMN mine int', /must be owner of table projects/],
    ['DROP TABLE projects CASCADE', /must be owner of table projects/],
    ['TRUNCATE projects CASCADE', /permission denied for table projects/],
    ['CREATE TABLE mine (id int)', /permission denied for schema public/],
    ['DELETE FROM _prisma_migrations', /permission denied for table _prisma_migrations/],
    ['SET session_replication_role = replica', /permission denied to set parameter/],
  ])('is refused by PostgreSQL: %s', async (sql, refusal) => {
    await expect(roles.as('service', sql)).rejects.toThrow(refusal);
  });

  it('is what the doctor approves of, and is told of when it may do more', async () => {
    const about = async (database: TwoRoles['both']) => {
      const { host, port, user, database: name } = database;
      const config = defaultConfig({
        mode: 'production',
        database: {
          ...{ host, port, user, database: name },
          password: database.password ?? null,
          migrationUser: database.migrationUser ?? null,
          migrationPassword: database.migrationPassword ?? null,
        },
      });
      const { query, close } = openPostgresSession(config.database);
      try {
        return await postgresRoles.run({ config, files: [], query });
      } finally {
        await close();
      }
    };
    expect(await about(roles.both)).toMatchObject([{ level: 'ok' }]);
    const service = `"${roles.service.user}"`;
    await roles.as(
      'owner',
      `GRANT DELETE ON audit_log TO ${service}; GRANT CREATE ON SCHEMA public TO ${service}`,
    );
    const wrong = { ...roles.both, migrationPassword: 'sesame-42' };
    expect((await about(wrong)).map(({ level }) => level)).toEqual([
      'problem',
      'warning',
      'notice',
    ]);
    await runMigrations(roles.both);
    expect(await about(roles.both)).toMatchObject([{ level: 'ok' }]);
    const alone = { ...roles.service, user: roles.owner, password: roles.both.migrationPassword };
    expect(await about(alone)).toMatchObject([
      { level: 'notice', seen: expect.stringContaining('owns the tables') },
    ]);
  });

  it('works with tables that the owner makes later', async () => {
    await roles.as('owner', 'CREATE TABLE later (id bigserial PRIMARY KEY, name text)');
    await roles.as(
      'service',
      "INSERT INTO later (name) VALUES ('x'); UPDATE later SET name = 'y'; DELETE FROM later",
    );
    await roles.as('owner', 'DROP TABLE later');
  });
});

describe('migrating', () => {
  let roles: TwoRoles;
  beforeAll(async () => {
    roles = await twoRoles();
  });
  afterAll(() => roles.dispose());
  const privileges = async () =>
    (
      await roles.as(
        'superuser',
        `SELECT relname, xmin::text, concat(relacl,
           (SELECT string_agg(attacl::text, '') FROM pg_attribute WHERE attrelid = pg_class.oid AND attacl <> '{}')) AS relacl
         FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1`,
      )
    ).rows;

  it('an empty database as the service role says whose credentials are missing, and leaves nothing', async () => {
    await expect(runMigrations(roles.service)).rejects.toThrow(
      /may not create tables in the schema public .* Set database\.migration_user and database\.migration_password_file/,
    );
    expect(await privileges()).toEqual([]);
  });

  it('as the owner, the start of the program included, makes everything; again, it only reads', async () => {
    const data = await open(roles.both);
    await data.close();
    const before = await privileges();
    await expect(runMigrations(roles.both)).resolves.toEqual([]);
    expect(await privileges()).toEqual(before);
  });

  it('up to date, the service role can start and ask for the status by itself', async () => {
    await expect(runMigrations(roles.service)).resolves.toEqual([]);
    const states = new Set((await migrationStatus(roles.service)).map(({ state }) => state));
    expect([...states]).toEqual(['applied']);
  });

  it('takes back what was granted by hand, and grants what is missing', async () => {
    const before = (await privileges()).map(({ relname, relacl }) => [relname, relacl]);
    const service = `"${roles.service.user}"`;
    await roles.as(
      'owner',
      `GRANT ALL ON audit_log TO ${service}; REVOKE ALL ON projects FROM ${service};
       GRANT UPDATE (migration_name) ON _prisma_migrations TO ${service}`,
    );
    await runMigrations(roles.both);
    expect((await privileges()).map(({ relname, relacl }) => [relname, relacl])).toEqual(before);
  });

  it('down and up again works as the owner, and as the service role says whose credentials are missing', async () => {
    const [newest] = (await readMigrations()).slice(-1);
    await expect(revertMigrations(roles.service)).rejects.toThrow(
      `its tables belong to the role ${roles.owner}: ${roles.service.user} may not change them. Set database.migration_user`,
    );
    await expect(revertMigrations(roles.both)).resolves.toEqual([newest?.name]);
    await expect(open(roles.service)).rejects.toThrow('has to be migrated');
    await expect(runMigrations(roles.both)).resolves.toEqual([newest?.name]);
  });

  it('a database that one role made before says how to hand it over', async () => {
    const other = await twoRoles();
    try {
      const alone = { ...other.both, user: other.owner, password: other.both.migrationPassword };
      await runMigrations({ ...alone, migrationUser: null }, { to: '000003' });
      const swapped = {
        ...other.both,
        user: other.owner,
        migrationUser: other.service.user,
        migrationPassword: other.service.password,
      };
      await expect(runMigrations(swapped)).rejects.toThrow(
        `REASSIGN OWNED BY "${other.owner}" TO "${other.service.user}"`,
      );
      await other.as('superuser', `REASSIGN OWNED BY "${other.owner}" TO "${other.service.user}"`);
      await expect(runMigrations(swapped)).resolves.not.toEqual([]);
    } finally {
      await other.dispose();
    }
  });

  it('by the command line takes the owner from the environment, where the running service does not see it', async () => {
    const other = await twoRoles();
    const { host, port, user, password, database } = other.service;
    const address = { host, port, user, password: String(password) };
    const files = {
      'config.yaml': configFile(address, database),
      jwt: 'x'.repeat(32),
      owner: `${other.both.migrationPassword}\n`,
    };
    const migrate = (env: Record<string, string>) =>
      runProgram(['migrate', 'up', '--config', 'config.yaml'], { files, env });
    try {
      const alone = await migrate({});
      expect([alone.code, alone.stdout]).toEqual([1, '']);
      expect(alone.stderr).toMatch(/^The role .* Set database\.migration_user .*\n$/);
      const owner = {
        QUANTIX_DATABASE_MIGRATION_USER: other.owner,
        QUANTIX_DATABASE_MIGRATION_PASSWORD_FILE: 'owner',
      };
      expect((await migrate(owner)).stdout).toMatch(/^applied 000001_init\n/);
      expect((await migrate({})).stdout).toBe('nothing to do\n');
    } finally {
      await other.dispose();
    }
  });

  it('names a service role that is not there', async () => {
    await expect(runMigrations({ ...roles.both, user: 'nobody-here' })).rejects.toThrow(
      'There is no role nobody-here, which is database.user.',
    );
  });
});
