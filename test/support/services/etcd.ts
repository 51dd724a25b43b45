/** Real etcd servers for tests: one member, its data in a temporary folder. */
import { basename, join } from 'node:path';
import { LOOPBACK } from './ports.js';
import { ETCD, provide } from './provide.js';
import { type ServerHandle, startServer } from './server.js';

export interface EtcdOptions {
  /** Flags for the program; they win over all others. */
  readonly flags?: Readonly<Record<string, string>>;
  /** A further URL for clients, e.g. one with https; tests themselves ask at the first one. */
  readonly alsoListen?: string;
}

async function post(port: number, path: string): Promise<string> {
  const response = await fetch(`http://${LOOPBACK}:${port}${path}`, { method: 'POST', body: '{}' });
  return response.text();
}

/** Starts a private single-member cluster without authentication. */
export async function startEtcd(options: EtcdOptions = {}): Promise<ServerHandle> {
  const programs = await provide(ETCD);
  return startServer({
    name: 'etcd',
    ports: 2,
    abortSignal: 'SIGTERM',
    async prepare() {
      // It makes its data folder itself.
    },
    command(folder, [clientPort, peerPort]) {
      const client = `http://${LOOPBACK}:${clientPort}`;
      const peer = `http://${LOOPBACK}:${peerPort}`;
      const flags = {
        name: basename(folder),
        'data-dir': join(folder, 'data'),
        'listen-client-urls': [client, options.alsoListen ?? []].flat().join(','),
        'advertise-client-urls': client,
        'listen-peer-urls': peer,
        'initial-advertise-peer-urls': peer,
        'initial-cluster': `${basename(folder)}=${peer}`,
        ...options.flags,
      };
      return {
        program: join(programs, 'etcd'),
        args: Object.entries(flags).map(([key, value]) => `--${key}=${value}`),
        stopSignal: 'SIGTERM',
      };
    },
    async probe(port, folder) {
      const member = await post(port, '/v3/cluster/member/list');
      if (!member.includes(basename(folder))) throw new Error(`not our member: ${member}`);
      // Healthy means that it has a leader, itself, and that an entry was committed.
      const health = await (await fetch(`http://${LOOPBACK}:${port}/health`)).text();
      if (!health.includes('"health":"true"')) throw new Error(`not healthy: ${health}`);
    },
  });
}
