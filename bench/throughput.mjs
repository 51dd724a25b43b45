/**
 * What the API costs: a cached read, an uncached read and a mutation, on one and on two instances of the built program with real
 * PostgreSQL, etcd and Redis, beside the least that could do the same. Compare the rows of a run, never runs.
 * `npm run build && node bench/throughput.mjs [--seconds 2] [--only mutation] [--profile FOLDER]`
 */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import { circumstances, cpuSeconds, round } from './support/figures.mjs';
import { CONNECTIONS, load } from './support/load.mjs';
import { keptFolder, run } from './support/processes.mjs';
import { withSite } from './support/site.mjs';

const QUERY = `{
  virtualMachines(first: 50) {
    nodes { id name powerState description hypervisorNode { hostname } project { name } }
  }
}`;
const QUERY_SQL = `SELECT vm.id, vm.name, vm.power_state, vm.description, node.hostname, project.name AS project
  FROM virtual_machines vm JOIN projects project ON project.id = vm.project_id LEFT JOIN nodes node ON node.id = vm.node_id
  WHERE vm.deleted_at IS NULL ORDER BY vm.name, vm.id LIMIT 50`;
const MUTATION = `mutation ($id: ID!, $text: String!) {
  updateVirtualMachine(input: { id: $id, description: $text }) { __typename }
}`;
const WRITE_SQL = [
  'SELECT * FROM virtual_machines WHERE id = $1',
  'UPDATE virtual_machines SET description = $2, version = version + 1 WHERE id = $1',
  `INSERT INTO audit_log (id, username, action, resource_type, resource_id, resource_name, details)
   VALUES (gen_random_uuid(), 'bench', 'bench', 'VirtualMachine', $1, '', '{}')`,
];
const FLOOR = fileURLToPath(new URL('./support/floor.mjs', import.meta.url));

const { values: options } = parseArgs({
  options: {
    /** For each row. */
    seconds: { type: 'string', default: '2' },
    /** A part of the names of rows. */
    only: { type: 'string', default: '' },
    /** Where the instances are to leave their processor profiles. */
    profile: { type: 'string' },
  },
});
const seconds = Number(options.seconds);
const about = circumstances();
const nodeArgs = options.profile
  ? ['--cpu-prof', `--cpu-prof-dir=${resolve(options.profile)}`]
  : [];
await withSite(measure, { nodeArgs });

