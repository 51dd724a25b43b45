/** The four TLS modes towards PostgreSQL, against a server whose certificate is for "localhost" and nothing else. */
import { execFile } from 'node:child_process';
import { chmod, chown, copyFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dump, findPrograms, undump } from '../../src/cli/backup/programs.js';
import { inSnapshot } from '../../src/cli/backup/snapshot.js';
import { type ConnectionOptions, clientConfig } from '../../src/data/connection.js';
import {
  type PostgresAddress,
  type PostgresHandle,
  sharedPostgres,
  startPostgres,
} from '../support/services/postgres.js';
import { databaseOptions } from './data-fixtures.js';

const run = promisify(execFile);

let server: PostgresHandle;
let folder: string;
const inFolder = (name: string) => join(folder, name);

const openssl = (...args: string[]) => run('openssl', args, { cwd: folder });

async function authority(name: string): Promise<void> {
  await openssl(
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', `/CN=${name}`],
    ...['-keyout', `${name}.key`, '-out', `${name}.pem`],
  );
}

/** The authority `name` again, with the same key, as it was years ago: `req` makes none that has expired. */
async function expiredAuthority(name: string): Promise<void> {
  await writeFile(inFolder('index'), '');
  await writeFile(
    inFolder('ca.conf'),
    '[ca]\ndefault_ca=it\n[it]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=any\nx509_extensions=ca_ext\n' +
      '[any]\ncommonName=supplied\n[ca_ext]\nbasicConstraints=critical,CA:TRUE\n',
  );
  await openssl('req', '-new', '-key', `${name}.key`, '-subj', `/CN=${name}`, '-out', 'old.csr');
  await openssl(
    ...['ca', '-config', 'ca.conf', '-batch', '-notext', '-selfsign', '-create_serial'],
    ...['-keyfile', `${name}.key`, '-in', 'old.csr', '-out', 'expired.pem'],
    ...['-startdate', '20200101000000Z', '-enddate', '20200102000000Z'],
  );
}

/** Lays key and certificate into the server's data folder, owned as it demands, and switches TLS on. */
async function switchOn(): Promise<void> {
  const client = new pg.Client(clientConfig(databaseOptions(server, 'postgres')));
  await client.connect();
  const { rows } = await client.query('SHOW data_directory');
  const data = String(rows[0].data_directory);
  const { uid, gid } = await stat(data);
  for (const file of ['server.key', 'server.crt']) {
    await copyFile(inFolder(file), join(data, file));
    await chown(join(data, file), uid, gid);
    await chmod(join(data, file), 0o600);
  }
  await client.query('ALTER SYSTEM SET ssl = on');
  await client.end();
  await server.restart();
}

/** Whether the session is encrypted; rejects when there is none. */
async function encrypted(
  options: Partial<ConnectionOptions>,
  address: PostgresAddress = server,
): Promise<boolean> {
  const client = new pg.Client(clientConfig(databaseOptions(address, 'postgres', options)));
  client.on('error', () => {});
  await client.connect();
  try {
    const { rows } = await client.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
    return rows[0].ssl;
  } finally {
    await client.end();
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tls-'));
  server = await startPostgres();
  await authority('ours');
  await authority('theirs');
  await expiredAuthority('ours');
  await writeFile(inFolder('names'), 'subjectAltName=DNS:localhost\n');
  await openssl(
    ...['req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=localhost'],
    ...['-keyout', 'server.key', '-out', 'server.csr'],
  );
  await openssl(
    ...[
      'x509',
      '-req',
      '-in',
      'server.csr',
      '-CA',
      'ours.pem',
      '-CAkey',
      'ours.key',
      '-CAcreateserial',
    ],
    ...['-days', '1', '-extfile', 'names', '-out', 'server.crt'],
  );
  await switchOn();
});
afterAll(async () => {
  await server.dispose();
  await rm(folder, { recursive: true });
});

test('every mode but "disable" refuses a server without TLS', async () => {
  await expect(encrypted({ sslMode: 'disable' }, sharedPostgres())).resolves.toBe(false);
  for (const sslMode of ['require', 'verify-ca', 'verify-full'] as const) {
    await expect(encrypted({ sslMode }, sharedPostgres())).rejects.toThrow('does not support SSL');
  }
});

test('"disable" does not encrypt, even where the server could', async () => {
  await expect(encrypted({ sslMode: 'disable' })).resolves.toBe(false);
});

test('"require" encrypts and believes anybody, unless it is given an authority', async () => {
  await expect(encrypted({ sslMode: 'require' })).resolves.toBe(true);
  await expect(encrypted({ sslMode: 'require', sslCaFile: inFolder('ours.pem') })).resolves.toBe(
    true,
  );
  const wrong = encrypted({ sslMode: 'require', sslCaFile: inFolder('theirs.pem') });
  await expect(wrong).rejects.toThrow(/certificate/);
});

