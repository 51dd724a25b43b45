/** What follows a commit: first the caches are told, then the listeners, and no failure there takes the change back. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ChangeHint } from '../../src/core/hints.js';
import { ephemeralChannels, ephemeralKeys } from '../../src/ephemeral/keys.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { createStage, mutate, type Stage, sampleOf } from '../support/mutations.js';

let world: TestApp;
let stage: Stage;
beforeAll(async () => {
  world = await createTestApp();
  stage = await createStage(world);
});
afterAll(() => world.stop());

const generation = (type: string) =>
  world.app.services.ephemeral.get(ephemeralKeys.generation(type));

async function failuresCounted(): Promise<number> {
  const { values } = await world.app.services.metrics.afterCommitFailures.get();
  return values[0]?.value ?? 0;
}

describe('after a commit', () => {
  it('whoever hears of the change finds another generation and the row as it now is', async () => {
    const { ephemeral } = world.app.services;
    const cluster = await world.seed.cluster({ description: 'old' });
    const before = await generation('Cluster');
    const heard: Promise<[string | null, string]>[] = [];
    const unsubscribe = await ephemeral.subscribe(ephemeralChannels.changes, () => {
      const row = world.data.db.cluster.findUniqueOrThrow({ where: { id: cluster.uuid } });
      heard.push(Promise.all([generation('Cluster'), row.then((r) => r.description)]));
    });
    await mutate(stage.admin, 'updateCluster', { id: cluster.id, description: 'new' });
    await unsubscribe();
    expect(await Promise.all(heard)).toEqual([[await generation('Cluster'), 'new']]);
    expect(await generation('Cluster')).not.toBe(before);
  });

  it('every object that changed is told of, with its kind and its project', async () => {
    const hints: ChangeHint[] = [];
    const stop = world.app.services.hints.listen((hint) => hints.push(hint));
    const { input } = await sampleOf('deleteVirtualMachine', stage);
    await mutate(stage.admin, 'deleteVirtualMachine', input);
    stop();
    const projectId = stage.project.uuid;
    expect(hints.map(({ id: _, entry: _told, ...hint }) => hint)).toEqual([
      { type: 'VirtualMachine', projectId, kind: 'DELETED' },
      { type: 'Volume', projectId, kind: 'UPDATED' },
      { type: 'VirtualMachineSnapshot', projectId, kind: 'DELETED' },
      { type: 'Project', projectId, kind: 'UPDATED' },
    ]);
  });

  it.each([
    ['the generations cannot be replaced', 'mark'],
    ['nobody can be told', 'publish'],
  ] as const)(
    '%s: the change stands, the caller is not bothered, the failure is counted',
    async (_case, method) => {
      const { ephemeral } = world.app.services;
      const failures = await failuresCounted();
      const broken = vi.spyOn(ephemeral, method).mockRejectedValue(new Error('gone'));
      const answer = await mutate(stage.admin, 'createCluster', { name: `despite-${method}` });
      broken.mockRestore();
      expect(answer.cluster).toMatchObject({ name: `despite-${method}` });
      expect(await world.data.db.cluster.count({ where: { name: `despite-${method}` } })).toBe(1);
      expect(await failuresCounted()).toBe(failures + 1);
    },
  );

  it('a sign-in whose session cannot be kept is answered all the same, and counted', async () => {
    const { ephemeral } = world.app.services;
    const failures = await failuresCounted();
    const { set } = ephemeral;
    const broken = vi
      .spyOn(ephemeral, 'set')
      .mockImplementation((key, ...rest) =>
        key.startsWith('session:') ? Promise.reject(new Error('gone')) : set(key, ...rest),
      );
    const input = { username: 'stage-admin', password: world.seed.password };
    const answer = await mutate(world.anonymous, 'login', input);
    broken.mockRestore();
    expect(answer.__typename).toBe('LoginPayload');
    expect(await failuresCounted()).toBe(failures + 1);
  });

  it('nothing is told of a command that was refused', async () => {
    const hints: ChangeHint[] = [];
    const stop = world.app.services.hints.listen((hint) => hints.push(hint));
    const before = await generation('Cluster');
    await mutate(stage.admin, 'createCluster', { name: stage.cluster.name });
    stop();
    expect([hints, await generation('Cluster')]).toEqual([[], before]);
  });
});