async function measure({ servers, start }) {
  const [one, two] = [await start(), await start()];
  const token = await one.login();
  const machines = (await one.ask('{ virtualMachines(first: 200) { nodes { id } } }', {}, token))
    .virtualMachines.nodes;
  const read = JSON.stringify({ query: QUERY });
  // Each connection has machines of its own, so that nobody waits for anybody's lock; each text is another one.
  const writes = Array.from({ length: CONNECTIONS }, (_, i) => {
    const own = machines.filter((_machine, index) => index % CONNECTIONS === i);
    return Array.from({ length: 200 }, (_, turn) => {
      const { id } = own[turn % own.length];
      const text = `${i} ${turn} ${Math.random()}`;
      return JSON.stringify({ query: MUTATION, variables: { id, text } });
    });
  });
  const headers = { authorization: `Bearer ${token}` };
  const uncached = { ...headers, 'cache-control': 'no-store' };
  const floor = await startFloor(
    servers,
    JSON.stringify({ data: await one.ask(QUERY, {}, token) }),
  );
  const uuids = machines.map(({ id }) => uuidOf(id));
  const statements = Array.from({ length: CONNECTIONS }, (_, i) =>
    WRITE_SQL.map((text, step) => [text, step === 1 ? [uuids[i], `${Math.random()}`] : [uuids[i]]]),
  );
  const both = [one.url, two.url];
  const database = servers.postgres;
  const rows = [
    ['node:http + Redis GET', 'hit', { targets: [floor.url], bodies: [['{}']], headers }],
    ['pg, one SELECT', 'read', { database, statements: [[[QUERY_SQL, []]]] }],
    ['pg, a transaction of three', 'write', { database, statements }],
    ['cached, 1 instance', 'hit', { targets: [one.url], bodies: [[read]], headers }],
    ['cached, 2 instances', 'hit', { targets: both, bodies: [[read]], headers }],
    ['uncached, 1 instance', 'read', { targets: [one.url], bodies: [[read]], headers: uncached }],
    ['uncached, 2 instances', 'read', { targets: both, bodies: [[read]], headers: uncached }],
    ['mutation, 1 instance', 'write', { targets: [one.url], bodies: writes, headers }],
    ['mutation, 2 instances', 'write', { targets: both, bodies: writes, headers }],
  ];
  const count = await counter(servers, [one, two]);
  const floors = {};
  const table = {};
  const costs = {};
  for (const [name, kind, task] of rows.filter(([name]) => name.includes(options.only))) {
    await load({ ...task, seconds: seconds / 4 }); // warm
    const served = task.database ? [] : [floor, one, two].map(({ pid }) => pid);
    const before = { ...(await count()), cpu: cpuSeconds(served) };
    const result = await load({ ...task, seconds });
    const after = { ...(await count()), cpu: cpuSeconds(served) };
    // Of raw SQL the load itself is the program.
    const cpu = (task.database ? result.cpuSeconds : after.cpu - before.cpu) / result.count;
    floors[kind] ??= { perSecond: result.perSecond, cpu };
    table[name] = {
      'requests/s': Math.round(result.perSecond),
      'p50 ms': result.p50,
      'p99 ms': result.p99,
      'of its floor': round(result.perSecond / floors[kind].perSecond, 3),
      'CPU ms': round(cpu * 1000),
      'times its floor': round(cpu / floors[kind].cpu, 1),
    };
    if (name.endsWith('1 instance'))
      costs[name] = Object.fromEntries(
        Object.keys(after)
          .filter((key) => key !== 'cpu')
          .map((key) => [key, round((after[key] - before[key]) / result.count)]),
      );
  }
  console.log(`${about}; ${CONNECTIONS} connections, ${seconds} s each`);
  console.table(table);
  console.log('For each request (with what the instances do by themselves):');
  console.table(costs);
  if (options.profile) for (const instance of [one, two]) await instance.stop();
  await floor.end();
  await count.end();
}

async function startFloor({ redis }, text) {
  const client = new Redis(redis);
  await client.set('bench:floor', text);
  client.disconnect();
  const folder = keptFolder('SIGKILL');
  let url;
  const child = await run(folder, process.execPath, [FLOOR], {
    env: { REDIS: JSON.stringify(redis) },
    onLine(line) {
      if (line.includes('"serving"')) url = JSON.parse(line).url;
    },
    async ready() {
      if (!url) throw new Error('it does not serve yet');
    },
  });
  return { url, pid: child.pid, end: folder.end };
}

/** What the servers were asked so far. */
async function counter({ redis, etcd }, instances) {
  const client = new Redis(redis);
  const count = async () => {
    const said = await client.info('commandstats');
    const calls = [...said.matchAll(/^cmdstat_(\w+)\S*:calls=(\d+)/gm)];
    const text = await (await fetch(new URL('/metrics', etcd))).text();
    const rpcs = [...text.matchAll(/^grpc_server_handled_total\{.*grpc_method="Txn".* (\d+)$/gm)];
    const statements = await Promise.all(
      instances.map((instance) => instance.figure('quantix_sql_statement_seconds_count')),
    );
    const sum = (numbers) => numbers.reduce((total, each) => total + Number(each), 0);
    return {
      'Redis commands': sum(
        calls
          .filter(([, name]) => !['info', 'incr', 'pttl', 'pexpire'].includes(name))
          .map((m) => m[2]),
      ), // those inside of scripts are none of the network's
      'etcd transactions': sum(rpcs.map((m) => m[1])),
      'SQL statements': sum(statements),
    };
  };
  return Object.assign(count, { end: () => client.disconnect() });
}

/** A public id is the type and the UUID, in base64url. */
function uuidOf(id) {
  const [uuid] = /[0-9a-f-]{36}/.exec(Buffer.from(id, 'base64url').toString()) ?? [];
  if (!uuid) throw new Error(`no UUID in ${id}`);
  return uuid;
}
