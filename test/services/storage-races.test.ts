/**
 * Races about storage, of two instances on one PostgreSQL: their locks do not know of each other, so the rows decide.
 * Whoever wins, nothing is claimed twice, and nothing is deleted that somebody copies.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Data, Tx } from '../../src/data/client.js';
import type { TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { type MutationAnswer, mutate } from '../support/mutations.js';
import { createSite, GIB, type Site } from '../support/storage-site.js';
import { until } from '../support/until.js';
import { createCrowdApp, openPatientData } from './crowd.js';

let data: Data;
let site: Site;
let twin: TestApp;
let other: Client;
beforeAll(async () => {
  data = await openPatientData('postgres');
  site = await createSite({ data });
  twin = await createCrowdApp(data);
  other = await twin.signIn('ada');
});
afterAll(async () => {
  await Promise.all([site.world.stop(), twin.stop()]);
  await data.close();
});

const ROUNDS = 8;
let count = 0;
const fresh = () => `raced-${++count}`;
const codeOf = (answer: MutationAnswer) => String(answer.code ?? 'DONE');
/** The same moment, one command on each instance. */
const both = async (
  [first, firstInput]: readonly [string, object],
  [second, secondInput]: readonly [string, object],
) => {
  const answers = await Promise.all([
    site.ask(first, firstInput),
    mutate(other, second, secondInput as Record<string, unknown>),
  ]);
  return answers.map(codeOf);
};

/** `work` begins while the volume's row is held by who writes to it first. */
async function overtaken<T>(work: () => Promise<T>, first: (tx: Tx) => Promise<unknown>) {
  let pending: Promise<T> | undefined;
  await data.transaction(async (tx) => {
    await first(tx);
    pending = work();
    pending.catch(() => undefined);
    await until('it waits for the row', async () => {
      const waiting = await data.db.$queryRaw<unknown[]>`
        SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      return waiting.length > 0;
    });
  });
  return pending;
}

describe('whoever is overtaken', () => {
  it('while growing a volume tells of its own doing alone', async () => {
    const volume = await site.volume(fresh());
    const answer = await overtaken(
      () => site.ask('growVolume', { id: volume.id, sizeGib: 30 }),
      (tx) => tx.$executeRaw`
        UPDATE volumes SET version = version + 1, spec = jsonb_set(spec, '{qos}', '{"maxIops": 7}')
        WHERE id = ${volume.uuid}::uuid`,
    );
    expect(answer?.__typename).toBe('GrowVolumePayload');
    const { details } = await data.db.auditEntry.findFirstOrThrow({
      where: { action: 'volume.grow', resourceType: 'Volume', resourceId: volume.uuid },
    });
    const { after } = details as { after: object };
    expect(Object.keys(after).sort()).toEqual(['claimedBytes', 'phase']);
    await site.settle();
  });

  it('while editing a volume loses no snapshot that was taken of it', async () => {
    const volume = await site.volume(fresh());
    const answer = await overtaken(
      () => site.ask('updateVolume', { id: volume.id, qos: { maxIops: 9 } }),
      (tx) => tx.$executeRaw`
        UPDATE volumes SET snapshot_count = 1, spec = jsonb_set(spec, '{snapshotIds}', '["one"]')
        WHERE id = ${volume.uuid}::uuid`,
    );
    expect(answer?.__typename).toBe('UpdateVolumePayload');
    const row = await site.volumeRow(volume);
    expect(row?.spec).toMatchObject({ qos: { maxIops: 9 }, snapshotIds: ['one'] });
    await data.db.volume.update({ where: { id: volume.uuid }, data: { snapshotCount: 0 } });
  });
});

describe('of two at once', () => {
  it('who grow one volume, one does', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const volume = await site.volume(fresh());
      const grow = ['growVolume', { id: volume.id, sizeGib: 20 + round }] as const;
      const codes = await both(grow, grow);
      expect(codes.toSorted()[1]).toBe('DONE');
      expect(['BUSY', 'CONFLICT']).toContain(codes.toSorted()[0]);
      await site.expectSums();
      await site.settle();
      expect(await site.volumeRow(volume)).toMatchObject({ sizeBytes: BigInt(20 + round) * GIB });
    }
    await site.expectSums();
  });

  it('who delete a volume and copy it, one does', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const volume = await site.volume(fresh());
      const codes = await both(
        ['deleteVolume', { id: volume.id }],
        ['cloneVolume', { id: volume.id, name: fresh(), mode: round % 2 ? 'LINKED' : 'FULL' }],
      );
      expect(codes.filter((code) => code === 'DONE')).toHaveLength(1);
      await site.settle();
      const row = await site.volumeRow(volume);
      expect(row?.phase ?? 'GONE').toBe(codes[0] === 'DONE' ? 'GONE' : 'READY');
    }
    await site.expectSums();
  });

  it('who delete an image and make a volume of it, one does', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const image = await site.world.seed.image({ poolId: site.pool.uuid });
      const volume = { projectId: site.project.id, poolId: site.pool.id, name: fresh() };
      const codes = await both(
        ['deleteImage', { id: image.id }],
        ['createVolume', { ...volume, source: { imageId: image.id } }],
      );
      expect(codes.filter((code) => code === 'DONE')).toHaveLength(1);
      await site.settle();
    }
    await site.expectSums();
  });

  it('who give one name in a pool, one does', async () => {
    const input = { projectId: site.project.id, poolId: site.pool.id, name: fresh(), sizeGib: 1 };
    const create = ['createVolume', input] as const;
    expect((await both(create, create)).toSorted()).toEqual(['ALREADY_EXISTS', 'DONE']);
    await site.settle();
    await site.expectSums();
  });

  it('who delete a pool and make a volume in it, one does', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const pool = await site.world.seed.pool();
      const volume = { projectId: site.project.id, poolId: pool.id, name: fresh(), sizeGib: 1 };
      const codes = await both(['deleteStoragePool', { id: pool.id }], ['createVolume', volume]);
      expect(codes.filter((code) => code === 'DONE')).toHaveLength(1);
    }
    await site.settle();
    await site.expectSums();
  });
});

it('of many who want the last room of a pool, as many get it as there is room for', async () => {
  const pool = await site.world.seed.pool({ capacityBytes: 10n * GIB });
  const create = (client: Client) =>
    mutate(client, 'createVolume', {
      projectId: site.project.id,
      poolId: pool.id,
      name: fresh(),
      sizeGib: 3,
      provisioning: 'THICK_LAZY',
    });
  const clients = Array.from({ length: 12 }, (_, i) => (i % 2 ? other : site.admin));
  const codes = (await Promise.all(clients.map(create))).map(codeOf);
  expect(codes.filter((code) => code === 'DONE')).toHaveLength(3);
  expect(codes.filter((code) => code === 'POOL_EXHAUSTED')).toHaveLength(9);
  await site.settle();
  await site.expectSums();
});
