/**
 * Live metrics at scale: a thousand subscribers over 200 nodes on one instance, each node reporting every few seconds. How long a
 * sample takes from its measurement to a subscriber, what the instance costs, and how often it reads samples from Redis.
 * `npm run build && node bench/subscribers.mjs [--subscribers 1000] [--seconds 10] [--report-ms 5000] [--profile FOLDER]`
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import { circumstances, cpuSeconds, round } from './support/figures.mjs';
import { withSite } from './support/site.mjs';
import { watchers } from './support/watchers.mjs';

const NODES = 200;
const { values: options } = parseArgs({
  options: {
    subscribers: { type: 'string', default: '1000' },
    /** For each row. */
    seconds: { type: 'string', default: '8' },
    /** Between two reports of a node. */
    'report-ms': { type: 'string', default: '5000' },
    /** Where the instance is to leave its processor profile. */
    profile: { type: 'string' },
  },
});
const subscribers = Number(options.subscribers);
const seconds = Number(options.seconds);
const reportMs = Number(options['report-ms']);
const about = circumstances();
const nodes = [];

const nodeArgs = options.profile
  ? ['--cpu-prof', `--cpu-prof-dir=${resolve(options.profile)}`]
  : [];
await withSite(measure, { nodeArgs, fill: addNodes });

/** Nodes with agents' tokens, beside those of the demo. */
async function addNodes(data) {
  const [{ newId, encodeGlobalId }, { newToken, hashToken }] = await Promise.all([
    import('../build/ids.js'),
    import('../build/core/tokens.js'),
  ]);
  const { id: clusterId } = await data.db.cluster.findFirst();
  const rows = Array.from({ length: NODES }, (_, i) => ({
    ...{
      id: newId(),
      hostname: `bench-${i}`,
      managementIp: '192.0.2.1',
      clusterId,
      phase: 'READY',
    },
    ...{
      lastHeartbeat: new Date(),
      allocatable: { vcpus: 64, memoryMib: 262_144, storageGib: 1000 },
    },
  }));
  await data.db.node.createMany({ data: rows });
  for (const { id } of rows)
    nodes.push({ uuid: id, id: encodeGlobalId('HypervisorNode', id), token: newToken('agent') });
  await data.db.apiToken.createMany({
    data: nodes.map(({ uuid, token }) => ({
      ...{ id: newId(), name: 'agent', nodeId: uuid, tokenHash: hashToken(token) },
    })),
  });
}

async function measure({ servers, start }) {
  const instance = await start();
  const token = await instance.login();
  const reads = await watchReads(servers.redis);
  const common = { url: instance.url, token, nodes, reportMs };
  const rows = [
    ['nobody watches', { subscribers: 1, each: 1, intervalMs: 60_000 }],
    ['1 node each, every 500 ms', { subscribers, each: 1, intervalMs: 500 }],
    ['10 nodes each, every 2 s', { subscribers, each: 10, intervalMs: 2_000 }],
    ['the first again', { subscribers, each: 1, intervalMs: 500 }],
  ];
  const table = {};
  for (const [name, task] of rows) {
    const crowd = watchers({ ...common, ...task });
    try {
      await crowd.all;
      await sleep(1_000); // what their coming cost is over
      const before = { cpu: cpuSeconds([instance.pid]), ...reads.count() };
      const { events, samples, reports } = await crowd.count(seconds * 1000);
      const after = { cpu: cpuSeconds([instance.pid]), ...reads.count() };
      const keys = after.keys - before.keys;
      table[name] = {
        'events/s': round(events / seconds, 0),
        'sample p50 ms': round(samples.p50, 0),
        'p99 ms': round(samples.p99, 0),
        'report p50 ms': round(reports.p50, 0),
        'CPU %': round(((after.cpu - before.cpu) / seconds) * 100, 0),
        'heap MiB': round(
          (await instance.figure('quantix_nodejs_heap_size_used_bytes')) / 2 ** 20,
          0,
        ),
        'RSS MiB': residentMib(instance.pid),
        'reports/s': round(reports.count / seconds, 1),
        'node reads/s': round(keys / seconds, 1),
        'MGET/s': round((after.trips - before.trips) / seconds, 1),
        'if each read': round(
          (task.subscribers * task.each * 1000) / Math.max(task.intervalMs, reportMs),
          0,
        ),
      };
    } finally {
      await crowd.end();
    }
  }
  console.log(`${about}; ${subscribers} subscribers, ${NODES} nodes, ${seconds} s each`);
  console.table(table);
  await sleep(3_000);
  const left = await instance.figure('quantix_subscribers');
  const idle = reads.count();
  await sleep(3_000);
  console.log(
    `After they have gone: ${left} subscriptions, ${reads.count().trips - idle.trips} reads in 3 s, ${residentMib(instance.pid)} MiB`,
  );
  reads.end();
  if (options.profile) await instance.stop();
}

/** Reads of samples as Redis sees them: how many commands, of how many nodes. */
async function watchReads(address) {
  const client = new Redis(address);
  client.on('error', () => {});
  const monitor = await client.monitor();
  monitor.on('error', () => {});
  let trips = 0;
  let keys = 0;
  monitor.on('monitor', (_time, [name, ...args]) => {
    const samples = args.filter((key) => key.startsWith('metrics:node:')).length;
    if (name.toLowerCase() !== 'mget' || samples === 0) return;
    trips += 1;
    keys += samples;
  });
  return {
    count: () => ({ trips, keys }),
    end() {
      monitor.disconnect();
      client.disconnect();
    },
  };
}

function residentMib(pid) {
  const [, kib] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return round(Number(kib) / 1024, 0);
}
