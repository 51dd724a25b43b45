/** An appliance from nothing: its files on an empty machine, OpenRC, the first boot, and the web server in front. */
import { randomUUID } from 'node:crypto';
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openSocket } from '../e2e/socket-client.js';
import { graphql } from '../gen/gql.js';
import { digests, inOrder } from '../support/appliance/looks.js';
import { ADDRESS, Machine, NAME, SERVICES } from '../support/appliance/machine.js';
import { type Client, createClient } from '../support/client.js';
import { mutate } from '../support/mutations.js';
import { until } from '../support/until.js';

vi.setConfig({ testTimeout: 120_000 });

const WEB = `https://${NAME}`;
const Changes = graphql(`
  subscription ChangesThroughTheWebServer {
    changes(types: [CLUSTER]) { ... on ObjectChange { kind } }
  }
`);
const Login = graphql(`
  mutation FirstSignInAtTheAppliance($input: LoginInput!) {
    login(input: $input) { __typename ... on LoginPayload { token mustChangePassword } }
  }
`);
const Clusters = graphql(`
  query ClustersOfTheAppliance { clusters { nodes { name } } }
`);
const SignIns = graphql(`
  query SignInsAtTheAppliance {
    auditEntries(first: 1, filter: { action: { eq: "user.login" } }) { nodes { ipAddress username } }
  }
`);

let machine: Machine;
let password: string;
let admin: Client;
/** What the first sign-in gave to a browser. */
let cookie: string;

beforeAll(async () => {
  machine = await Machine.create(SERVICES);
  await machine.boot();
  await machine.openDoor();
});
afterAll(() => machine?.dispose());

const client = (token: string | null = null) => createClient(machine.fetch, token, WEB);
const get = (path: string, init: RequestInit = {}) =>
  machine.fetch(new Request(`${WEB}${path}`, init));
const ofProgram = async () =>
  (await machine.must("ps | awk '/[d]ist\\/main.js serve/ { print $1 }'")).trim();
const programLog = () => machine.read('/var/log/quantix-vdc/controlplane.log');

