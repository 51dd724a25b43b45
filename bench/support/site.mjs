/** What a bench measures: instances of the built program, on private servers and the demo datacenter. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { keptFolder, run } from './processes.mjs';
import { startServers } from './servers.mjs';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** Counted as ever, and nobody is refused. */
const MANY = 10_000_000;
const LIMITS = {
  requests_per_minute_address: MANY,
  requests_per_minute_principal: MANY,
  cost_per_minute_principal: 100 * MANY,
  subscriptions_per_principal: 1_000_000,
};

/**
 * Calls `work` with the site, and takes everything down afterwards, whatever happened.
 * @param fill called with the open database before anything is served
 * @param nodeArgs for the processes, e.g. ['--cpu-prof']
 */
export async function withSite(work, { fill = async () => {}, nodeArgs = [] } = {}) {
  const servers = await startServers();
  const folders = [];
  try {
    await seed(servers, fill);
    const jwt = randomBytes(32).toString('base64url');
    const start = async () => {
      const folder = keptFolder('SIGKILL');
      folders.push(folder);
      return startInstance(folder, servers, jwt, nodeArgs);
    };
    return await work({ servers, start });
  } finally {
    for (const folder of folders) await folder.end();
    await servers.end();
  }
}

async function seed({ postgres }, fill) {
  const [{ openData }, { defaultConfig }, { createLogger }, { seedDemo, hashDemoPasswords }] =
    await Promise.all([
      import('../../build/data/open.js'),
      import('../../build/config/load.js'),
      import('../../build/log.js'),
      import('../../build/cli/demo/seed.js'),
    ]);
  const config = defaultConfig({ mode: 'production', database: postgres });
  const data = await openData(config, createLogger({ level: 'silent' }));
  try {
    await seedDemo(data, { now: new Date(), hashes: await hashDemoPasswords() });
    await fill(data);
    await data.db.$executeRawUnsafe('ANALYZE');
  } finally {
    await data.close();
  }
}

/** `stop` ends it in good order, as is needed for a profile. */
async function startInstance(folder, { postgres, etcd, redis }, jwt, nodeArgs) {
  const config = {
    server: { port: 0 },
    database: { ...postgres, fallback: 'refuse' },
    etcd: { endpoints: [etcd] },
    redis,
    auth: { jwt_secret_file: 'jwt' },
    limits: LIMITS,
    log: { level: 'info' },
  };
  writeFileSync(join(folder.path, 'jwt'), jwt, { mode: 0o600 });
  writeFileSync(join(folder.path, 'config.yaml'), JSON.stringify(config), { mode: 0o600 });
  let url;
  const args = [...nodeArgs, MAIN, 'serve', '--config', 'config.yaml'];
  const child = await run(folder, process.execPath, args, {
    onLine(line) {
      if (!url && line.includes('"serving"')) url = JSON.parse(line).url;
    },
    async ready() {
      if (!url) throw new Error('it does not serve yet');
      const answer = await fetch(new URL('/readyz', url));
      if (answer.status !== 200) throw new Error(`not ready: ${await answer.text()}`);
    },
  });
  return {
    url,
    pid: child.pid,
    ask: (query, variables, token) => ask(url, query, variables, token),
    login: () => login(url),
    /** The sum of all values of a metric. */
    async figure(name) {
      const text = await (await fetch(new URL('/metrics', url))).text();
      const values = text.match(new RegExp(`^${name}(\\{[^}]*\\})? [0-9.e+]+$`, 'gm')) ?? [];
      return values.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    },
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** The data of the answer. */
export async function ask(url, query, variables, token) {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}

/** The token of the demo's administrator. */
async function login(url) {
  const query = `mutation { login(input: { username: "admin", password: "admin-demo" }) { ... on LoginPayload { token } } }`;
  return (await ask(url, query)).login.token;
}
