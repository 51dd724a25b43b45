/** The contract of the coordination port, for both adapters. */
import { afterAll, beforeAll } from 'vitest';
import type { Coordination, Instance } from '../../src/coordination/coordination.js';
import { openEtcdCoordination } from '../../src/coordination/etcd.js';
import { openInProcessCoordination } from '../../src/coordination/in-process.js';
import { newId } from '../../src/ids.js';
import { createLogger } from '../../src/log.js';
import { startEtcd } from '../support/services/etcd.js';
import type { ServerHandle } from '../support/services/server.js';
import { coordinationContract } from './coordination-contract.js';

const instance = (name: string): Instance => ({
  id: newId(),
  address: `${name}:8080`,
  version: '1.2.3',
  startedAt: new Date(),
});

coordinationContract('in-process', async () => {
  const only = openInProcessCoordination({ instance: instance('one') });
  return { one: only, other: only, close: () => only.close() };
});

let server: ServerHandle;
beforeAll(async () => {
  server = await startEtcd();
}, 120_000);
afterAll(() => server.dispose());

coordinationContract('etcd', async () => {
  const open = (name: string): Promise<Coordination> =>
    openEtcdCoordination(
      {
        endpoints: [`http://${server.host}:${server.port}`],
        requestTimeoutMs: 2_000,
        leaseTtlMs: 2_000,
        tls: null,
        login: null,
      },
      {
        instance: instance(name),
        mayLead: () => true,
        now: () => new Date(),
        log: createLogger({ level: 'silent' }),
      },
    );
  const [one, other] = await Promise.all([open('one'), open('other')]);
  return {
    one,
    other,
    async close() {
      await Promise.all([one.close(), other.close()]);
    },
  };
});