describe('the first boot', () => {
  it('brings the services up in their order, each ready before the next', () => {
    inOrder(machine.log, [
      'Starting PostgreSQL',
      'Starting etcd',
      'Starting redis',
      'Setting up the Quantix-vDC appliance',
      'Starting Quantix-vDC control plane',
      'Waiting until it serves ... [ ok ]',
      'Starting nginx ... [ ok ]',
    ]);
    expect(machine.log).not.toContain('ERROR');
    // what the guide sends people to
    for (const log of ['postgresql/postmaster.log', 'etcd/etcd.log', 'redis/redis.log'])
      expect(machine.read(`/var/log/${log}`), log).not.toBe('');
  });

  it('needs nothing but the shell and the tools that Alpine has', async () => {
    const tools = await machine.must(
      'for tool in sh awk sed grep mktemp date stat wget; do readlink -f $(which $tool); done',
    );
    expect(new Set(tools.trim().split('\n'))).toEqual(new Set(['/usr/bin/busybox']));
  });

  it('shows the password of the first administrator on the console, once, and keeps it nowhere', async () => {
    [, password = ''] = /^ {4}password {2}(\S{20})$/m.exec(machine.console) ?? [];
    expect(password, machine.console).not.toBe('');
    expect(machine.log).not.toContain(password);
    const places =
      '/etc /var/log /var/lib/quantix-vdc /var/lib/quantix-firstboot /run/quantix-firstboot';
    expect((await machine.run(`grep -rlF ${password} ${places}`)).output).toBe('');
  });

  it('leaves every secret to those who need it', async () => {
    const listed = await machine.must(
      'cd /etc/quantix-vdc && stat -c "%a %U:%G %n" config.yaml */* | sort -k3',
    );
    expect(listed.trim().split('\n')).toEqual([
      '640 root:quantix config.yaml',
      '600 root:root secrets/backup',
      '600 root:root secrets/database-backup-password',
      '600 root:root secrets/database-owner-password',
      '640 root:quantix secrets/database-password',
      '640 root:quantix secrets/encryption',
      '640 root:quantix secrets/jwt',
      '640 root:quantix secrets/redis-password',
      '644 root:root tls/ca.crt',
      '600 root:root tls/ca.key',
      '644 root:root tls/server.crt',
      '600 root:root tls/server.key',
    ]);
  });

  it('lets nobody into PostgreSQL or Redis without a password, and nobody from outside', async () => {
    const psql = 'psql -XqAt -d quantix_vdc -c "SELECT 1"';
    for (const role of ['quantix', 'quantix_owner', 'quantix_backup']) {
      const { output } = await machine.run(`${psql} -w -h 127.0.0.1 -U ${role}`);
      expect(output).toContain('no password supplied');
    }
    expect((await machine.run(`${psql} -w -h 127.0.0.1 -U postgres`)).output).toContain(
      'rejects connection',
    );
    expect((await machine.run('redis-cli -h 127.0.0.1 ping')).output).toContain('NOAUTH');
    // 127.0.0.1 and ::1 only, but for the web server
    const listening = await machine.must("netstat -ltn | awk '/LISTEN/ { print $4 }' | sort");
    const open = listening
      .split('\n')
      .filter((at) => at !== '' && !/^(127\.0\.0\.1|::1):/.test(at));
    expect(open).toEqual(['0.0.0.0:443', '0.0.0.0:80', ':::443', ':::80']);
  });

  it('gives the service no right to change what is there for good, and the backup none to write', async () => {
    const as = (role: string, sql: string) =>
      machine.run(
        `PGPASSWORD=$(cat /etc/quantix-vdc/secrets/database-${role === 'quantix' ? '' : 'backup-'}password) psql -XqAt -h 127.0.0.1 -U ${role} -d quantix_vdc -c "${sql}"`,
      );
    expect((await as('quantix', 'DELETE FROM audit_log')).output).toContain('permission denied');
    expect((await as('quantix', 'DROP TABLE users')).output).toContain('must be owner');
    expect((await as('quantix_backup', 'SELECT count(*) FROM users')).output).toBe('1\n');
    expect((await as('quantix_backup', 'DELETE FROM users')).output).toContain('permission denied');
    const [found] = (
      await machine.sql(
        "SELECT encoding, datcollate, datctype FROM pg_database WHERE datname = 'quantix_vdc'",
      )
    ).split('\n');
    expect(found).toBe('6|C|C'); // 6 is UTF8
  });

  it('changes nothing when it is run again, and says so', async () => {
    const catalog =
      'SELECT rolname, rolpassword FROM pg_authid ORDER BY 1; SELECT id, password_hash, updated_at FROM users';
    const before = [digests(machine.path('/etc')), await machine.sql(catalog)];
    const program = await ofProgram();
    const again = await machine.must('rc-service quantix-firstboot repair');
    expect([digests(machine.path('/etc')), await machine.sql(catalog)]).toEqual(before);
    expect(again.match(/^.*first boot: .*$/gm)).toEqual([
      expect.stringMatching(/first boot: complete$/),
    ]);
    expect(await ofProgram()).toBe(program);
    expect(await machine.must('rc-service quantix-firstboot restart')).toContain(
      'First boot was done at 20',
    );
  });

  it('leaves a machine that the doctor has nothing to say against', async () => {
    const report = JSON.parse((await machine.run('qx-controlplane doctor --json')).output) as {
      findings: { check: string; level: string; seen: string }[];
    };
    const bad = report.findings.filter(({ level }) => level !== 'ok' && level !== 'notice');
    expect(bad).toEqual([]);
    for (const check of [
      'postgres-roles',
      'postgres-settings',
      'postgres-tuning',
      'redis',
      'configuration',
    ])
      expect(
        report.findings.filter((finding) => finding.check === check),
        check,
      ).toMatchObject([{ level: 'ok' }]);
  });
});

