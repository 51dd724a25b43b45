/** The contract of the coordination port, for both adapters. */
import { afterAll, beforeAll } from 'vitest';
import type { Coordination } from '../../src/coordination/coordination.js';
import { openEtcdCoordination } from '../../src/coordination/etcd.js';
import { openInProcessCoordination } from '../../src/coordination/in-process.js';
import { startEtcd } from '../support/services/etcd.js';
import type { ServerHandle } from '../support/services/server.js';
import { coordinationContract } from './coordination-contract.js';
import { connectionTo, surroundings } from './etcd-fixtures.js';

coordinationContract('in-process', async () => {
  const only = openInProcessCoordination(surroundings('one'));
  return { one: only, other: only, close: () => only.close() };
});

let server: ServerHandle;
beforeAll(async () => {
  server = await startEtcd();
}, 120_000);
afterAll(() => server.dispose());

coordinationContract('etcd', async () => {
  const open = (name: string): Promise<Coordination> =>
    openEtcdCoordination(connectionTo(server.port), surroundings(name));
  const [one, other] = await Promise.all([open('one'), open('other')]);
  return {
    one,
    other,
    async close() {
      await Promise.all([one.close(), other.close()]);
    },
  };
});
