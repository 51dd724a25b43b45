/**
 * What errors, plans and previews say when something of another project is in the way. In each situation an administrator is told of it,
 * which shows that it really is in the way, and a member reads no word, no id and no address of it.
 * Every field of every error of the schema is told in a situation here, or has a reason why nothing of others can stand in it.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { ERROR_LEAVES, textAt } from '../support/error-fields.js';
import { mutate } from '../support/mutations.js';
import { leaves } from '../support/schema-walk.js';
import { ADDRESS, MARK, makeSecretProject, type SecretProject } from '../support/secret-project.js';

let world: TestApp;
let secret: SecretProject;
beforeAll(async () => {
  world = await createTestApp({ config: { limits: { lockWaitMs: 1 } } });
  secret = await makeSecretProject(world);
});
afterAll(() => world.stop());

interface Situation {
  readonly mutation: string;
  /** Makes what is in the way, and returns the input. */
  input(): Promise<object>;
  /** The fields of the error in which an administrator is told of it. */
  readonly tells: readonly string[];
}

const existing = { cpu: { cores: 1 }, memory: { sizeMib: 512 } };
const newVolume = (changes: object) => ({
  projectId: secret.own.id,
  poolId: secret.sharedPool.id,
  name: 'a-new-one',
  ...changes,
});

let names = 0;

/** By what is in the way. */
const SITUATIONS: Readonly<Record<string, Situation>> = {
  'who holds an address of a shared network': {
    mutation: 'attachNetworkInterface',
    async input() {
      const { id: virtualMachineId } = await world.seed.vm(secret.own);
      const nic = { name: 'eth1', networkId: secret.sharedNetwork.id, ipAddresses: [ADDRESS] };
      return { virtualMachineId, nic };
    },
    tells: ['AddressInUseError.holder', 'AddressInUseError.message'],
  },
  'who uses a security group': {
    mutation: 'deleteSecurityGroup',
    async input() {
      const group = await world.seed.group(secret.own);
      await secret.useGroup(group);
      return { id: group.id, expectedVersion: 1 };
    },
    tells: ['InUseError.usedBy.names', 'InUseError.message'],
  },
  'who is on a network': {
    mutation: 'deleteVirtualNetwork',
    async input() {
      const network = await world.seed.network({ projectId: secret.own.uuid });
      await secret.useNetwork(network);
      return { id: network.id, expectedVersion: 1 };
    },
    tells: [],
  },
  'who uses an image': {
    mutation: 'deleteImage',
    async input() {
      const image = await world.seed.image({ projectId: secret.own.uuid, public: true });
      await secret.useImage(image);
      return { id: image.id, expectedVersion: 1 };
    },
    tells: ['InUseError.usedBy.names', 'InUseError.message'],
  },
  'what shares blocks with a volume': {
    mutation: 'deleteVolume',
    async input() {
      const volume = await world.seed.claimedVolume(secret.own);
      await secret.copy(volume);
      return { id: volume.id, expectedVersion: 1 };
    },
    tells: ['InUseError.usedBy.names', 'InUseError.message'],
  },
  'where a public image is kept': {
    mutation: 'createVolume',
    input: async () => newVolume({ source: { imageId: secret.publicImage.id } }),
    tells: ['NoSuitableNodeError.verdicts.reasons', 'NoSuitableNodeError.message'],
  },
  'where the image of a new disk is kept': {
    mutation: 'createVirtualMachine',
    async input() {
      const source = { imageId: secret.publicImage.id };
      const newDisks = [{ name: 'root', storagePoolId: secret.sharedPool.id, source }];
      return { projectId: secret.own.id, name: 'a-new-one', spec: existing, newDisks };
    },
    tells: ['NoSuitableNodeError.verdicts.reasons', 'NoSuitableNodeError.message'],
  },
  'where a volume is that should not be there': {
    mutation: 'startVirtualMachine',
    input: async () => ({ id: (await secret.tiedMachine()).id }),
    tells: ['NoSuitableNodeError.verdicts.reasons', 'NoSuitableNodeError.message'],
  },
  'what a machine has that it should not have (any more)': {
    mutation: 'moveVirtualMachine',
    input: async () => ({ id: (await secret.tiedMachine()).id, projectId: secret.target.id }),
    tells: ['ValidationError.issues.message', 'ValidationError.message'],
  },
  'what shares blocks with a volume of a machine': {
    mutation: 'moveVirtualMachine',
    async input() {
      const vm = await world.seed.vm(secret.own);
      const attached = { attachedVmId: vm.uuid, phase: 'IN_USE' } as const;
      await secret.copy(await world.seed.volume(secret.own, secret.sharedPool, attached));
      return { id: vm.id, projectId: secret.target.id };
    },
    tells: [], // not even an administrator: only what is of the machine's own project is named
  },
  'who claims the same name in a shared pool': {
    mutation: 'createVolume',
    async input() {
      const holder = `${MARK}-operator: volume.create`;
      const name = `wanted-by-both-${++names}`;
      const lock = `volume/${secret.sharedPool.uuid}/${name}`;
      await world.app.services.coordination.lock(lock, { holder, waitMs: 0 });
      return newVolume({ name, sizeGib: 1 });
    },
    tells: ['BusyError.operation', 'BusyError.message'],
  },
};

