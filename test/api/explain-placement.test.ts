/** explainPlacement: the decision that would be taken, with its reasons, and nothing is done. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { digest } from '../support/digest.js';
import { operate } from '../support/operations.js';
import type { Made } from '../support/seed.js';

interface Verdict {
  nodeId: string;
  hostname: string;
  fits: boolean;
  reasons: string[];
  score: number | null;
  scoreParts: { name: string; value: number }[];
}
interface Answer {
  explainPlacement: { verdicts: Verdict[] } | null;
}

let world: TestApp;
let admin: Client;
let operator: Client;
let stranger: Client;
let project: Made;
let cluster: Made;
let roomy: Made;
const spec = { cpu: { cores: 2 }, memory: { sizeMib: 2048 } };

beforeAll(async () => {
  world = await createTestApp();
  const { seed } = world;
  project = await seed.project();
  cluster = await seed.cluster();
  const full = { vcpus: 1, memoryMib: 1024, storageGib: 0 };
  roomy = await seed.node(cluster, { hostname: 'roomy' });
  await seed.node(cluster, { hostname: 'full', allocatable: full });
  await seed.node(cluster, { hostname: 'closed', intent: 'CORDONED' });
  await seed.user('ADMIN', { username: 'ada' });
  await seed.user('OPERATOR', { username: 'olga', projects: { [project.uuid]: 'OPERATOR' } });
  await seed.user('OPERATOR', { username: 'vera', projects: { [project.uuid]: 'VIEWER' } });
  admin = await world.signIn('ada');
  operator = await world.signIn('olga');
  stranger = await world.signIn('vera');
});
afterAll(() => world.stop());

const ask = (client: Client, input: object) =>
  client.answer<Answer, { input: object }>(
    `query Explain($input: ExplainPlacementInput!) { explainPlacement(input: $input) {
      verdicts { nodeId hostname fits reasons score scoreParts { name value } } } }`,
    { input },
  );
const explain = async (client: Client, input: object) => {
  const { data, errors } = await ask(client, input);
  expect(errors).toEqual([]);
  return data?.explainPlacement?.verdicts ?? null;
};

describe('explaining placement', () => {
  it('names each node with its reasons or the parts of its score, and writes nothing', async () => {
    const before = await digest(world.data);
    const verdicts = await explain(operator, { projectId: project.id, spec });
    expect(verdicts).toMatchObject([
      { hostname: 'roomy', fits: true, reasons: [], scoreParts: [{ name: 'LOAD' }] },
      { hostname: 'closed', fits: false, reasons: ['is cordoned'], score: null, scoreParts: [] },
      {
        hostname: 'full',
        fits: false,
        reasons: ['has 1536 of 2048 MiB of memory free'],
      },
    ]);
    expect(await digest(world.data)).toEqual(before);
  });

  it('says of a machine that is off where its next start goes', async () => {
    const vm = await world.seed.vm(project, { cluster, node: roomy });
    const [best] = (await explain(operator, { virtualMachineId: vm.id })) ?? [];
    expect(best?.scoreParts.map((part) => part.name)).toEqual(['LOAD', 'PREFERENCE']);
    const sum = best?.scoreParts.reduce((total, part) => total + part.value, 0);
    expect(best?.score).toBeCloseTo(sum ?? 0, 9);
    const { virtualMachine } = await operate(admin, 'START', vm.id);
    expect(virtualMachine?.hypervisorNode?.id).toBe(best?.nodeId);
    // Now it holds its node, and the question is where else it could go.
    const elsewhere = (await explain(operator, { virtualMachineId: vm.id })) ?? [];
    expect(elsewhere.find((v) => v.hostname === 'roomy')?.reasons).toEqual(['is excluded']);
  });

  it('looks at the pools of the disks that a new machine would have, and tells of none that one cannot see', async () => {
    const { seed } = world;
    const elsewhere = await seed.node(cluster, { hostname: 'elsewhere', intent: 'CORDONED' });
    const local = await seed.pool({ assignedNodeIds: [elsewhere.uuid] });
    const volume = await seed.volume(project, local);
    const reasons = [`cannot reach the storage pool ${local.name}`];
    const disks = [{ name: 'root', volumeId: volume.id }];
    for (const input of [{ spec: { ...spec, disks } }, { spec, storagePoolIds: [local.id] }]) {
      const verdicts = await explain(operator, { projectId: project.id, ...input });
      expect(verdicts?.find(({ hostname }) => hostname === 'roomy')).toMatchObject({ reasons });
    }
    const other = await seed.project();
    const hidden = await seed.pool({ projectId: other.uuid });
    for (const id of [hidden.id, Buffer.from(`StoragePool:${other.uuid}`).toString('base64url')]) {
      const { errors } = await ask(operator, { projectId: project.id, spec, storagePoolIds: [id] });
      expect(errors).toMatchObject([
        {
          message: 'It names a StoragePool that does not exist.',
          extensions: { code: 'BAD_USER_INPUT' },
        },
      ]);
    }
    await world.data.db.node.delete({ where: { id: elsewhere.uuid } });
  });

  it('is for those who may create machines in the project', async () => {
    const hidden = await world.seed.project();
    const vm = await world.seed.vm(hidden);
    expect(await explain(stranger, { projectId: project.id, spec })).toBeNull();
    expect(await explain(operator, { projectId: hidden.id, spec })).toBeNull();
    expect(await explain(operator, { virtualMachineId: vm.id })).toBeNull();
  });

  it.each([
    ['nothing', {}],
    ['a spec without a project', { spec }],
    ['what is no id', { virtualMachineId: 'x' }],
    ['a size that no machine has', { projectId: 'PROJECT', spec: { ...spec, cpu: { cores: 0 } } }],
  ])('refuses %s', async (_what, input) => {
    const given = 'projectId' in input ? { ...input, projectId: project.id } : input;
    const { errors } = await ask(admin, given);
    expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
  });
});