describe('the web server', () => {
  it('lets the administrator sign in, who has to choose another password before anything else', async () => {
    const first = await client().answer(Login, { input: { username: 'admin', password } });
    const login = first.data?.login;
    expect(login).toMatchObject({ mustChangePassword: true });
    admin = client(login?.__typename === 'LoginPayload' ? login.token : null);
    const refused = await admin.answer(SignIns);
    expect(refused.errors[0]?.extensions?.code).toBe('PASSWORD_CHANGE_REQUIRED');
    const newPassword = 'violet-otter-ladder-29';
    await mutate(admin, 'changePassword', { currentPassword: password, newPassword });
    password = newPassword;
    cookie = first.headers.get('set-cookie') ?? '';
  });

  it('has the session of a browser bound to this host over TLS, as the program knows what is in front', async () => {
    expect(cookie).toMatch(/^__Host-quantix_session=.*; Path=\/;.*; Secure$/);
    const [pair = ''] = cookie.split(';');
    const ask = (origin: string) =>
      get('/graphql', {
        method: 'POST',
        headers: { 'content-type': 'application/json', cookie: pair, origin },
        body: JSON.stringify({ query: '{ viewer { user { username } } }' }),
      }).then((answer) => answer.json());
    expect(await ask(WEB)).toMatchObject({ data: { viewer: { user: { username: 'admin' } } } });
    expect(await ask('https://elsewhere.example')).not.toMatchObject({
      data: { viewer: { user: expect.anything() } },
    });
  });

  it('says what browsers have to know once, whether the program answers or it does itself', async () => {
    const said = async (path: string, init?: RequestInit) => {
      const { headers } = await get(path, init);
      return ['strict-transport-security', 'x-content-type-options'].map((name) =>
        headers.get(name),
      );
    };
    const once = ['max-age=31536000', 'nosniff'];
    expect(await said('/graphql?query={__typename}')).toEqual(once);
    expect(await said('/readyz')).toEqual(once);
    expect(await said('/metrics')).toEqual(once);
    const { headers } = await get('/graphql?query={__typename}');
    expect(headers.get('content-security-policy')).toBe(
      "default-src 'none'; frame-ancestors 'none'",
    );
  });

  it('has a certificate that the machine vouches for, for each of its names', async () => {
    const { nodes } = (await admin.run(SignIns)).auditEntries;
    expect(nodes).toMatchObject([{ username: 'admin' }]);
    for (const servername of [NAME, 'localhost']) {
      const socket = machine.tls({ servername });
      await new Promise((resolve, reject) =>
        socket.once('secureConnect', resolve).once('error', reject),
      );
      expect(socket.authorized).toBe(true);
      expect(socket.getPeerCertificate().subjectaltname).toContain(`IP Address:${ADDRESS}`);
      socket.destroy();
    }
  });

  it('tells the program who really asks, whatever the client claims', async () => {
    const { status } = await client().raw({
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': '203.0.113.66' },
      body: JSON.stringify({
        query: `mutation { login(input: { username: "admin", password: "${password}" }) { __typename } }`,
      }),
    });
    expect(status).toBe(200);
    expect((await admin.run(SignIns)).auditEntries.nodes).toMatchObject([{ ipAddress: ADDRESS }]);
  });

  it('sends everybody to HTTPS, and tells nobody its version or its figures', async () => {
    const plain = await machine.must(
      `(printf 'POST /graphql?a=b HTTP/1.1\\r\\nHost: ${NAME}\\r\\nConnection: close\\r\\n\\r\\n'; sleep 0.2) | nc 127.0.0.1 80`,
    );
    expect(plain).toMatch(/^HTTP\/1\.1 308 /);
    expect(plain).toContain(`Location: https://${NAME}/graphql?a=b`);
    const answer = await get('/readyz');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('server')).toBe('nginx');
    expect((await get('/metrics')).status).toBe(404);
  });

  it('speaks no TLS older than 1.2', async () => {
    const refused = await new Promise<Error>((resolve) =>
      machine.tls({ maxVersion: 'TLSv1.1' }).once('error', resolve),
    );
    expect(refused.message).toMatch(/protocol|version/i);
  });

  it('passes events on as they come, of server-sent events and of a WebSocket', async () => {
    const events = admin.subscribe(Changes, {});
    const first = events.next();
    const socket = openSocket(WEB, { token: admin.token, connect: () => machine.tls() });
    await socket.connected;
    const stream = socket.subscribe(Changes.toString());
    // Where there is no snapshot nothing says that a subscription has begun: so changes are made until both have heard of one.
    let n = 0;
    const heard = Promise.all([first, until('an event on the WebSocket', () => stream.events[0])]);
    let done = false;
    void heard.finally(() => {
      done = true;
    });
    await until('both have heard', async () => {
      if (!done) await mutate(admin, 'createCluster', { name: `live-${n++}` });
      return done;
    });
    const [sent] = await heard;
    expect(sent.value).toMatchObject({ data: { changes: { kind: 'CREATED' } } });
    expect(stream.events[0]).toMatchObject({ data: { changes: { kind: 'CREATED' } } });
    await events.return(undefined);
    stream.stop();
    socket.client.dispose();
  });

  it('refuses what is larger than the program takes, in words', async () => {
    const body = 'x'.repeat(256 * 1024 + 1);
    const answer = await get('/graphql', { method: 'POST', body });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([413, 'application/json']);
    expect(await answer.json()).toMatchObject({
      errors: [{ message: 'The request is larger than 262144 bytes.' }],
    });
  });

  it('has its certificate renewed before it ends', async () => {
    const fingerprint = () =>
      machine.must('openssl x509 -noout -fingerprint -in /etc/quantix-vdc/tls/server.crt');
    const before = await fingerprint();
    await machine.must('run-parts /etc/periodic/weekly');
    expect(await fingerprint()).toBe(before);
    await machine.must(`cd /tmp && openssl req -new -key /etc/quantix-vdc/tls/server.key -subj /CN=old -out old.csr &&
      openssl x509 -req -days 20 -in old.csr -CA /etc/quantix-vdc/tls/ca.crt -CAkey /etc/quantix-vdc/tls/ca.key -set_serial 7 -out /etc/quantix-vdc/tls/server.crt`);
    await machine.must('run-parts /etc/periodic/weekly');
    await until('the web server shows the new certificate', async () => {
      const socket = machine.tls();
      await new Promise((resolve, reject) =>
        socket.once('secureConnect', resolve).once('error', reject),
      );
      const { subject, valid_to } = socket.getPeerCertificate();
      socket.destroy();
      return subject.CN === NAME && Date.parse(valid_to) > Date.now() + 700 * 86_400_000;
    });
  });
});