/** The fields in which an administrator was told of something that a member does not see. */
const seen = new Set<string>();

describe('a member is not told', () => {
  it.each(Object.keys(SITUATIONS))('%s', async (name) => {
    const { mutation, input, tells } = SITUATIONS[name] as Situation;
    const given = await input();
    const ask = (client: Client) => mutate(client, mutation, { ...given, dryRun: true });
    const [told, answer] = [await ask(secret.admin), await ask(secret.member)];
    expect(told.__typename).toMatch(/Error$/);
    expect(tells.filter((leaf) => !textAt(told, leaf).includes(MARK))).toEqual([]);
    expect(answer.__typename).toBe(told.__typename);
    expect([secret.leaksIn(answer, given), answer]).toEqual([[], answer]);
    for (const leaf of tells) seen.add(leaf);
  });
});

const FIGURE = 'a figure, or a word of the schema';
const OWN_WORD = 'the word of the caller';
const INFRASTRUCTURE = 'of the nodes, which all see';
const OWN_OBJECT = 'about the object that the caller named and sees';
const ADMINISTRATORS = 'administrators alone can be answered with it';
const FIXED = 'a fixed text';

/** Why nothing of another project can stand in what no situation tells of. A field that is in neither list is a new one. */
const REASONS: Readonly<Record<string, string>> = {
  'AddressInUseError.address': OWN_WORD,
  'AlreadyExistsError.field': FIGURE,
  'AlreadyExistsError.message': OWN_WORD,
  'AlreadyExistsError.value': OWN_WORD,
  'BusyError.retryAfterMs': FIGURE,
  'BusyError.since': FIGURE,
  'BusyError.taskId':
    'a task is in the project of the object that it is about, and copies of a volume are in its own',
  'ConflictError.currentVersion': FIGURE,
  'ConflictError.message': FIGURE,
  'EnrolmentRefusedError.message': FIXED,
  'ForbiddenError.lacking': FIGURE,
  'ForbiddenError.message': FIGURE,
  'ForbiddenError.permission': FIGURE,
  'IdempotencyMismatchError.message': FIXED,
  'InUseError.usedBy.count': FIGURE,
  'InUseError.usedBy.type': FIGURE,
  'InvalidCredentialsError.message': FIXED,
  'InvalidStateError.allowed': FIGURE,
  'InvalidStateError.current': FIGURE,
  'InvalidStateError.message': `${OWN_OBJECT}: of an image, its own errorMessage`,
  'LastAdministratorError.message': ADMINISTRATORS,
  'NoSuitableNodeError.verdicts.fits': FIGURE,
  'NoSuitableNodeError.verdicts.hostname': INFRASTRUCTURE,
  'NoSuitableNodeError.verdicts.nodeId': INFRASTRUCTURE,
  'NoSuitableNodeError.verdicts.score': FIGURE,
  'NoSuitableNodeError.verdicts.scoreParts.name': FIGURE,
  'NoSuitableNodeError.verdicts.scoreParts.value': FIGURE,
  'NotConfiguredError.message': FIXED,
  'NotConfiguredError.setting': FIXED,
  'NotFoundError.message': FIGURE,
  'NotFoundError.resourceType': FIGURE,
  'PlanStaleError.message': FIXED,
  'PoolExhaustedError.capacityBytes': FIGURE,
  'PoolExhaustedError.claimedBytes': FIGURE,
  'PoolExhaustedError.message': `${OWN_OBJECT}: new volumes are in pools that the caller sees`,
  'PoolExhaustedError.requestedBytes': FIGURE,
  'ProtectedError.message': FIXED,
  'QuotaExceededError.limit': FIGURE,
  'QuotaExceededError.message': FIGURE,
  'QuotaExceededError.requested': FIGURE,
  'QuotaExceededError.resource': FIGURE,
  'QuotaExceededError.used': FIGURE,
  'StaleRecommendationError.message': ADMINISTRATORS,
  'StaleRecommendationError.reason': ADMINISTRATORS,
  'SubnetExhaustedError.cidr': OWN_OBJECT,
  'SubnetExhaustedError.message': OWN_OBJECT,
  'SubnetExhaustedError.network': OWN_OBJECT,
  'SubnetExhaustedError.totalAddresses': FIGURE,
  'SubnetExhaustedError.usedAddresses': FIGURE,
  'TooManyAttemptsError.message': FIGURE,
  'TooManyAttemptsError.retryAfterMs': FIGURE,
  'ValidationError.issues.path': FIGURE,
};

