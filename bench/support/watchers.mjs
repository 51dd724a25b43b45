/** A crowd in a process of its own: agents that report, and subscribers (server-sent events) that note when they heard of it. */
import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { quantile } from './figures.mjs';

const SELF = fileURLToPath(import.meta.url);
const SUBSCRIPTION = `subscription ($nodeIds: [ID!]!, $intervalMs: Int!) {
  nodeMetrics(nodeIds: $nodeIds, intervalMs: $intervalMs) {
    hypervisorNodeId metrics { sampledAt cpuPercent memoryUsedMib loadAverage1m }
  }
}`;
const REPORT = `mutation ($input: ReportNodeInput!) {
  reportNode(input: $input) { __typename ... on ReportNodePayload { accepted } ... on UserError { code message } }
}`;
const METRICS = {
  ...{ memoryUsedMib: 2048, memoryTotalMib: 65_536, diskUsedGib: 10, diskTotalGib: 100 },
  ...{ diskReadBytesPerSecond: 1, diskWriteBytesPerSecond: 2, networkReceiveBytesPerSecond: 3 },
  ...{ networkTransmitBytesPerSecond: 4, loadAverage1m: 0.5, uptimeSeconds: 60 },
};

/**
 * @param task `url`, `token` of the subscribers, `nodes` ({ id, token }), `reportMs` between two reports of a node, `subscribers`,
 * `each`: nodes that one of them watches, `intervalMs` of the subscription
 * @returns `all`: resolves when every subscriber has had an event; `count(ms)`: what is heard from now on, for so long; `end`
 */
export function watchers(task) {
  const child = fork(SELF, ['run']);
  const said = (kind) =>
    new Promise((resolve, reject) => {
      child.on('message', (message) => {
        if (message.error) reject(new Error(message.error));
        else if (message.kind === kind) resolve(message);
      });
      child.once('exit', (code) => reject(new Error(`the crowd ended with ${code}`)));
    });
  child.send(task);
  return {
    all: said('all'),
    count(ms) {
      child.send({ count: ms });
      return said('counted');
    },
    end() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL'); // as clients go whose machine is switched off
      return ended;
    },
  };
}

if (process.argv[2] === 'run' && process.argv[1] === SELF) {
  const fail = (error) => process.send({ error: String(error.stack) });
  process.once('disconnect', () => process.exit());
  process.once('message', (task) => {
    const crowd = begin(task, fail);
    process.on('message', ({ count }) => crowd.count(count).catch(fail));
    crowd.all.then(() => process.send({ kind: 'all' }), fail);
  });
}

function begin(task, fail) {
  const { nodes, subscribers, each } = task;
  let figures = null;
  let waiting = subscribers;
  let everybody;
  const all = new Promise((resolve) => {
    everybody = resolve;
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  nodes.forEach((node, i) => {
    report(task, agent, node, (i * task.reportMs) / nodes.length, (ms) =>
      figures?.reports.push(ms),
    ).catch(fail);
  });
  for (let i = 0; i < subscribers; i += 1) {
    const nodeIds = Array.from({ length: each }, (_, k) => nodes[(i * each + k) % nodes.length].id);
    let first = true;
    subscribe(task, nodeIds, fail, (events) => {
      const now = Date.now();
      if (first && --waiting === 0) everybody();
      first = false;
      if (!figures) return;
      figures.events += 1;
      for (const { metrics } of events) figures.latencies.push(now - Date.parse(metrics.sampledAt));
    });
  }
  return {
    all,
    async count(ms) {
      figures = { events: 0, latencies: [], reports: [] };
      await sleep(ms);
      const { events, latencies, reports } = figures;
      figures = null;
      const times = (list) => {
        list.sort((a, b) => a - b);
        return { count: list.length, p50: quantile(list, 0.5), p99: quantile(list, 0.99) };
      };
      process.send({ kind: 'counted', events, samples: times(latencies), reports: times(reports) });
    },
  };
}

async function report({ url, reportMs }, agent, { id, token }, offsetMs, done) {
  const agentInstance = randomUUID();
  let next = performance.now() + offsetMs;
  for (let sequence = 1; ; sequence += 1) {
    await sleep(Math.max(0, next - performance.now()));
    next += reportMs;
    const start = performance.now();
    const metrics = { ...METRICS, cpuPercent: sequence % 100, sampledAt: new Date().toISOString() };
    const input = { nodeId: id, agentInstance, sequence, metrics, virtualMachines: [] };
    const body = JSON.stringify({ query: REPORT, variables: { input } });
    await new Promise((resolve, reject) => {
      post(url, { agent, token }, body, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part) => {
          text += part;
        });
        response.on('end', () =>
          text.includes('"accepted":true') ? resolve() : reject(new Error(text)),
        );
      }).on('error', reject);
    });
    done(performance.now() - start);
  }
}

function subscribe({ url, token, intervalMs }, nodeIds, fail, onEvents) {
  const body = JSON.stringify({ query: SUBSCRIPTION, variables: { nodeIds, intervalMs } });
  post(url, { agent: false, token, accept: 'text/event-stream' }, body, (response) => {
    let rest = '';
    response.setEncoding('utf8').on('data', (part) => {
      const lines = (rest + part).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        if (!line.startsWith('data: {')) continue;
        const { data } = JSON.parse(line.slice(6));
        if (!data) return fail(new Error(line));
        onEvents(data.nodeMetrics);
      }
    });
    response.on('end', () =>
      fail(new Error(`a subscription ended: ${response.statusCode} ${rest}`)),
    );
  }).on('error', fail);
}

function post(url, { agent, token, accept = 'application/json' }, body, onResponse) {
  const headers = {
    ...{ accept, authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    'content-length': Buffer.byteLength(body),
  };
  return request(url, { method: 'POST', agent, headers }, onResponse).end(body);
}
