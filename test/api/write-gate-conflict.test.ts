/** When two want different things of one object: versions, taken names, objects in use, locks. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createTestApp, type TestApp } from '../support/app.js';
import { changedTables, digest } from '../support/digest.js';
import {
  createStage,
  inputFieldsOf,
  MUTATIONS,
  mutate,
  type Stage,
  sampleOf,
} from '../support/mutations.js';
import type { Made } from '../support/seed.js';
import { until } from '../support/until.js';

const LOCK_WAIT_MS = 1_000;
let world: TestApp;
let stage: Stage;
beforeAll(async () => {
  world = await createTestApp({ config: { limits: { lockWaitMs: LOCK_WAIT_MS } } as never });
  stage = await createStage(world);
});
afterAll(() => world.stop());

/** Settings have versions that begin at 0, for never set: see system-config.test.ts. */
const VERSIONED = MUTATIONS.filter(
  (m) => inputFieldsOf(m).includes('expectedVersion') && !m.endsWith('SystemConfig'),
);

describe.each(VERSIONED)('%s with an expected version', (mutation) => {
  it.each([2, 7])('of %i, when it is at 1, is a conflict and changes nothing', async (version) => {
    const { client, input } = await sampleOf(mutation, stage);
    const before = await digest(world.data);
    const answer = await mutate(client, mutation, { ...input, expectedVersion: version });
    expect(answer).toMatchObject({
      __typename: 'ConflictError',
      code: 'CONFLICT',
      currentVersion: 1,
      retryable: true,
    });
    expect(answer.message).toContain('at version 1');
    expect(changedTables(before, await digest(world.data))).toEqual(['audit_log']);
  });

  it('that is none at all is a fault of the input', async () => {
    const { client, input } = await sampleOf(mutation, stage);
    const answer = await mutate(client, mutation, { ...input, expectedVersion: 0 });
    expect(answer).toMatchObject({ code: 'VALIDATION', path: ['expectedVersion'] });
  });

  it('that is right goes through, and without one nobody asks', async () => {
    const sample = await sampleOf(mutation, stage);
    const right = await mutate(sample.client, mutation, { ...sample.input, expectedVersion: 1 });
    expect(right.__typename).toMatch(/Payload$/);
    const { client, input } = await sampleOf(mutation, stage);
    const { expectedVersion: _, ...blind } = input;
    expect((await mutate(client, mutation, blind)).__typename).toMatch(/Payload$/);
  });
});

describe('two edits from the same version', () => {
  it('cannot both win: the second is told the version to read', async () => {
    const cluster = await world.seed.cluster();
    const edit = (description: string) =>
      mutate(stage.admin, 'updateCluster', { id: cluster.id, expectedVersion: 1, description });
    const answers = await Promise.all(['one', 'two', 'three'].map(edit));
    const [won, ...others] = answers.filter((a) => a.__typename === 'UpdateClusterPayload');
    expect(others).toEqual([]);
    expect(won?.cluster).toMatchObject({ version: 2 });
    const lost = answers.filter((a) => a.__typename === 'ConflictError');
    expect(lost.map((a) => a.currentVersion)).toEqual([2, 2]);
  });
});

