/**
 * The other side: as many connections as are asked for, each with one request at a time, in a process of its own so that it takes
 * nothing of what is measured but processor time. One task is sent to it, one result comes back.
 */
import { fork } from 'node:child_process';
import { Agent, request } from 'node:http';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { quantile, round } from './figures.mjs';

export const CONNECTIONS = 16;
const SELF = fileURLToPath(import.meta.url);

/**
 * @param task `seconds`, and one of
 * - `targets`: URLs, taken in turn by the connections; `bodies`: a list for each connection, sent in turn; `headers`
 * - `database`: how to connect; `statements`: lists of [text, values] for each connection, each list one transaction
 * @returns requests a second, the latency in milliseconds, and the seconds of processor time that the load itself took
 */
export function load(task) {
  return new Promise((resolve, reject) => {
    const child = fork(SELF, ['run']);
    child.once('message', (result) => {
      child.disconnect();
      if (result.error) reject(new Error(result.error));
      else resolve(result);
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the load ended with ${code}`)));
    child.send(task);
  });
}

if (process.argv[2] === 'run' && process.argv[1] === SELF)
  process.once('message', (task) => {
    perform(task).then(
      (result) => process.send(result),
      (error) => process.send({ error: String(error.stack) }),
    );
  });

async function perform({ seconds, ...task }) {
  const clients = task.database ? await sqlClients(task) : httpClients(task);
  const times = [];
  const before = process.cpuUsage();
  const begin = performance.now();
  const end = begin + seconds * 1000;
  await Promise.all(
    clients.map(async ({ once }) => {
      for (let turn = 0; performance.now() < end; turn += 1) {
        const start = performance.now();
        await once(turn);
        times.push(performance.now() - start);
      }
    }),
  );
  const elapsed = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(before);
  for (const { close } of clients) await close();
  times.sort((a, b) => a - b);
  return {
    count: times.length,
    cpuSeconds: (user + system) / 1e6,
    perSecond: times.length / elapsed,
    p50: round(quantile(times, 0.5)),
    p99: round(quantile(times, 0.99)),
  };
}

function httpClients({ targets, bodies, headers }) {
  return Array.from({ length: CONNECTIONS }, (_, i) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const own = bodies[i % bodies.length];
    const target = targets[i % targets.length];
    return {
      close: () => agent.destroy(),
      once: (turn) => post(target, agent, headers, own[turn % own.length]),
    };
  });
}

/** Rejects for every answer that is not the good one. */
function post(target, agent, headers, body) {
  return new Promise((resolve, reject) => {
    const options = {
      method: 'POST',
      agent,
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        ...headers,
      },
    };
    const sent = request(target, options, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const good = response.statusCode === 200 && !/"errors":|"\w+Error"/.test(text);
        if (good) resolve();
        else reject(new Error(`${response.statusCode}: ${text.slice(0, 500)}`));
      });
    });
    sent.on('error', reject).end(body);
  });
}

function sqlClients({ database, statements }) {
  return Promise.all(
    Array.from({ length: CONNECTIONS }, async (_, i) => {
      const client = new pg.Client(database);
      await client.connect();
      const own = statements[i % statements.length];
      return {
        close: () => client.end(),
        async once() {
          if (own.length > 1) await client.query('BEGIN');
          for (const [text, values] of own)
            await client.query({ name: text.slice(0, 60), text, values });
          if (own.length > 1) await client.query('COMMIT');
        },
      };
    }),
  );
}
