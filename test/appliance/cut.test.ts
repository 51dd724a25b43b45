/** The first boot, cut off everywhere: killed between any two things that it does, and run again each time. */
import { appendFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { digests, inOrder } from '../support/appliance/looks.js';
import { Machine, SERVICES } from '../support/appliance/machine.js';

vi.setConfig({ testTimeout: 240_000 });

const FIRSTBOOT = '/usr/lib/quantix-vdc-appliance/firstboot.sh';
/** What lasts of a step is done by these. */
const TOOLS = ['mv', 'su', 'rc-service'];
/**
 * Stands before a tool. The first time that it is used for something, it kills the whole run instead of doing it;
 * questions, which change nothing, pass. What comes before one use is what comes after the last: so every gap is hit.
 */
const SHIM = `#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
input=
case "$0 $*" in */su*psql*) input=$(cat) ;; esac
use="\${0##*/} $* $input"
case $use in
  *"SELECT 1 FROM"* | *SHOW*) ;;
  *)
    # One of those that are made alike, and are of no other use to what follows, will do.
    case $use in
      *first-password* | *quantix-vdc/config.yaml*) ;;
      */secrets/*) use=secret ;;
      */tls/*.key*) use=key ;;
      *conf.d/*) use=setting ;;
      mv*quantix.yml | mv*redis-quantix.conf | mv*nginx/quantix.conf) use=server ;;
      mv*/quantix.d/* | mv*quantix-hba.conf) use=access ;;
      mv*pg_hba.conf* | mv*pg_ident.conf* | mv*data/postgresql.conf*) use=moved ;;
      rc-service*) use=restart ;;
      *"CREATE ROLE"*) use=role ;;
      *REVOKE* | *"ALTER SCHEMA"*) use=again ;;
    esac
    key=$(echo "$use" | sha256sum)
    if ! grep -qF "$key" /var/cut/seen; then
      echo "$key" >>/var/cut/seen
      kill -9 "-$(cat /var/cut/group)"
    fi
    ;;
esac
if [ -n "$input" ]; then
  echo "$input" | "\${0##*/}" "$@"
else
  exec "\${0##*/}" "$@"
fi
`;

let machine: Machine;

beforeAll(async () => {
  // PostgreSQL's own service has not run: the first boot makes the cluster.
  machine = await Machine.create([]);
  const settings = 'tls_names="vdc.example.org 203.0.113.10"\npg_loopback_auth="trust"\n';
  await appendFile(machine.path('/etc/conf.d/quantix-firstboot'), settings);
  await machine.boot();
  await machine.must('mkdir /var/cut && touch /var/cut/seen');
  await writeFile(machine.path('/var/cut/shim'), SHIM, { mode: 0o755 });
  for (const tool of TOOLS) await machine.must(`ln -s /var/cut/shim /usr/local/sbin/${tool}`);
});
afterAll(() => machine?.dispose());

const firstboot = () => machine.run(`setsid sh -c 'echo $$ >/var/cut/group; exec ${FIRSTBOOT}'`);
const made = (text: string) => text.match(/^first boot: (made|wrote) .*$/gm) ?? [];

it('ends as one that was never cut, although it was killed before each thing that it did', async () => {
  let said = '';
  let cuts = 0;
  for (; !said.includes('first boot: complete'); cuts += 1) {
    const { code, output } = await firstboot();
    said += output;
    if (output.includes('complete')) break;
    expect(code, said).toBe(null); // by a signal, ours: it never fails by itself
    expect(cuts, said).toBeLessThan(100);
  }
  expect(cuts).toBeGreaterThan(15);
  await machine.must('rm /usr/local/sbin/mv /usr/local/sbin/su /usr/local/sbin/rc-service');
  // each thing was made once and kept, whatever came between; a draft cluster is the one thing that is made anew
  expect(new Set(made(said)).size, said).toBe(made(said).length);

  expect(await machine.must(FIRSTBOOT)).toBe('first boot: complete\n');
  expect(await machine.must('find / -xdev -name "*.firstboot"')).toBe('');
  expect(await machine.sql('SELECT username, role FROM users')).toBe('admin|ADMIN\n');
  expect(await machine.sql("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'quantix%'")).toBe(
    '3\n',
  );
});

it('comes up again after a power cut, as it was and by itself', async () => {
  const was = async () => [
    digests(machine.path('/etc')),
    await machine.sql('SELECT rolname, rolpassword FROM pg_authid ORDER BY 1'),
    await machine.sql('SELECT id, password_hash, updated_at FROM users'),
  ];
  for (const service of SERVICES) await machine.must(`rc-update add ${service} default`);
  const before = await was();
  await machine.powerCut();
  await machine.boot();
  inOrder(machine.log, [
    'Starting PostgreSQL',
    'Starting etcd',
    'Starting redis',
    'First boot was done at 20',
    'Waiting until it serves ... [ ok ]',
    'Starting nginx ... [ ok ]',
  ]);
  expect(machine.log).not.toMatch(/ERROR|first boot:|Making a cluster/);
  expect(await was()).toEqual(before);
});

it('has shown the password, which is the one that counts', async () => {
  const shown = [...machine.console.matchAll(/^ {4}password {2}(\S{20})$/gm)].map(([, one]) => one);
  expect(new Set(shown).size).toBe(1);
  const login = JSON.stringify({
    query: `mutation { login(input: { username: "admin", password: "${shown[0]}" }) { __typename } }`,
  });
  const post = `wget -q -O - --header 'content-type: application/json' --post-data '${login}' http://127.0.0.1:8080/graphql`;
  expect(await machine.must(post)).toContain('"LoginPayload"');
});

it('went by its settings: names for the certificate, and trust on the loopback interface', async () => {
  const names = await machine.must(
    'openssl x509 -noout -ext subjectAltName -in /etc/quantix-vdc/tls/server.crt',
  );
  expect(names).toContain('DNS:vdc.example.org');
  expect(names).toContain('IP Address:203.0.113.10');
  const as = (role: string) =>
    machine.run(`psql -XqAtw -h 127.0.0.1 -U ${role} -d quantix_vdc -c "SELECT 1"`);
  expect((await as('quantix')).output).toBe('1\n');
  expect((await as('postgres')).output).toContain('rejects connection');
});

it('refuses to run beside another one', async () => {
  const { code, output } = await machine.run(
    `mkdir -p /run/quantix-firstboot; exec 8>/run/quantix-firstboot/lock; flock 8; ${FIRSTBOOT} 8>&-; exit $?`,
  );
  expect([code, output]).toEqual([1, 'first boot: another run is at work\n']);
});