describe('the service', () => {
  it('reads its configuration again without a restart, and keeps what it has when that has faults', async () => {
    const file = machine.path('/etc/quantix-vdc/config.yaml');
    const good = await readFile(file, 'utf8');
    const pid = await ofProgram();
    await writeFile(
      file,
      good
        .replace('\n  level: info', '\n  level: debug')
        .replace('\n  port: 8080', '\n  port: 8081'),
    );
    await machine.must('rc-service quantix-controlplane reload');
    await until('it has read it', () => programLog().includes('these settings need a restart'));
    expect(programLog()).toMatch(/"settings":\{"log.level":"debug"\}/);
    expect(programLog()).toMatch(/"settings":\["server.port"\]/);
    await appendFile(file, 'nonsense: 1\n');
    const { code, output } = await machine.run('rc-service quantix-controlplane reload');
    expect(code).not.toBe(0);
    expect(output).toContain('nonsense');
    expect((await machine.run('rc-service quantix-controlplane checkconfig')).code).not.toBe(0);
    await machine.must(`kill -HUP ${pid}`);
    await until('it has refused it', () => programLog().includes('the configuration has faults'));
    await writeFile(file, good);
    await machine.must('rc-service quantix-controlplane reload');
    await until('it is as before', () => programLog().includes('"settings":{"log.level":"info"}'));
    expect(await ofProgram()).toBe(pid);
    expect((await get('/readyz')).status).toBe(200);
  });

  it('runs as its own user, and is started again when it dies', async () => {
    const pid = await ofProgram();
    expect(
      await machine.must(`awk '/^(Uid|Max open)/' /proc/${pid}/status /proc/${pid}/limits`),
    ).toMatch(/Uid:\t200\t200[\s\S]*Max open files +4096/);
    await machine.must(`kill -9 ${pid}`);
    await until('it serves again', async () => (await get('/readyz')).status === 200, 60_000);
    expect(await ofProgram()).not.toBe(pid);
  });
});

