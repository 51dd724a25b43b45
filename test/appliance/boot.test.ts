/** An appliance from nothing: its files on an empty machine, OpenRC, the first boot, and the web server in front. */
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openSocket } from '../e2e/socket-client.js';
import { graphql } from '../gen/gql.js';
import { ADDRESS, Machine, NAME } from '../support/appliance/machine.js';
import { type Client, createClient } from '../support/client.js';
import { mutate } from '../support/mutations.js';
import { until } from '../support/until.js';

vi.setConfig({ testTimeout: 120_000 });

const SERVICES = [
  'postgresql',
  'etcd',
  'redis',
  'quantix-firstboot',
  'quantix-controlplane',
  'nginx',
];
const WEB = `https://${NAME}`;
const Changes = graphql(`
  subscription ChangesThroughTheWebServer {
    changes(types: [CLUSTER]) { ... on ObjectChange { kind } }
  }
`);
const SignIns = graphql(`
  query SignInsAtTheAppliance {
    auditEntries(first: 1, filter: { action: { eq: "user.login" } }) { nodes { ipAddress username } }
  }
`);

let machine: Machine;
let password: string;
let admin: Client;

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

/** Every file of a folder by what is in it; where nothing has changed, nothing here has. */
function digests(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const file = join(folder, name);
    const stat = lstatSync(file);
    const { mode, uid, gid, mtimeMs } = stat;
    const content = stat.isFile() ? readFileSync(file) : '';
    const digest = createHash('sha256').update(content).digest('hex');
    found[name] = [digest, mode, uid, gid, mtimeMs].join(' ');
  }
  return found;
}

describe('the first boot', () => {
  it('brings the services up in their order, each ready before the next', () => {
    const said = [
      'Starting PostgreSQL',
      'Starting etcd',
      'Starting redis',
      'Setting up the Quantix-vDC appliance',
      'Starting Quantix-vDC control plane',
      'Waiting until it serves ... [ ok ]',
      'Starting nginx ... [ ok ]',
    ];
    const places = said.map((words) => machine.log.indexOf(words));
    expect(places, machine.log).toEqual([...places].sort((a, b) => a - b));
    expect(places[0], machine.log).toBeGreaterThan(0);
    expect(machine.log).not.toContain('ERROR');
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
  it('lets the administrator sign in and ask, its certificate vouched for by the machine', async () => {
    admin = client(await client().login('admin', password));
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

  it('sends everybody to HTTPS, and has browsers remember it', async () => {
    const plain = await machine.must(
      `(printf 'POST /graphql?a=b HTTP/1.1\\r\\nHost: ${NAME}\\r\\nConnection: close\\r\\n\\r\\n'; sleep 0.2) | nc 127.0.0.1 80`,
    );
    expect(plain).toMatch(/^HTTP\/1\.1 308 /);
    expect(plain).toContain(`Location: https://${NAME}/graphql?a=b`);
    const answer = await get('/readyz');
    expect([answer.status, answer.headers.get('strict-transport-security')]).toEqual([
      200,
      'max-age=31536000',
    ]);
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
    await machine.must('/etc/periodic/weekly/quantix-certificate');
    expect(await fingerprint()).toBe(before);
    await machine.must(`cd /tmp && openssl req -new -key /etc/quantix-vdc/tls/server.key -subj /CN=old -out old.csr &&
      openssl x509 -req -days 20 -in old.csr -CA /etc/quantix-vdc/tls/ca.crt -CAkey /etc/quantix-vdc/tls/ca.key -set_serial 7 -out /etc/quantix-vdc/tls/server.crt`);
    await machine.must('/etc/periodic/weekly/quantix-certificate');
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

  it('stops in good order, and is waited for when it starts', async () => {
    await machine.must('rc-service quantix-controlplane stop');
    expect(programLog().trim().split('\n').at(-1)).toContain('"msg":"stopped"');
    expect((await machine.run('rc-service quantix-controlplane status')).output).toContain(
      'stopped',
    );
    const away = await get('/graphql', { method: 'POST', body: '{}' });
    expect([away.status, await away.json()]).toMatchObject([
      503,
      { errors: [{ extensions: { code: 'UNAVAILABLE' } }] },
    ]);
    expect(await machine.must('rc-service quantix-controlplane start')).toContain(
      'Waiting until it serves ... [ ok ]',
    );
    expect((await get('/readyz')).status).toBe(200);
  });
});
