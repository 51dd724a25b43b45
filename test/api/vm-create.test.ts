/** Creating virtual machines: what is sent is what is stored, and what cannot be is refused before anything is written. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../support/app.js';
import { changedTables, digest } from '../support/digest.js';
import { createStage, type MutationAnswer, mutate, type Stage } from '../support/mutations.js';
import type { Made } from '../support/seed.js';

let world: TestApp;
let stage: Stage;
beforeAll(async () => {
  world = await createTestApp();
  stage = await createStage(world);
});
afterAll(() => world.stop());

const SPEC = { cpu: { cores: 1 }, memory: { sizeMib: 1024 } };
const create = (changes: object): Promise<MutationAnswer> =>
  mutate(stage.admin, 'createVirtualMachine', {
    projectId: stage.project.id,
    name: 'vm',
    spec: SPEC,
    ...changes,
  });
const rowNamed = (name: string) =>
  world.data.db.virtualMachine.findFirst({ where: { name }, include: { securityGroups: true } });
const projectRow = () =>
  world.data.db.project.findUniqueOrThrow({ where: { id: stage.project.uuid } });

describe('a new machine', () => {
  it('is stopped, holds no node, counts in its project, and keeps everything that was sent', async () => {
    const { seed } = world;
    const volume = await seed.volume(stage.project, await seed.pool());
    const network = await seed.network();
    const image = await seed.image();
    const group = await seed.group(stage.project);
    const before = await projectRow();
    const answer = await create({
      name: 'whole',
      description: 'all of it',
      labels: { tier: 'web' },
      deletionProtected: true,
      spec: {
        cpu: { cores: 2, sockets: 2, threadsPerCore: 2, model: 'host' },
        memory: { sizeMib: 4096, balloonMinMib: 1024, hugePages: true },
        disks: [{ name: 'root', volumeId: volume.id, bus: 'NVME', cache: 'NONE', bootOrder: 1 }],
        nics: [
          {
            name: 'eth0',
            networkId: network.id,
            macAddress: '02:00:00:00:00:01',
            ipAddresses: ['192.0.2.10', '2001:db8::10'],
            securityGroupIds: [group.id],
          },
        ],
        cdroms: [{ imageId: image.id }],
        display: { type: 'SPICE' },
        boot: { firmware: 'UEFI', order: ['DISK', 'NETWORK'] },
        placement: { clusterId: stage.cluster.id, antiAffinityLabels: { tier: 'db' } },
        haPolicy: { restart: 'ON_FAILURE', priority: 2 },
        guestOs: 'linux',
        provisioning: { method: 'CLOUD_INIT', userData: '#cloud-config' },
        hotAdd: true,
      },
    });
    expect(answer.virtualMachine).toMatchObject({ name: 'whole', powerState: 'STOPPED' });
    expect(answer.placement).toEqual([
      {
        nodeId: stage.node.id,
        hostname: stage.node.name,
        fits: true,
        reasons: [],
        score: expect.any(Number),
        scoreParts: [{ name: 'LOAD', value: expect.any(Number) }],
      },
    ]);
    const row = await rowNamed('whole');
    expect(row).toMatchObject({
      description: 'all of it',
      labels: { tier: 'web' },
      deletionProtected: true,
      powerState: 'STOPPED',
      desiredState: 'STOPPED',
      nodeId: null,
      capacityClaimed: false,
      clusterId: stage.cluster.uuid,
      resources: { vcpus: 8, memoryMib: 4096, storageGib: 0 },
      securityGroups: [{ securityGroupId: group.uuid }],
    });
    expect(row?.spec).toEqual({
      cpu: { cores: 2, sockets: 2, threadsPerCore: 2, model: 'host' },
      memory: { sizeMib: 4096, balloonMinMib: 1024, hugePages: true },
      disks: [{ name: 'root', volumeId: volume.uuid, bus: 'NVME', cache: 'NONE', bootOrder: 1 }],
      nics: [
        {
          name: 'eth0',
          networkId: network.uuid,
          macAddress: '02:00:00:00:00:01',
          ipAddresses: ['192.0.2.10', '2001:db8::10'],
          securityGroupIds: [group.uuid],
        },
      ],
      cdroms: [{ imageId: image.uuid }],
      display: { type: 'SPICE' },
      boot: { firmware: 'UEFI', order: ['DISK', 'NETWORK'] },
      placement: { clusterId: stage.cluster.uuid, antiAffinityLabels: { tier: 'db' } },
      haPolicy: { restart: 'ON_FAILURE', priority: 2 },
      guestOs: 'linux',
      provisioning: { method: 'CLOUD_INIT', userData: '#cloud-config' },
      hotAdd: true,
    });
    const disk = await world.data.db.volume.findUniqueOrThrow({ where: { id: volume.uuid } });
    expect(disk).toMatchObject({ phase: 'IN_USE', attachedVmId: row?.id });
    const after = await projectRow();
    expect(after.usedVirtualMachines - before.usedVirtualMachines).toBe(1);
    expect(after.usedVcpus - before.usedVcpus).toBe(8);
    expect(after.usedMemoryMib - before.usedMemoryMib).toBe(4096);
  });
});

describe('a machine that cannot be', () => {
  const refused = async (changes: object): Promise<MutationAnswer> => {
    const before = await digest(world.data);
    const answer = await create({ name: 'never', ...changes });
    expect(answer.__typename).toMatch(/Error$/);
    expect(changedTables(before, await digest(world.data))).toEqual(['audit_log']);
    return answer;
  };

  it('because no node could ever take it: it says why for each, and there is no machine', async () => {
    const cluster = await world.seed.cluster();
    const small = { vcpus: 4, memoryMib: 2048, storageGib: 0 };
    await world.seed.node(cluster, { hostname: 'small', allocatable: small });
    await world.seed.node(cluster, { hostname: 'cordoned', intent: 'CORDONED' });
    await world.seed.node(cluster, { hostname: 'silent', phase: 'NOT_READY' });
    const placement = { clusterId: cluster.id };
    const answer = await refused({ spec: { cpu: { cores: 16 }, memory: SPEC.memory, placement } });
    expect(answer).toMatchObject({ __typename: 'NoSuitableNodeError', retryable: true });
    const verdicts = answer.verdicts as { hostname: string; reasons: string[]; fits: boolean }[];
    const reasons = Object.fromEntries(verdicts.map((v) => [v.hostname, v.reasons]));
    expect(reasons).toEqual({
      cordoned: ['is cordoned'],
      silent: ['is NOT_READY'],
      small: ['has 8 of 16 vCPUs free'],
    });
    expect(answer.message).toContain('small (has 8 of 16 vCPUs free)');
  });

  it('because the cluster is empty', async () => {
    const placement = { clusterId: (await world.seed.cluster()).id };
    const answer = await refused({ spec: { ...SPEC, placement } });
    expect(answer).toMatchObject({ __typename: 'NoSuitableNodeError', verdicts: [] });
  });

  it('because its quota does not allow it, and then its volumes stay free', async () => {
    const project = await world.seed.project({ quota: { memoryMib: 512 } });
    const volume = await world.seed.volume(project, await world.seed.pool());
    const spec = { ...SPEC, disks: [{ name: 'root', volumeId: volume.id }] };
    const answer = await refused({ projectId: project.id, spec });
    expect(answer).toMatchObject({ resource: 'memoryMib', limit: 512, used: 0, requested: 1024 });
  });

  it('because a volume is not free', async () => {
    const volume = await world.seed.volume(stage.project, await world.seed.pool(), {
      phase: 'RESIZING',
    });
    const answer = await refused({
      spec: { ...SPEC, disks: [{ name: 'root', volumeId: volume.id }] },
    });
    expect(answer).toMatchObject({ code: 'VALIDATION', path: ['spec', 'disks', '0', 'volumeId'] });
    expect(answer.message).toContain('is RESIZING');
  });

  it('because an image is not there yet', async () => {
    const image = await world.seed.image({ phase: 'DOWNLOADING' });
    const answer = await refused({ spec: { ...SPEC, cdroms: [{ imageId: image.id }] } });
    expect(answer).toMatchObject({ __typename: 'InvalidStateError', current: 'DOWNLOADING' });
    expect(answer.message).toContain('Wait until it is AVAILABLE.');
  });

  it.each<[string, (made: Made) => object, string[]]>([
    ['network', (n) => ({ nics: [{ name: 'n', networkId: n.id }] }), ['nics', '0', 'networkId']],
    ['cluster', (c) => ({ placement: { clusterId: c.id } }), ['placement', 'clusterId']],
    ['node', (n) => ({ placement: { requiredNodeIds: [n.id] } }), ['placement', 'requiredNodeIds']],
  ])('because a %s that it names is gone', async (kind, part, path) => {
    const { seed, data } = world;
    const cluster = await seed.cluster();
    const made = {
      network: () => seed.network(),
      cluster: async () => cluster,
      node: () => seed.node(cluster),
    }[kind];
    const gone = await made?.();
    if (!gone) throw new Error(`nothing makes a ${kind}`);
    await data.db.virtualNetwork.deleteMany({ where: { id: gone.uuid } });
    await data.db.node.deleteMany({ where: { id: gone.uuid } });
    if (kind === 'cluster') await data.db.cluster.delete({ where: { id: gone.uuid } });
    const answer = await refused({ spec: { ...SPEC, ...part(gone) } });
    expect(answer).toMatchObject({ code: 'NOT_FOUND', path: ['spec', ...path] });
  });
});
