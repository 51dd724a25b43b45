/**
 * What the response cache is worth: one query, answered from the cache, executed, and as plain text by node:http, in one run.
 * Compare the rows of a run, never runs. `npm run build && node bench/response-cache.mjs [seconds for each row]`
 */
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const QUERY = `{
  virtualMachines(first: 50) {
    totalCount
    nodes { id name powerState labels hypervisorNode { hostname } cluster { name } project { name } volumes(first: 10) { nodes { name sizeBytes } } }
  }
}`;
const CONNECTIONS = 16;

if (isMainThread) await measure(Number(process.argv[2] ?? 2));
else parentPort.postMessage(await load(workerData));

async function measure(seconds) {
  const [{ createApp }, { defaultConfig }, { createLogger }, { seedDemo, hashDemoPasswords }] =
    await Promise.all([
      import('../build/app.js'),
      import('../build/config/load.js'),
      import('../build/log.js'),
      import('../build/cli/demo/seed.js'),
    ]);
  const server = { port: 0, host: '127.0.0.1' };
  const app = await createApp(defaultConfig({ mode: 'dev', server }), {
    log: createLogger({ level: 'silent' }),
  });
  await seedDemo(app.services.data, { now: new Date(), hashes: await hashDemoPasswords() });
  const { url } = await app.start();
  const api = `${url}/graphql`;
  const login = `mutation { login(input: { username: "admin", password: "admin-demo" }) { ... on LoginPayload { token } } }`;
  const post = async (query, headers = {}) => {
    const body = JSON.stringify({ query });
    const type = { 'content-type': 'application/json' };
    return (await fetch(api, { method: 'POST', body, headers: { ...type, ...headers } })).text();
  };
  const { token } = JSON.parse(await post(login)).data.login;
  const authorization = `Bearer ${token}`;
  const text = await post(QUERY, { authorization });
  const plain = createServer((request, response) => {
    request.resume().on('end', () => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(text);
    });
  });
  await new Promise((resolve) => plain.listen(0, '127.0.0.1', resolve));

  const rows = [
    ['node:http, the same text', `http://127.0.0.1:${plain.address().port}/`, {}],
    ['hit', api, {}],
    ['executed (no-store)', api, { 'cache-control': 'no-store' }],
    ['executed and kept (no-cache)', api, { 'cache-control': 'no-cache' }],
  ];
  const results = [];
  for (const [name, target, headers] of rows) {
    const task = { target, headers: { authorization, ...headers }, seconds };
    await inWorker({ ...task, seconds: seconds / 4 }); // warm
    results.push({ name, ...(await inWorker(task)) });
  }
  const [raw, , executed] = results;
  console.log(`${text.length} bytes, ${CONNECTIONS} connections, ${seconds} s each`);
  console.table(
    Object.fromEntries(
      results.map(({ name, perSecond, p50, p99 }) => [
        name,
        {
          'requests/s': Math.round(perSecond),
          'p50 ms': p50,
          'p99 ms': p99,
          'of node:http': round(perSecond / raw.perSecond),
          'times executed': round(perSecond / executed.perSecond),
        },
      ]),
    ),
  );
  plain.close();
  plain.closeAllConnections();
  await app.stop();
}

function round(value) {
  return Math.round(value * 100) / 100;
}

/** Away from the server's thread: its work is what is measured. */
function inWorker(task) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: task });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

async function load({ target, headers, seconds }) {
  const { Agent, request } = await import('node:http');
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const body = JSON.stringify({ query: QUERY });
  const options = {
    method: 'POST',
    agent,
    headers: { 'content-type': 'application/json', 'content-length': body.length, ...headers },
  };
  const once = () =>
    new Promise((resolve, reject) => {
      const sent = request(target, options, (response) => {
        if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`));
        response.resume().on('end', resolve);
      });
      sent.on('error', reject).end(body);
    });
  const times = [];
  const begin = performance.now();
  const end = begin + seconds * 1000;
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      while (performance.now() < end) {
        const start = performance.now();
        await once();
        times.push(performance.now() - start);
      }
    }),
  );
  const elapsed = (performance.now() - begin) / 1000;
  agent.destroy();
  times.sort((a, b) => a - b);
  const at = (part) => round(times[Math.floor(times.length * part)] ?? 0);
  return { perSecond: times.length / elapsed, p50: at(0.5), p99: at(0.99) };
}