describe('a name that is taken', () => {
  const taken = async (
    mutation: string,
    input: object,
    type: string,
    field: string,
    value: string,
  ) => {
    const before = await digest(world.data);
    const answer = await mutate(stage.admin, mutation, input as Record<string, unknown>);
    expect(answer).toMatchObject({
      __typename: 'AlreadyExistsError',
      code: 'ALREADY_EXISTS',
      path: [field],
      field,
      value,
    });
    expect(answer.message).toContain(`A ${type} with the ${field} "${value}"`);
    expect(changedTables(before, await digest(world.data))).toEqual(['audit_log']);
  };
  const spec = { cpu: { cores: 1 }, memory: { sizeMib: 512 } };

  it('is refused for a cluster', async () => {
    const { name } = stage.cluster;
    await taken('createCluster', { name }, 'Cluster', 'name', name);
    const other = await world.seed.cluster();
    await taken('updateCluster', { id: other.id, name }, 'Cluster', 'name', name);
  });

  it('is refused for a project', async () => {
    const { name } = stage.project;
    await taken('createProject', { name }, 'Project', 'name', name);
    const other = await world.seed.project();
    await taken('updateProject', { id: other.id, name }, 'Project', 'name', name);
  });

  it('is refused for a node', async () => {
    const hostname = stage.node.name;
    const input = { hostname, managementIp: '192.0.2.9', clusterId: stage.cluster.id };
    await taken('registerHypervisorNode', input, 'HypervisorNode', 'hostname', hostname);
    const other = await world.seed.node(stage.cluster);
    const rename = { id: other.id, hostname };
    await taken('updateHypervisorNode', rename, 'HypervisorNode', 'hostname', hostname);
  });

  it('is refused for a virtual machine within its project, and free in another', async () => {
    const { name } = await world.seed.vm(stage.project);
    const input = { projectId: stage.project.id, name, spec };
    await taken('createVirtualMachine', input, 'VirtualMachine', 'name', name);
    const other = await world.seed.vm(stage.project);
    await taken('updateVirtualMachine', { id: other.id, name }, 'VirtualMachine', 'name', name);
    const elsewhere = { ...input, projectId: (await world.seed.project()).id };
    const answer = await mutate(stage.admin, 'createVirtualMachine', elsewhere);
    expect(answer.virtualMachine).toMatchObject({ name });
  });

  it('is one’s own again, when nothing else changes', async () => {
    const { id, name } = await world.seed.cluster();
    const answer = await mutate(stage.admin, 'updateCluster', { id, name });
    expect(answer.cluster).toMatchObject({ name, version: 1 });
  });
});

describe('what is in use is not deleted', () => {
  const refused = async (mutation: string, target: Made, usedBy: object[]) => {
    const before = await digest(world.data);
    const answer = await mutate(stage.admin, mutation, { id: target.id });
    expect(answer).toMatchObject({ __typename: 'InUseError', code: 'IN_USE', usedBy });
    expect(changedTables(before, await digest(world.data))).toEqual(['audit_log']);
    return String(answer.message);
  };

  it('a cluster with nodes and machines', async () => {
    const cluster = await world.seed.cluster();
    const node = await world.seed.node(cluster);
    const vm = await world.seed.vm(stage.project, { cluster });
    const message = await refused('deleteCluster', cluster, [
      { type: 'HypervisorNode', count: 1, names: [node.name] },
      { type: 'VirtualMachine', count: 1, names: [vm.name] },
    ]);
    expect(message).toContain(`1 HypervisorNode (${node.name}), 1 VirtualMachine (${vm.name}).`);
  });

  it('a node with machines, of which the first five are named', async () => {
    const node = await world.seed.node(stage.cluster);
    const names = ['f', 'b', 'a', 'e', 'd', 'c'].map((letter) => `placed-${letter}`);
    for (const name of names) await world.seed.vm(stage.project, { name, node });
    const first = [...names].sort().slice(0, 5);
    await refused('deleteHypervisorNode', node, [
      { type: 'VirtualMachine', count: 6, names: first },
    ]);
  });

  it('a project with anything that would be lost', async () => {
    const { seed } = world;
    const project = await seed.project();
    const vm = await seed.vm(project);
    const pool = await seed.pool({ projectId: project.uuid });
    const volume = await seed.volume(project, pool);
    const image = await seed.image({ projectId: project.uuid });
    const network = await seed.network({ projectId: project.uuid });
    const group = await seed.group(project);
    await refused('deleteProject', project, [
      { type: 'VirtualMachine', count: 1, names: [vm.name] },
      { type: 'Volume', count: 1, names: [volume.name] },
      { type: 'Image', count: 1, names: [image.name] },
      { type: 'StoragePool', count: 1, names: [pool.name] },
      { type: 'VirtualNetwork', count: 1, names: [network.name] },
      { type: 'SecurityGroup', count: 1, names: [group.name] },
    ]);
  });
});