describe('the logs', () => {
  it('are rotated, and written on by those who have them open', async () => {
    await machine.must('logrotate --force --state /tmp/rotated /etc/logrotate.d/quantix-vdc');
    const logs = ['quantix-vdc/controlplane.log', 'postgresql/postmaster.log', 'etcd/etcd.log'];
    for (const log of logs) expect(machine.read(`/var/log/${log}.1`), log).not.toBe('');
    await get('/graphql?query={__typename}');
    await until('a line behind the rotation', () => programLog().endsWith('}\n'));
    expect(programLog()).toMatch(/^\{/); // from its beginning, and not with a hole before it
  });
});

/** For the one command that has to be the owner's. */
const OWNER =
  'QUANTIX_DATABASE_MIGRATION_USER=quantix_owner QUANTIX_DATABASE_MIGRATION_PASSWORD_FILE=/etc/quantix-vdc/secrets/database-owner-password';
const BACKUPS = '/var/backups/quantix-vdc';
const archives = async () =>
  (await machine.must(`ls ${BACKUPS}`)).split('\n').filter((name) => name !== '');

const OLD = 'quantix-20200101T000000Z-00000000';

/** What an archive says of itself, without its parts: as far as one is looked at that is to go. */
async function layOldArchive(): Promise<void> {
  const folder = machine.path(`${BACKUPS}/${OLD}`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const postgres = { version: 150000, database: 'x', collate: 'C', ctype: 'C', bytes: 0 };
  const nothing = { migrations: [], tables: {}, feed: null, settings: null, keys: null, parts: {} };
  const createdAt = '2020-01-01T00:00:00Z';
  const manifest = { format: 1, id: randomUUID(), createdAt, program: '0.1.0', postgres };
  await writeFile(join(folder, 'manifest.json'), JSON.stringify({ ...manifest, ...nothing }));
}

describe('the daily backup', () => {
  it('is proven without anything of the owner, and takes the place of one that is too old', async () => {
    await mutate(admin, 'createCluster', { name: 'of-the-backup' });
    await layOldArchive();
    await machine.must('run-parts /etc/periodic/daily'); // as cron does
    const log = machine.read('/var/log/quantix-backup.log');
    expect(log).toMatch(/^Proven: /m);
    expect(log).toContain(`Removed, being too old or too many: ${OLD}`);
    expect(await archives()).toEqual([expect.not.stringMatching(OLD)]);
    expect(await machine.must('qx-controlplane backups')).toMatch(/ verified .*with keys\n$/);
    expect(await machine.must(`stat -c '%a %U' ${BACKUPS} ${BACKUPS}/*`)).toMatch(
      /^(700 root\n){2}$/,
    );
  });

  it('is nothing for the account of the service', async () => {
    const { code, output } = await machine.run(
      `cd / && su -s /bin/sh -c 'qx-controlplane backups' quantix`,
    );
    expect([code, output]).toEqual([2, expect.stringContaining('this user may not read')]);
  });
});

describe('a new version beside the old one', () => {
  const NEXT = '/usr/lib/quantix-vdc-next';

  it('migrates while the old one serves, takes its place, stops in good order, and gives it back', async () => {
    await machine.must(`mkdir -p ${NEXT}/prisma && cd /usr/lib/quantix-vdc &&
      cp -r package.json dist openrc ${NEXT} && cp -r prisma/migrations ${NEXT}/prisma && ln -s $PWD/node_modules ${NEXT}
      mkdir ${NEXT}/prisma/migrations/999999_next && cd ${NEXT}/prisma/migrations/999999_next &&
      echo 'ALTER TABLE clusters ADD COLUMN next int;' >migration.sql && echo 'ALTER TABLE clusters DROP COLUMN next;' >down.sql`);
    await machine.must(`${OWNER} node ${NEXT}/dist/main.js migrate up`);
    expect((await get('/readyz')).status).toBe(200); // the old one
    await machine.must(`sh ${NEXT}/openrc/install.sh`);
    await machine.must('rc-service quantix-controlplane restart');
    expect(await machine.must("ps | grep '[m]ain.js serve'")).toContain(NEXT);
    expect((await get('/readyz')).status).toBe(200);

    await machine.must('rc-service quantix-controlplane stop');
    expect(programLog().trim().split('\n').at(-1)).toContain('"msg":"stopped"');
    const away = await get('/graphql', { method: 'POST', body: '{}' });
    expect([away.status, await away.json()]).toMatchObject([
      503,
      { errors: [{ extensions: { code: 'UNAVAILABLE' } }] },
    ]);
    await machine.must(`${OWNER} qx-controlplane migrate down`);
    await machine.must('sh /usr/lib/quantix-vdc/openrc/install.sh');
  });
});

describe('a machine whose data are lost', () => {
  it('is as at the time of the backup after a restore, and everybody signs in again', async () => {
    await machine.sql('DROP DATABASE quantix_vdc WITH (FORCE)', 'postgres');
    const [name] = await archives();
    const said = await machine.must(`${OWNER} qx-controlplane restore ${name}`);
    expect(said).toContain('Keys: those of this machine are those in the archive.');
    expect(said).toMatch(/^Audit log: .* entries/m);
    expect(await machine.must('rc-service quantix-controlplane start')).toContain(
      'Waiting until it serves ... [ ok ]',
    );
    expect((await admin.answer(SignIns)).errors[0]?.extensions?.code).toBe('UNAUTHENTICATED');
    admin = client(await client().login('admin', password));
    const { clusters } = await admin.run(Clusters);
    expect(clusters.nodes.map(({ name }) => name)).toContain('of-the-backup');
    expect(
      await machine.sql(
        "SELECT has_database_privilege('quantix_backup', 'quantix_vdc', 'CONNECT')",
      ),
    ).toBe('t\n');
  });
});
