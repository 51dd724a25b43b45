/** Backups on real servers: what is restored is what was dumped, whatever went on meanwhile, and whatever ended half-way. */
import { execFileSync } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import type { Archive } from '../../src/cli/backup/archive.js';
import { examineArchive } from '../../src/cli/backup/restore.js';
import { extractFiles, unpackFiles } from '../../src/cli/backup/secret-files.js';
import { readSettings, writeSettings } from '../../src/cli/backup/shared-settings.js';
import { seedDemo } from '../../src/cli/demo/seed.js';
import { auditSealer } from '../../src/controllers/audit-keeper.js';
import type { TermServices } from '../../src/controllers/runner.js';
import { revertMigrations, runMigrations } from '../../src/data/migrate.js';
import { openPostgres } from '../../src/data/postgres.js';
import { newId } from '../../src/ids.js';
import { runHere } from '../support/command-here.js';
import { violations } from '../support/invariants.js';
import { Program } from '../support/program.js';
import { sharedPostgres } from '../support/services/postgres.js';
import { until } from '../support/until.js';
import { type BackupSite, openBackupSite, SECRET } from './backup-site.js';
import { silent } from './data-fixtures.js';
import { HASHES } from './demo-fixtures.js';

let site: BackupSite;
/** Taken under load. */
let archive: Archive;
const open = () => openPostgres(site.roles.service, silent);
const rows = async (sql: string) => (await site.roles.as('superuser', sql)).rows;
const archives = async () =>
  (await readdir(site.directory)).filter((name) => name.startsWith('quantix-'));

/** Pairs of rows, each pair in a transaction of its own, until told to stop. Returns how many. */
function writePairs(): { stop(): Promise<number> } {
  let going = true;
  let pairs = 0;
  const work = (async () => {
    const data = await open();
    while (going) {
      pairs += 1;
      const names = [`left-${pairs}`, `right-${pairs}`];
      await data.transaction(async (tx) => {
        for (const name of names) await tx.cluster.create({ data: { id: newId(), name } });
      });
    }
    await data.close();
    return pairs;
  })();
  return {
    stop() {
      going = false;
      return work;
    },
  };
}

/** The program's own command line on this site. */
function commandLine(change: Record<string, Record<string, unknown>> = {}) {
  const { config } = site.surroundings();
  const { host, port, user, password, database, migrationUser, migrationPassword } =
    config.database;
  const sections = {
    database: { host, port, user, password, database, fallback: 'refuse' },
    etcd: { endpoints: config.etcd.endpoints },
    redis: { host: config.redis.host, port: config.redis.port, password: config.redis.password },
    auth: { jwt_secret_file: 'jwt' },
    backup: { directory: site.directory, key_file: 'key', include: [], ...change.backup },
  };
  return {
    files: {
      'config.yaml': stringify({
        ...sections,
        database: {
          ...sections.database,
          migration_user: migrationUser,
          migration_password: migrationPassword,
        },
      }),
      jwt: 'j'.repeat(40),
      key: SECRET,
    },
  };
}

beforeAll(async () => {
  site = await openBackupSite();
  await runMigrations(site.roles.both);
  const data = await open();
  await seedDemo(data, { now: new Date(), hashes: HASHES });
  const services = { data, log: silent } as unknown as TermServices;
  const sealer = auditSealer();
  // Not while a transaction of before is running, in whichever database of the server.
  await until('it is sealed', async () => {
    await sealer.run(services, () => true, new AbortController().signal, new Date());
    return (await data.db.auditSeal.count()) > 0;
  });
  await data.close();
  await writeSettings(site.surroundings().config, { 'cache.ttl': 'of the archive' });
});
afterAll(() => site.dispose());