describe('a quota', () => {
  it('is not lowered below what is in use, and says by how much', async () => {
    const project = await world.seed.project();
    for (let i = 0; i < 3; i += 1) await world.seed.vm(project);
    const quota = { virtualMachines: 2, vcpus: 3, memoryMib: 1024 };
    const answer = await mutate(stage.admin, 'updateProject', { id: project.id, quota });
    expect(answer).toMatchObject({
      __typename: 'ValidationError',
      issues: [
        { path: ['quota', 'virtualMachines'], message: expect.stringContaining('3 are in use') },
        { path: ['quota', 'memoryMib'], message: expect.stringContaining('3072 are in use') },
      ],
    });
  });

  it('that is not named stays as it is, and null lifts it', async () => {
    const project = await world.seed.project({ quota: { vcpus: 8, volumes: 4 } });
    const quota = { vcpus: null, snapshots: 2 };
    const answer = await mutate(stage.admin, 'updateProject', { id: project.id, quota });
    expect(answer.__typename).toBe('UpdateProjectPayload');
    const row = await world.data.db.project.findUniqueOrThrow({ where: { id: project.uuid } });
    expect(row.quota).toEqual({ volumes: 4, snapshots: 2 });
  });
});

describe('a lock that somebody else holds', () => {
  const rename = (vm: Made, description: string) =>
    mutate(stage.admin, 'updateVirtualMachine', { id: vm.id, description });

  it('is waited for, but not for ever, and then it says who holds it', async () => {
    const vm = await world.seed.vm(stage.project);
    const { coordination } = world.app.services;
    const lock = await coordination.lock(`virtualMachine/${vm.uuid}`, {
      holder: 'a test',
      waitMs: 0,
    });
    const started = performance.now();
    const answer = await rename(vm, 'late');
    expect(performance.now() - started).toBeGreaterThanOrEqual(LOCK_WAIT_MS - 5);
    expect(answer).toMatchObject({
      __typename: 'BusyError',
      operation: 'a test',
      taskId: null,
      retryable: true,
      since: expect.stringMatching(/^\d{4}-/),
    });
    await lock.release();
    expect(await rename(vm, 'in time')).toMatchObject({ virtualMachine: { version: 2 } });
  });

  it('is handed on in the order in which it was asked for', async () => {
    const vm = await world.seed.vm(stage.project);
    const { coordination } = world.app.services;
    const lock = await coordination.lock(`virtualMachine/${vm.uuid}`, {
      holder: 'a test',
      waitMs: 0,
    });
    const asked = vi.spyOn(coordination, 'lock');
    const edits: Promise<unknown>[] = [];
    for (const word of ['one', 'two', 'three']) {
      edits.push(rename(vm, word));
      await until('the edit waits', () => asked.mock.calls.length === edits.length);
    }
    asked.mockRestore();
    await lock.release();
    await Promise.all(edits);
    const entries = await world.data.db.auditEntry.findMany({
      where: { resourceId: vm.uuid, status: 'SUCCEEDED' },
      orderBy: { seq: 'asc' },
    });
    const written = entries.map((e) => (e.details as { after: { description: string } }).after);
    expect(written.map((row) => row.description)).toEqual(['one', 'two', 'three']);
  });

  it('is given back when the command fails', async () => {
    const vm = await world.seed.vm(stage.project);
    const answer = await mutate(stage.admin, 'pauseVirtualMachine', { id: vm.id });
    expect(answer).toMatchObject({ code: 'INVALID_STATE' });
    const request = { holder: 'a test', waitMs: 0 };
    const lock = await world.app.services.coordination.lock(`virtualMachine/${vm.uuid}`, request);
    await lock.release();
  });

  it('on one machine is in nobody’s way on another', async () => {
    const [one, other] = [await world.seed.vm(stage.project), await world.seed.vm(stage.project)];
    const { coordination } = world.app.services;
    const lock = await coordination.lock(`virtualMachine/${one.uuid}`, {
      holder: 'a test',
      waitMs: 0,
    });
    expect(await rename(other, 'free')).toMatchObject({ dryRun: false });
    await lock.release();
  });
});