test('"verify-ca" believes its authority, whatever the name', async () => {
  const sslMode = 'verify-ca';
  await expect(encrypted({ sslMode, sslCaFile: inFolder('ours.pem') })).resolves.toBe(true);
  await expect(encrypted({ sslMode, sslCaFile: inFolder('theirs.pem') })).rejects.toThrow(
    /certificate/,
  );
  await expect(encrypted({ sslMode })).rejects.toThrow(/certificate/);
});

test('"verify-full" believes its authority for the name that was dialled, an address included', async () => {
  const options = { sslMode: 'verify-full', sslCaFile: inFolder('ours.pem') } as const;
  await expect(encrypted({ ...options, host: 'localhost' })).resolves.toBe(true);
  await expect(encrypted({ ...options, host: '127.0.0.1' })).rejects.toThrow(
    /altnames: IP: 127\.0\.0\.1 is not/,
  );
  const wrong = encrypted({ ...options, host: 'localhost', sslCaFile: inFolder('theirs.pem') });
  await expect(wrong).rejects.toThrow(/certificate/);
});

test('an authority whose certificate has expired is believed by no mode that is given one', async () => {
  const sslCaFile = inFolder('expired.pem');
  for (const sslMode of ['require', 'verify-ca', 'verify-full'] as const) {
    const refused = encrypted({ sslMode, sslCaFile, host: 'localhost' });
    await expect(refused).rejects.toThrow(/certificate has expired/);
  }
});

test('a password of any characters is checked with scram-sha-256, encrypted or not', async () => {
  const password = 'p@ss/w:rd %41#?&="\' \\ ünï';
  const admin = new pg.Client(clientConfig(databaseOptions(server, 'postgres')));
  await admin.connect();
  await admin.query(`CREATE ROLE odd LOGIN PASSWORD ${pg.escapeLiteral(password)}`);
  const { rows } = await admin.query(`SELECT rolpassword FROM pg_authid WHERE rolname = 'odd'`);
  expect(rows[0].rolpassword).toMatch(/^SCRAM-SHA-256\$/);
  await admin.end();
  await expect(encrypted({ user: 'odd', password })).resolves.toBe(false);
  await expect(encrypted({ user: 'odd', password, sslMode: 'require' })).resolves.toBe(true);
  await expect(encrypted({ user: 'odd', password: `${password} ` })).rejects.toThrow(
    'password authentication failed',
  );
});

test('pg_dump and pg_restore believe whom the program itself believes, in every mode', async () => {
  const admin = new pg.Client(clientConfig(databaseOptions(server, 'postgres')));
  await admin.connect();
  // a role that gets in encrypted, or not at all
  await admin.query(`CREATE ROLE careful SUPERUSER LOGIN PASSWORD 'careful'`);
  const { rows } = await admin.query('SHOW hba_file');
  const hba = String(rows[0].hba_file);
  await writeFile(hba, `hostnossl all careful all reject\n${await readFile(hba, 'utf8')}`);
  await admin.query('SELECT pg_reload_conf()');
  await admin.query('CREATE TABLE dumped AS SELECT 1 AS one');
  const access = { user: 'careful', password: 'careful' };
  const options = (more: Partial<ConnectionOptions>, database = 'postgres') =>
    databaseOptions(server, database, { ...access, ...more });
  let round = 0;
  const through = async (more: Partial<ConnectionOptions>) => {
    const file = inFolder(`dump-${++round}`);
    const database = await inSnapshot(admin, async (snapshot, { postgres }) => {
      const programs = await findPrograms(postgres.version, '');
      await dump(programs, options(more), snapshot, file);
      const made = await server.createDatabase();
      await undump(programs, options(more, made), file);
      return made;
    });
    const copy = new pg.Client(clientConfig(databaseOptions(server, database)));
    await copy.connect();
    const { rowCount } = await copy.query('SELECT one FROM dumped');
    await copy.end();
    return rowCount;
  };
  const [ours, theirs] = [inFolder('ours.pem'), inFolder('theirs.pem')];
  const [name, address] = ['localhost', '127.0.0.1'];
  try {
    await expect(through({ sslMode: 'require' })).resolves.toBe(1);
    await expect(through({ sslMode: 'verify-ca', sslCaFile: ours, host: address })).resolves.toBe(
      1,
    );
    await expect(through({ sslMode: 'verify-full', sslCaFile: ours, host: name })).resolves.toBe(1);
    await expect(through({ sslMode: 'disable' })).rejects.toThrow(/pg_dump failed.*pg_hba\.conf/);
    await expect(
      through({ sslMode: 'verify-full', sslCaFile: ours, host: address }),
    ).rejects.toThrow(/server certificate for "localhost".* does not match host name/);
    for (const sslMode of ['require', 'verify-ca', 'verify-full'] as const)
      await expect(through({ sslMode, sslCaFile: theirs, host: name }), sslMode).rejects.toThrow(
        /certificate verify failed/,
      );
    // none of the authorities that everybody believes
    for (const sslMode of ['verify-ca', 'verify-full'] as const)
      await expect(through({ sslMode, host: name }), sslMode).rejects.toThrow(
        /certificate verify failed/,
      );
  } finally {
    await admin.end();
  }
});