describe('a backup under write load, restored after the database was lost', () => {
  it('is one moment: its counts, whole transactions, sums that fit, in a new epoch of the feed', async () => {
    const load = writePairs();
    await until(
      'some pairs',
      async () => Number((await rows(`SELECT count(*) FROM clusters`))[0]?.count) > 20,
    );
    archive = await site.backup();
    expect(site.lines.at(-2)).toMatch(
      /^Audit log: \d+ seals, [1-9]\d* sealed entries, .* anchor: \w{64}$/,
    );
    const written = await load.stop();
    expect(archive.manifest.tables.clusters).toBeLessThan(written * 2);
    expect(await archives()).toEqual([archive.name]);
    expect((await stat(archive.path)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(archive.path))
      expect((await stat(join(archive.path, name))).mode & 0o777, name).toBe(0o600);

    await writeSettings(site.surroundings().config, { 'log.level': 'debug' });
    const redis = new Redis({ ...site.redis, lazyConnect: false });
    await redis.mset('session:1', 'x', 'cache:api:2', 'x', 'metrics:node:3', 'x');
    const [epochBefore] = await rows('SELECT epoch FROM change_feed');
    await site.roles.as('superuser', 'SELECT 1'); // and now nobody is connected any more
    await sharedPostgres().dropDatabase(site.database);
    await site.restore(archive.name);

    const [moment] = await rows(`SELECT count(*) FILTER (WHERE name LIKE 'left-%')::int AS "left",
      count(*) FILTER (WHERE name LIKE 'right-%')::int AS "right", count(*)::int AS all FROM clusters`);
    expect(moment.all).toBe(archive.manifest.tables.clusters);
    expect(moment.left).toBe(moment.right);
    expect(moment.left).toBeGreaterThan(0);
    const machines = await rows('SELECT count(*)::int AS count FROM virtual_machines');
    expect(machines[0]?.count).toBe(archive.manifest.tables.virtual_machines);
    expect(await rows('SELECT epoch FROM change_feed')).toEqual([
      { epoch: Number(epochBefore?.epoch) + 1 },
    ]);
    const data = await open(); // as the service role, which has its rights again
    expect(await violations(data.db)).toEqual([]);
    await expect(data.db.$executeRaw`DELETE FROM audit_log`).rejects.toThrow(/permission denied/);
    await data.close();
    expect(await readSettings(site.surroundings().config)).toEqual({
      'cache.ttl': 'of the archive',
    });
    expect(await redis.keys('*')).toEqual(['metrics:node:3']);
    redis.disconnect();
    expect(await site.others()).toEqual([]);
  }, 90_000);

  it('holds configuration and keys, for the backup key alone, and not that key itself', async () => {
    const sealed = await readFile(join(archive.path, 'keys.sealed'));
    const { keys } = await examineArchive(site.surroundings(), archive.name, {
      secret: SECRET,
      unsealed: false,
    });
    const files = unpackFiles(keys?.decrypt(sealed) ?? Buffer.of());
    expect(files.map(({ path }) => path)).toEqual([join(site.folder, 'etc', 'encryption')]);
    const target = join(site.folder, 'extracted');
    const [written = ''] = await extractFiles(files, target);
    expect(await readFile(written, 'utf8')).toBe('e'.repeat(40));
    await expect(extractFiles(files, target)).rejects.toThrow(/not empty/);
    expect(sealed.includes('eeee')).toBe(false);
    await expect(
      extractFiles([{ path: '/../../up', mode: 0o600, content: '' }], join(site.folder, 'x')),
    ).rejects.toThrow(/outside of the folder/);
  });
});

describe('a restore', () => {
  it('that is cut off behind the swap is finished by the next one, not done twice, and can be undone: rows and shared settings of before are back', async () => {
    const { config } = site.surroundings();
    await site.roles.as(
      'superuser',
      `INSERT INTO clusters (id, name) VALUES (gen_random_uuid(), 'of-today')`,
    );
    await writeSettings(config, { 'cache.ttl': 'of-today' });
    const today = () => rows(`SELECT name FROM clusters WHERE name = 'of-today'`);
    const acl = () =>
      rows(`SELECT datacl::text FROM pg_database WHERE datname = '${site.database}'`);
    const before = await acl();
    await expect(
      site.restore(archive.name, {}, { redis: { port: 1, connectTimeoutMs: 50 } }),
    ).rejects.toThrow(/in its place.*Redis does not answer.*same command again/);
    expect(await today()).toEqual([]);
    expect(await acl()).toEqual(before);
    const others = await site.others();
    expect(others).toEqual([expect.stringMatching(/^before_\d{8}t\d{6}$/)]);
    await writeSettings(config, {});
    await site.restore(archive.name);
    expect(site.lines.at(-1)).toContain('Next:');
    expect(site.lines.some((line) => line.includes('finished now'))).toBe(true);
    expect(await site.others()).toEqual(others);
    expect(await readSettings(config)).toEqual({ 'cache.ttl': 'of the archive' });

    await site.undo();
    expect(await today()).toEqual([{ name: 'of-today' }]);
    expect(await readSettings(config)).toEqual({ 'cache.ttl': 'of-today' });
    const [undone = ''] = await site.others();
    expect(undone).toMatch(/^undone_/);
    await sharedPostgres().dropDatabase(`${site.database}_${undone}`);
    await expect(site.undo()).rejects.toThrow(/not put there by a restore/);
  }, 60_000);

  it('refuses while somebody is connected, names them, and with --force only what it could end', async () => {
    const data = await open();
    await data.ping();
    await expect(site.restore(archive.name)).rejects.toThrow(
      /in use by qx-controlplane as service-/,
    );
    await expect(site.restore(archive.name, { force: true })).rejects.toThrow(
      /may not end sessions of service-.*pg_signal_backend/,
    );
    await site.roles.as('superuser', `GRANT pg_signal_backend TO "${site.roles.owner}"`);
    await site.restore(archive.name, { force: true });
    await data.close();
    await site.undo();
  }, 60_000);

  it('that is killed half-way leaves the database as it was, and the next run tidies up', async () => {
    const program = await Program.start(
      ['restore', archive.path, '--config', 'config.yaml'],
      commandLine(),
    );
    onTestFinished(() => program.dispose());
    const kept = await site.others();
    await until(
      'the new database',
      async () => (await site.others()).some((name) => name.startsWith('restore_')),
      45_000,
    );
    await program.stop('SIGKILL');
    expect(await rows('SELECT count(*)::int AS count FROM virtual_machines')).toEqual([
      { count: archive.manifest.tables.virtual_machines },
    ]);
    await expect(site.undo()).rejects.toThrow(/not put there by a restore/);
    expect(site.lines.join('\n')).toMatch(/Noticed: .*\nRemoved what it left: \S+_restore_/);
    expect(await site.others()).toEqual(kept);
  }, 60_000);
});

describe('refused before anything is touched is', () => {
  let copy: string;
  const part = (name: string) => join(copy, name);
  const edit = async (name: string, change: (text: string) => string) =>
    writeFile(part(name), change(await readFile(part(name), 'utf8')));
  const flip = async (name: string) => {
    const bytes = await readFile(part(name));
    const middle = Math.floor(bytes.length / 2);
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;
    await writeFile(part(name), bytes);
  };
  const cut = async (name: string) =>
    writeFile(part(name), (await readFile(part(name))).subarray(0, -9));
  const newer = (text: string) => {
    const manifest = JSON.parse(text);
    manifest.migrations.push({ name: '000999_of_tomorrow', checksum: '0'.repeat(64) });
    return JSON.stringify(manifest);
  };

  it.each<[string, () => Promise<unknown>, RegExp, { secret?: string }?]>([
    ['a truncated dump', () => cut('database.dump'), /database\.dump has \d+ bytes instead of/],
    [
      'a dump with one bit changed',
      () => flip('database.dump'),
      /checksum of database\.dump is wrong/,
    ],
    ['changed keys', () => flip('keys.sealed'), /checksum of keys\.sealed/],
    ['a dump that is missing', () => rm(part('database.dump')), /database\.dump cannot be read/],
    [
      'a manifest that fits the changes',
      () => edit('manifest.json', (text) => text.replace(/"rows|"clusters": \d+/, '"clusters": 1')),
      /seal of the archive does not fit/,
    ],
    ['a truncated manifest', () => cut('manifest.json'), /no archive/],
    ['a manifest of other things', () => edit('manifest.json', () => '{"format":1}'), /damaged/],
    ['no archive at all', () => rm(copy, { recursive: true }), /no archive/],
    [
      'a format of tomorrow',
      () => edit('manifest.json', (text) => text.replace('"format": 1', '"format": 2')),
      /newer program \(format 2/,
    ],
    [
      'a schema of tomorrow',
      () => edit('manifest.json', newer),
      /newer program .*000999_of_tomorrow/,
    ],
    [
      'another migration of the same name',
      () => edit('manifest.json', (text) => text.replace(/"checksum": "\w/, '"checksum": "x')),
      /another one than this program's/,
    ],
    ['an archive whose seal was taken off', () => rm(part('seal.json')), /no seal.*--unsealed/],
    [
      'a seal that costs hours',
      () => edit('seal.json', (text) => text.replace(/"cost":\d+/, '"cost":1099511627776')),
      /seal cannot be read/,
    ],
    [
      'another backup key',
      async () => {},
      /sealed with another backup key/,
      { secret: 'somebody else' },
    ],
  ])('%s', async (_name, damage, message, options = {}) => {
    copy = join(site.folder, 'copy');
    await rm(copy, { recursive: true, force: true });
    await cp(archive.path, copy, { recursive: true });
    await damage();
    const before = [
      await site.others(),
      await rows('SELECT oid FROM pg_database WHERE datname = current_database()'),
    ];
    await expect(site.restore(copy, options)).rejects.toThrow(message);
    expect([
      await site.others(),
      await rows('SELECT oid FROM pg_database WHERE datname = current_database()'),
    ]).toEqual(before);
  });
});

describe('a backup that fails', () => {
  const alerts = () =>
    rows(
      `SELECT message, count, resolved FROM alerts WHERE kind = 'backup-failed' ORDER BY created_at`,
    );

  it('for want of room leaves the archives of before, and an alert', async () => {
    const disk = join(site.folder, 'disk');
    await mkdir(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]);
    onTestFinished(() => void execFileSync('umount', [disk]));
    const small = commandLine({ backup: { directory: disk } });
    const looked = await runHere(['backup', '--config', 'config.yaml'], small);
    expect([looked.code, looked.stderr]).toEqual([
      1,
      expect.stringMatching(/^The disk is too full: .* KiB left/),
    ]);
    expect(await alerts()).toEqual([
      { message: expect.stringContaining('The disk is too full'), count: 1, resolved: false },
    ]);
  }, 60_000);

  it('because no more can be written in the middle of the dump says so, and leaves nothing of it', async () => {
    const before = await archives();
    const program = await Program.start(['backup', '--config', 'config.yaml'], commandLine());
    onTestFinished(() => program.dispose());
    // long before it writes: loading the program takes longer
    execFileSync('prlimit', ['--pid', String(program.pid), '--fsize=50000']);
    expect(await program.end()).toMatchObject({ code: 1 });
    expect(program.stderr).toMatch(
      /^Cannot write .*database\.dump: files may not be that large here/,
    );
    expect(await archives()).toEqual(before);
    expect((await readdir(site.directory)).filter((name) => name.startsWith('.'))).toEqual([]);
    expect(await alerts()).toEqual([expect.objectContaining({ count: 2, resolved: false })]);
  }, 60_000);

  it('being killed, while it dumps or while it proves, leaves good archives alone; the next one notices, tidies up, and the alert is over', async () => {
    const before = await archives();
    const kept = await site.others();
    const killedWhen = async (reached: () => Promise<boolean>) => {
      const program = await Program.start(['backup', '--config', 'config.yaml'], commandLine());
      onTestFinished(() => program.dispose());
      await until('that point', reached, 45_000);
      await program.stop('SIGKILL');
      expect(await archives()).toEqual(expect.arrayContaining(before));
      return program.stdout;
    };
    const writing = async () =>
      (await readdir(site.directory)).some((name) => name.startsWith('.writing-'));
    const proving = async () => (await site.others()).some((name) => name.startsWith('verify_'));
    await killedWhen(writing);
    const noticed = /^Noticed: the backup that began at .* was killed or crashed/m;
    expect(await killedWhen(proving)).toMatch(noticed);
    const well = await runHere(['backup', '--config', 'config.yaml'], commandLine());
    expect([well.code, well.stderr]).toEqual([0, '']);
    expect(well.stdout).toMatch(noticed);
    expect(await alerts()).toEqual([expect.objectContaining({ count: 4, resolved: true })]);
    expect(await site.others()).toEqual(kept);
    expect((await readdir(site.directory)).filter((name) => name.startsWith('.'))).toEqual([]);
    expect(await archives()).toHaveLength(before.length + 2);
  }, 120_000);

  it('because another one is at work says so, and does not disturb it; not from another folder either', async () => {
    const elsewhere = { backup: { directory: join(site.folder, 'elsewhere') } };
    const runs = await Promise.allSettled([site.backup(), site.backup(), site.backup(elsewhere)]);
    const reasons = runs.flatMap((run) => (run.status === 'rejected' ? [String(run.reason)] : []));
    expect(runs.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(reasons.join('\n')).toMatch(/at work/);
    expect(reasons).toHaveLength(2);
  }, 60_000);

  it('in its proof keeps the archive as one that failed, and removes no other', async () => {
    const before = await archives();
    // a rule that lets dumps through, and no rows back in
    await site.roles.as(
      'superuser',
      `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
      CREATE TABLE odd (id int CHECK (id > (random() - 2)));
      INSERT INTO odd VALUES (1); ALTER TABLE odd OWNER TO "${site.roles.owner}"; ALTER FUNCTION no() OWNER TO "${site.roles.owner}";
      CREATE FUNCTION fails(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT current_database() = ''${site.database}''';
      ALTER FUNCTION fails(int) OWNER TO "${site.roles.owner}";
      ALTER TABLE odd ADD CONSTRAINT here CHECK (fails(id))`,
    );
    await expect(site.backup({ backup: { keepCount: 1 } })).rejects.toThrow(
      /could not be proven.*violates check constraint/,
    );
    await site.roles.as(
      'superuser',
      'DROP TABLE odd; DROP FUNCTION no(); DROP FUNCTION fails(int)',
    );
    expect(await archives()).toEqual(expect.arrayContaining(before));
    const good = await site.backup({ backup: { keepCount: 1 } });
    const after = await archives();
    expect(after).toContain(good.name);
    expect(after).toHaveLength(2); // and the one that failed, of which one may be kept, too
  }, 60_000);

  it('because its audit log is not what was sealed says where; the archive is restored by who accepts that', async () => {
    const tamper = (sql: string) =>
      site.roles.as('superuser', `SET session_replication_role = replica; ${sql}`);
    const [entry] = await rows('SELECT id, action FROM audit_log ORDER BY seq LIMIT 1');
    await tamper(`UPDATE audit_log SET action = 'nothing.at.all' WHERE id = '${entry.id}'`);
    const words = new RegExp(`The audit log is not what was sealed. CHANGED: .*${entry.id}`);
    const run = await runHere(['backup', '--config', 'config.yaml'], commandLine());
    expect([run.code, run.stderr]).toEqual([1, expect.stringMatching(words)]);
    expect(await alerts()).toContainEqual({
      ...{ message: expect.stringMatching(words), count: 1, resolved: false },
    });
    const listed = await runHere(['backups', '--config', 'config.yaml'], commandLine());
    expect(listed.stdout).toMatch(/FAILED[^\n]*\n {4}verification failed: The audit log is not/);
    expect(listed.stdout).toMatch(
      / verified .*program 0\.1\.0, schema \d{6}, PostgreSQL \d+ {2}with keys/,
    );
    const failed = /^(\S+) .*FAILED.*\n.*The audit log/m.exec(listed.stdout)?.[1] ?? '';
    const before = await site.others();
    await expect(site.restore(failed)).rejects.toThrow(words);
    expect(await site.others()).toEqual(before);
    await site.restore(failed, { auditFaults: true });
    expect(site.lines.join('\n')).toContain('which was accepted. CHANGED');
    // the way out that the guide has
    await tamper(`UPDATE audit_log SET action = '${entry.action}' WHERE id = '${entry.id}'`);
    const verified = await runHere(['audit', 'verify', '--config', 'config.yaml'], commandLine());
    expect([verified.code, verified.stdout]).toEqual([0, expect.stringMatching(/no faults/)]);
  }, 60_000);

  it('because the role may not make databases says what to grant', async () => {
    await site.roles.as('superuser', `ALTER ROLE "${site.roles.owner}" NOCREATEDB`);
    onTestFinished(
      () => void site.roles.as('superuser', `ALTER ROLE "${site.roles.owner}" CREATEDB`),
    );
    await expect(site.backup()).rejects.toThrow(
      /may not create databases.*ALTER ROLE "Owner .*" CREATEDB/,
    );
  });
});

it('of a schema before there were seals is proven by a role that only reads, and migrated when it is restored', async () => {
  const { database } = site;
  const reader = { user: `reader-${database}`, password: 'reads' };
  const role = `"${reader.user}"`;
  await site.roles.as(
    'superuser',
    `CREATE ROLE ${role} LOGIN PASSWORD 'reads' CREATEDB IN ROLE pg_read_all_data;
     GRANT CONNECT ON DATABASE "${database}" TO ${role}`,
  );
  onTestFinished(() => void site.roles.as('superuser', `DROP ROLE ${role}`));
  await revertMigrations(site.roles.both, { to: '000019_audit_credentials' });
  const old = await site.backup({ backup: reader });
  expect(site.lines.at(-2)).toBe('Audit log: of a time before there were seals.');
  await sharedPostgres().dropDatabase(database);
  await site.restore(old.name, {}, { backup: reader });
  expect(site.lines).toContain('Migrated: 000020_audit_seals');
  const [may] = await rows(
    `SELECT has_database_privilege('${reader.user}', '${database}', 'CONNECT') AS in, has_database_privilege('public', '${database}', 'CONNECT') AS all`,
  );
  expect(may).toEqual({ in: true, all: false });
  await site.roles.as('superuser', `DROP OWNED BY ${role}`);
}, 60_000);
