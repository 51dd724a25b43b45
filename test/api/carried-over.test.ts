/** Rows of earlier releases may lack what today's commands always write: they are shown as they are, and break no list. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { graphql } from '../gen/gql.js';
import { createTestApp, type TestApp } from '../support/app.js';

const Bare = graphql(`
  query CarriedOverBare {
    virtualMachines { nodes { name spec { cpu { cores } } resources { vcpus memoryMib } guestAgentRunning } }
    hypervisorNodes { nodes { hostname spec { cpu { model } } systemInfo { os } allocatable { vcpus } conditions { type } free { vcpus } } }
    storagePools { nodes { name spec { __typename } } }
    volumes { nodes { name spec { __typename } } }
  }
`);

let world: TestApp;
beforeAll(async () => {
  world = await createTestApp();
  await world.seed.user('ADMIN', { username: 'ada' });
});
afterAll(() => world.stop());

it('shows empty JSON columns as nothing, not as an error', async () => {
  const project = await world.seed.project();
  const cluster = await world.seed.cluster();
  await world.seed.vm(project, { name: 'bare', spec: {}, resources: {}, guestAgent: {} });
  await world.seed.node(cluster, { hostname: 'bare', spec: {}, systemInfo: {}, allocatable: {} });
  await world.seed.volume(project, await world.seed.pool({ spec: {} }), { spec: {} });
  const ada = await world.signIn('ada');
  const data = await ada.run(Bare);
  expect(data.virtualMachines.nodes).toEqual([
    { name: 'bare', spec: null, resources: { vcpus: 0, memoryMib: 0 }, guestAgentRunning: false },
  ]);
  expect(data.hypervisorNodes.nodes).toEqual([
    {
      hostname: 'bare',
      spec: null,
      systemInfo: null,
      allocatable: { vcpus: 0 },
      conditions: [],
      free: { vcpus: 0 },
    },
  ]);
  expect(data.storagePools.nodes).toHaveLength(1);
  expect(data.volumes.nodes).toHaveLength(1);
});
