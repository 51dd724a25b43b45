/** Which node does a job about storage: one whose agent is there and reaches every pool, the least busy first. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemViewer } from '../../src/core/authz.js';
import { pickExecutor } from '../../src/modules/storage/executor.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Made } from '../support/seed.js';

let world: TestApp;
let cluster: Made;
beforeAll(async () => {
  world = await createTestApp();
  cluster = await world.seed.cluster();
});
afterAll(() => world.stop());
beforeEach(async () => {
  await world.data.db.task.deleteMany();
  await world.data.db.node.deleteMany();
});

const pick = (pools: readonly Made[], preferred?: Made) =>
  world.data.transaction((tx) =>
    pickExecutor(
      { tx, viewer: systemViewer('test') },
      pools.map(({ uuid }) => uuid),
      preferred?.uuid,
    ),
  );

async function busy(node: Made, tasks: number): Promise<void> {
  const project = await world.seed.project();
  for (let i = 0; i < tasks; i += 1) {
    const vm = await world.seed.vm(project);
    const unfinished = { status: 'PENDING', finishedAt: null, nodeId: node.uuid } as const;
    await world.seed.task(project, vm, unfinished);
  }
}

describe('the node of a job', () => {
  it('is the one with the fewest unfinished tasks, and of equals the first by name', async () => {
    const { seed } = world;
    const [a, b, c] = [
      await seed.node(cluster, { hostname: 'a' }),
      await seed.node(cluster, { hostname: 'b' }),
      await seed.node(cluster, { hostname: 'c' }),
    ];
    const pool = await seed.pool();
    expect(await pick([pool])).toBe(a.uuid);
    await busy(a, 2);
    await busy(b, 1);
    expect(await pick([pool])).toBe(c.uuid);
    expect(await pick([pool], a)).toBe(a.uuid);
  });

  it('has every pool: those that are assigned to it, and those that are assigned to none', async () => {
    const { seed } = world;
    const [a, b] = [
      await seed.node(cluster, { hostname: 'a' }),
      await seed.node(cluster, { hostname: 'b' }),
    ];
    const everywhere = await seed.pool();
    const both = await seed.pool({ assignedNodeIds: [a.uuid, b.uuid] });
    const local = await seed.pool({ name: 'local', assignedNodeIds: [b.uuid] });
    expect(await pick([everywhere, both])).toBe(a.uuid);
    expect(await pick([everywhere, both, local])).toBe(b.uuid);
    expect(await pick([local], a)).toBe(b.uuid);
  });

  it('may be cordoned, but must be READY and not on its way out', async () => {
    const { seed } = world;
    const pool = await seed.pool({ name: 'flash' });
    const elsewhere = await seed.node(cluster, { hostname: 'e', phase: 'DISCONNECTED' });
    await seed.node(cluster, { hostname: 'd', intent: 'DRAINING' });
    await seed.node(cluster, { hostname: 'm', intent: 'MAINTENANCE' });
    await seed.node(cluster, { hostname: 'n', phase: 'NOT_READY' });
    const only = { where: { id: pool.uuid }, data: { assignedNodeIds: [elsewhere.uuid] } };
    await world.data.db.storagePool.update(only);
    await expect(pick([pool])).rejects.toMatchObject({
      code: 'NO_SUITABLE_NODE',
      verdicts: [
        { hostname: 'd', reasons: ['is DRAINING', 'does not have the storage pool flash'] },
        { hostname: 'e', reasons: ['is DISCONNECTED'] },
        { hostname: 'm', reasons: ['is MAINTENANCE', 'does not have the storage pool flash'] },
        { hostname: 'n', reasons: ['is NOT_READY', 'does not have the storage pool flash'] },
      ],
    });
    const cordoned = await seed.node(cluster, { hostname: 'z', intent: 'CORDONED' });
    expect(await pick([])).toBe(cordoned.uuid);
  });
});
