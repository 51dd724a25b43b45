/** Private PostgreSQL, etcd and Redis on loopback, at their defaults: what is written is on disk before it is acknowledged. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { accessSync, constants, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { freePort, keptFolder, run } from './processes.mjs';

const HOST = '127.0.0.1';

/** @returns their addresses, and `end` */
export async function startServers() {
  const started = await Promise.allSettled([startPostgres(), startEtcd(), startRedis()]);
  const end = () => Promise.all(started.map((one) => one.value?.end()));
  const failed = started.find((one) => one.status === 'rejected');
  if (failed) {
    await end();
    throw failed.reason;
  }
  const [postgres, etcd, redis] = started.map((one) => one.value.address);
  return { postgres, etcd, redis, end };
}

async function startPostgres() {
  const programs = find('postgres', postgresFolders());
  const account = serverAccount();
  const folder = keptFolder('SIGQUIT', account);
  try {
    const password = randomBytes(16).toString('hex');
    const secret = join(folder.path, 'password');
    writeFileSync(secret, password, { mode: 0o644 }); // its folder is closed to others
    const data = join(folder.path, 'data');
    const options = ['-D', data, '-U', 'quantix', '--auth=scram-sha-256', `--pwfile=${secret}`];
    execFileSync(join(programs, 'initdb'), [...options, '--encoding=UTF8', '--locale=C'], {
      cwd: folder.path,
      stdio: 'ignore',
      ...account,
    });
    const port = await freePort();
    const address = { host: HOST, port, user: 'quantix', password, database: 'postgres' };
    const settings = {
      listen_addresses: HOST,
      unix_socket_directories: '',
      max_connections: '200',
      dynamic_shared_memory_type: 'mmap',
    };
    const args = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]);
    await run(folder, join(programs, 'postgres'), ['-D', data, '-p', String(port), ...args], {
      account,
      async ready() {
        const client = new pg.Client(address);
        client.on('error', () => {});
        await client.connect();
        await client.end();
      },
    });
    return { address, end: folder.end };
  } catch (error) {
    await folder.end();
    throw error;
  }
}

async function startEtcd() {
  const folder = keptFolder('SIGTERM');
  try {
    const [client, peer] = [await freePort(), await freePort()].map((p) => `http://${HOST}:${p}`);
    const flags = {
      name: 'bench',
      'data-dir': join(folder.path, 'data'),
      'listen-client-urls': client,
      'advertise-client-urls': client,
      'listen-peer-urls': peer,
      'initial-advertise-peer-urls': peer,
      'initial-cluster': `bench=${peer}`,
      'log-level': 'error',
    };
    const args = Object.entries(flags).map(([key, value]) => `--${key}=${value}`);
    await run(folder, join(find('etcd'), 'etcd'), args, {
      async ready() {
        const health = await (await fetch(`${client}/health`)).text();
        if (!health.includes('"health":"true"')) throw new Error(health);
      },
    });
    return { address: client, end: folder.end };
  } catch (error) {
    await folder.end();
    throw error;
  }
}

async function startRedis() {
  const folder = keptFolder('SIGTERM');
  try {
    const port = await freePort();
    const password = randomBytes(16).toString('hex');
    const file = join(folder.path, 'redis.conf');
    const lines = [`bind ${HOST}`, `port ${port}`, `dir ${folder.path}`, 'save ""'];
    writeFileSync(file, [...lines, `requirepass ${password}`, ''].join('\n'), { mode: 0o600 });
    await run(folder, join(find('redis-server'), 'redis-server'), [file], {
      async ready() {
        const redis = new Redis({ host: HOST, port, password, lazyConnect: true });
        redis.on('error', () => {});
        try {
          await redis.connect();
          await redis.ping();
        } finally {
          redis.disconnect();
        }
      },
    });
    return { address: { host: HOST, port, password }, end: folder.end };
  } catch (error) {
    await folder.end();
    throw error;
  }
}

/** Debian keeps each major version of PostgreSQL apart. */
function postgresFolders() {
  const root = '/usr/lib/postgresql';
  try {
    const versions = readdirSync(root).filter((name) => /^\d+$/.test(name));
    return versions.sort((a, b) => b - a).map((version) => join(root, version, 'bin'));
  } catch {
    return [];
  }
}

function find(program, preferred = []) {
  const folders = [...preferred, ...process.env.PATH.split(delimiter), '/usr/bin', '/usr/sbin'];
  const folder = folders.find((path) => {
    try {
      accessSync(join(path, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (!folder) throw new Error(`${program} is not installed; \`npm test\` installs what it needs.`);
  return folder;
}

/** PostgreSQL refuses to run as root. */
function serverAccount() {
  if (process.getuid() !== 0) return undefined;
  const line = readFileSync('/etc/passwd', 'utf8').match(/^postgres:[^:]*:(\d+):(\d+):/m);
  if (!line)
    throw new Error('PostgreSQL does not run as root, and there is no account "postgres".');
  return { uid: Number(line[1]), gid: Number(line[2]) };
}
