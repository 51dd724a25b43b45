/** Real Redis servers for tests: a password, no persistence. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LOOPBACK } from './ports.js';
import { provide, REDIS } from './provide.js';
import { exchange, type ServerHandle, startServer } from './server.js';

export interface RedisHandle extends ServerHandle {
  readonly password: string;
}

export interface RedisOptions {
  /** Directives as in redis.conf; they win over all others. */
  readonly settings?: Readonly<Record<string, string>>;
}

function bulk(...words: string[]): string {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return `*${words.length}\r\n${parts.join('')}`;
}

/** Starts a private server. It comes back empty from `restart`, as one without persistence does. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisHandle> {
  const programs = await provide(REDIS);
  const password = `${randomBytes(12).toString('hex')}@/:%#`;
  const handle = await startServer({
    name: 'Redis',
    ports: 1,
    abortSignal: 'SIGTERM',
    async prepare(folder, [port]) {
      // In a file, because everybody on the machine can read the arguments of a process.
      const directives = {
        bind: LOOPBACK,
        port: String(port),
        dir: folder,
        save: '""',
        appendonly: 'no',
        requirepass: `"${password}"`,
        ...options.settings,
      };
      const lines = Object.entries(directives).map(([key, value]) => `${key} ${value}\n`);
      await writeFile(join(folder, 'redis.conf'), lines.join(''), { mode: 0o600 });
    },
    command: (folder) => ({
      program: join(programs, 'redis-server'),
      args: [join(folder, 'redis.conf')],
      stopSignal: 'SIGTERM',
    }),
    probe: (port) => exchange(port, bulk('AUTH', password) + bulk('PING'), '+PONG'),
  });
  return Object.assign(handle, { password });
}