it('every field of every error is in a situation of these, or has a reason why it needs none', () => {
  expect([...seen, ...Object.keys(REASONS)].sort()).toEqual(ERROR_LEAVES);
});

/** What tells of others without being an error. */
const QUERIES = {
  explainPlacement: `query ($id: ID!) { explainPlacement(input: { virtualMachineId: $id }) { ${leaves('PlacementExplanation')} } }`,
  planMaintenance: `query ($id: ID!) { planMaintenance(nodeId: $id) { remaining
    blockers { virtualMachine { id name } targetNode { id } ${leaves('MaintenanceMove')} }
    moves { virtualMachine { id name } targetNode { id } ${leaves('MaintenanceMove')} } } }`,
} as const;

it.each([
  ['explainPlacement', 'where its machine cannot be', () => secret.tiedMachine()],
  ['planMaintenance', 'what else is on a node', async () => secret.node],
] as const)('%s does not tell a member %s', async (field, _what, about) => {
  const { id } = await about();
  const ask = (client: Client) =>
    client.answer<Record<string, object>, unknown>(QUERIES[field], { id });
  const [told, answer] = [await ask(secret.admin), await ask(secret.member)];
  expect(JSON.stringify(told)).toContain(MARK);
  expect(answer.errors).toEqual([]);
  expect(answer.data?.[field]).toEqual(expect.any(Object));
  expect(secret.leaksIn([answer.data, answer.errors], { id })).toEqual([]);
});

it('what an administrator was told is not told by the audit to members of the project that it was about', async () => {
  const about: string[] = [];
  for (const { mutation, input, tells } of Object.values(SITUATIONS)) {
    if (tells.length === 0) continue;
    const given = (await input()) as { id?: string; virtualMachineId?: string };
    expect((await mutate(secret.admin, mutation, { ...given })).__typename).toMatch(/Error$/);
    about.push(given.id ?? given.virtualMachineId ?? '');
  }
  const query = `{ auditEntries(first: 100, filter: { status: { eq: FAILED } }) { nodes { resourceId details } } }`;
  const entries = async (client: Client) => {
    const { data, errors } = await client.answer<{ auditEntries: { nodes: Entry[] } }, unknown>(
      query,
    );
    expect(errors).toEqual([]);
    return data?.auditEntries.nodes ?? [];
  };
  interface Entry {
    readonly resourceId: string | null;
    readonly details: { readonly error?: { readonly code: string; readonly message?: string } };
  }
  const [all, some] = [await entries(secret.admin), await entries(secret.member)];
  expect(JSON.stringify(all)).toContain(MARK);
  expect(secret.leaksIn(some, { given: ADDRESS })).toEqual([]);
  // They do hear that it was refused, and as what; of their own calls, in the words that were theirs.
  const machine = about[0];
  const of = (list: Entry[]) => list.filter(({ resourceId }) => resourceId === machine);
  expect(of(all)).toMatchObject([
    { details: { error: { message: expect.stringContaining(MARK) } } },
  ]);
  expect(of(some)).toEqual([
    { resourceId: machine, details: { error: { code: 'ADDRESS_IN_USE' } } },
  ]);
  await mutate(secret.member, 'attachNetworkInterface', {
    virtualMachineId: machine,
    nic: { name: 'eth1', networkId: secret.sharedNetwork.id, ipAddresses: [ADDRESS] },
  });
  expect(of(await entries(secret.member))).toHaveLength(2);
  expect(
    of(await entries(secret.member)).map(({ details }) => details.error?.message),
  ).toContainEqual(expect.stringContaining('another project'));
});
