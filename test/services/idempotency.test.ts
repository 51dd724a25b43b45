/** Idempotency keys among many: parallel repeats, and repeats on another instance, do a thing once and answer alike. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Data } from '../../src/data/client.js';
import type { TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { createStage, mutate, type Stage, sampleOf } from '../support/mutations.js';
import { until } from '../support/until.js';
import { ADAPTERS, createCrowdApp, openPatientData } from './crowd.js';

describe.each(ADAPTERS)('on %s', (on) => {
  let data: Data;
  let worlds: [TestApp, TestApp];
  let clients: [Client, Client];
  let stage: Stage;
  beforeAll(async () => {
    data = await openPatientData(on);
    worlds = [await createCrowdApp(data), await createCrowdApp(data)];
    stage = await createStage(worlds[0]);
    clients = [stage.admin, await worlds[1].signIn('stage-admin')];
  });
  afterAll(async () => {
    await Promise.all(worlds.map((world) => world.stop()));
    await data.close();
  });

  /** The same request from 20 callers at once, every other one to the other instance. */
  const crowd = (mutation: string, input: object) =>
    Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        mutate(clients[i % 2] as Client, mutation, { ...input }),
      ),
    );
  const rowsOf = (resourceName: string) =>
    data.db.auditEntry.count({ where: { resourceName, status: 'SUCCEEDED' } });

  it('twenty creations with one key make one object, and all answer with it', async () => {
    const answers = await crowd('createProject', { name: 'once', idempotencyKey: 'create' });
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(answers[0]).toMatchObject({ __typename: 'CreateProjectPayload', dryRun: false });
    expect(await data.db.project.count({ where: { name: 'once' } })).toBe(1);
    expect(await rowsOf('once')).toBe(1);
  });

  it('twenty creations of a machine claim its quota once', async () => {
    const { input } = await sampleOf('createVirtualMachine', stage);
    const where = { where: { id: stage.project.uuid } };
    const before = await data.db.project.findUniqueOrThrow(where);
    const answers = await crowd('createVirtualMachine', { ...input, idempotencyKey: 'vm' });
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    const after = await data.db.project.findUniqueOrThrow(where);
    expect(after.usedVirtualMachines - before.usedVirtualMachines).toBe(1);
    expect(after.usedVcpus - before.usedVcpus).toBe(2);
  });

  it('twenty deletions with one key all say that it was deleted', async () => {
    const { input } = await sampleOf('deleteCluster', stage);
    const answers = await crowd('deleteCluster', { ...input, idempotencyKey: 'delete' });
    for (const answer of answers) {
      expect(answer).toMatchObject({
        __typename: 'DeleteClusterPayload',
        deletedClusterId: input.id,
      });
    }
  });

  it('twenty starts with one key are one task, not one task and nineteen times busy', async () => {
    const { input } = await sampleOf('startVirtualMachine', stage);
    const answers = await crowd('startVirtualMachine', { ...input, idempotencyKey: 'start' });
    const tasks = answers.map((answer) => (answer.task as { id: string } | null)?.id);
    expect(new Set(tasks).size).toBe(1);
    expect(tasks[0]).toBeTruthy();
  });

  it('of twenty requests for a secret one is shown it', async () => {
    const { input } = await sampleOf('issueAgentToken', stage);
    const answers = await crowd('issueAgentToken', { ...input, idempotencyKey: 'token' });
    const shown = answers.filter((answer) => answer.token !== null);
    expect(shown).toHaveLength(1);
    expect(String(shown[0]?.token)).toMatch(/^qxa_/);
  });

  it('one key on twenty different requests does one of them', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        mutate(clients[i % 2] as Client, 'createCluster', {
          name: `either-${i}`,
          idempotencyKey: 'mixed',
        }),
      ),
    );
    const kinds = answers.map((answer) => answer.__typename);
    expect(kinds.filter((kind) => kind === 'CreateClusterPayload')).toHaveLength(1);
    expect(kinds.filter((kind) => kind === 'IdempotencyMismatchError')).toHaveLength(19);
    expect(await data.db.cluster.count({ where: { name: { startsWith: 'either-' } } })).toBe(1);
  });

  it('a key outlives the instance that took it', async () => {
    const first = await createCrowdApp(data);
    const input = { name: 'survivor', idempotencyKey: 'restart' };
    const answer = await mutate(await first.signIn('stage-admin'), 'createCluster', input);
    await first.stop();
    const second = await createCrowdApp(data);
    const again = await mutate(await second.signIn('stage-admin'), 'createCluster', input);
    expect(again).toEqual(answer);
    await second.stop();
  });

  // In memory one connection serves everybody: nothing can come in between.
  if (on === 'postgres')
    it('whoever asks again while the first request ends hears its answer, not that the object is gone', async () => {
      const { input } = await sampleOf('deleteCluster', stage);
      const request = { ...input, idempotencyKey: 'between' };
      const first = await mutate(clients[0], 'deleteCluster', request);
      const { db } = data;
      const endsAt = (expiresAt: Date) =>
        db.idempotencyKey.updateMany({ where: { key: 'between' }, data: { expiresAt } });
      await endsAt(new Date(0)); // as if the first had not ended yet
      const again = await db.$transaction(async (tx) => {
        await tx.$executeRaw`LOCK TABLE clusters IN ACCESS EXCLUSIVE MODE`;
        const asked = mutate(clients[1], 'deleteCluster', request);
        await until('it has found no answer and looks for the cluster', async () => {
          const waiting = await db.$queryRaw<unknown[]>`
            SELECT 1 FROM pg_locks JOIN pg_database d ON d.oid = database WHERE NOT granted AND datname = current_database()`;
          return waiting.length > 0;
        });
        await endsAt(new Date(Date.now() + 60_000));
        return { asked };
      });
      expect(await again.asked).toEqual(first);
    });
});
