/** Errors that the operations' own tests do not come to. That every declared error is provoked somewhere is checked at the end of a whole run. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { encodeGlobalId, newId } from '../../src/ids.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import {
  createStage,
  inputFieldsOf,
  MUTATIONS,
  mutate,
  type Stage,
  sampleOf,
} from '../support/mutations.js';
import type { Made } from '../support/seed.js';

let world: TestApp;
let stage: Stage;
beforeAll(async () => {
  world = await createTestApp({ config: { limits: { lockWaitMs: 1 } } as never });
  stage = await createStage(world);
  // Stands for all that another transaction can take away between our rules and our commit: the database refuses the write.
  await world.data.db.$executeRawUnsafe(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF current_setting('test.refuse', true) = 'on' THEN
        RAISE foreign_key_violation USING MESSAGE = 'violates foreign key constraint "gone"';
      END IF;
      RETURN NEW;
    END $$`);
  await world.data.db.$executeRawUnsafe(`
    CREATE TRIGGER refuse BEFORE INSERT ON audit_log FOR EACH ROW
    WHEN (NEW.status = 'SUCCEEDED') EXECUTE FUNCTION refuse()`);
});
afterAll(() => world.stop());

const refuse = (setting: 'on' | 'off') =>
  world.data.db.$executeRaw`SELECT set_config('test.refuse', ${setting}, false)`;

/** A console ticket is used up by the attempt. */
const DONE = /Payload$|^NotFoundError$/;

describe.each(MUTATIONS)('%s', (mutation) => {
  it('is refused for a key that is none, for a row that is gone at the commit, and for a lock that is held', async () => {
    const { client, input } = await sampleOf(mutation, stage);
    const wanted =
      inputFieldsOf(mutation).includes('mode') && 'ids' in input ? { mode: 'ATOMIC' } : {};
    const ask = (more: object = {}) => mutate(client, mutation, { ...input, ...wanted, ...more });
    expect(await ask({ idempotencyKey: 'no key' })).toMatchObject({
      __typename: 'ValidationError',
      path: ['idempotencyKey'],
    });

    const { coordination } = world.app.services;
    const asked = vi.spyOn(coordination, 'lock');
    await refuse('on');
    expect(await ask()).toMatchObject({ __typename: 'ConflictError', currentVersion: null });
    await refuse('off');
    const resources = asked.mock.calls.map(([resource]) => resource);
    asked.mockRestore();

    const request = { holder: 'a test', waitMs: 0 };
    const locks = await Promise.all(resources.map((name) => coordination.lock(name, request)));
    const answer = await ask();
    for (const lock of locks) await lock.release();
    const [item] = (answer.results ?? []) as { outcome: object }[];
    expect(item?.outcome ?? answer).toMatchObject({
      __typename: resources.length > 0 ? 'BusyError' : expect.stringMatching(DONE),
    });
  });
});

const nowhere = (type: string) => encodeGlobalId(type, newId());
const spec = { cpu: { cores: 1 }, memory: { sizeMib: 1024 } };
const seed = () => world.seed;
const vm = (columns: object = {}) => seed().vm(stage.project, columns);
const lost = () => vm({ powerState: 'UNKNOWN' });
const full = async (): Promise<Made> => {
  const network = await seed().network({ cidr: '10.6.0.0/30' });
  const nic = await vm();
  await seed().networkInterface(nic, network, { addresses: ['10.6.0.1', '10.6.0.2'] });
  return network;
};
const attach = async (network: Made, nic: object = {}) => ({
  virtualMachineId: (await vm()).id,
  nic: { name: 'eth0', networkId: network.id, ...nic },
});
const withDisk = async (pool: object = {}, columns: object = {}) => {
  const machine = await vm(columns);
  const attachedVmId = machine.uuid;
  const volume = await seed().volume(stage.project, await seed().pool(pool), {
    attachedVmId,
    phase: 'IN_USE',
  });
  return { machine, volume };
};
const volume = (pool: object = {}, columns: object = {}) =>
  seed()
    .pool(pool)
    .then((made) => seed().claimedVolume(stage.project, made, columns));
const FULL_POOL = { capacityBytes: 10n ** 9n, claimedBytes: 10n ** 9n };
const copied = async () => {
  const source = await volume();
  await seed().task(stage.project, source, {
    operation: 'GROW_VOLUME',
    status: 'RUNNING',
    finishedAt: null,
    resourceType: 'Volume',
    virtualMachineId: null,
    volumeId: source.uuid,
  });
  return { source: { volumeId: source.id } };
};
const snapshotOf = async (columns: object = {}, machine: object = {}) => {
  const owner = await vm(machine);
  const snapshot = await seed().snapshot(owner, columns);
  return { virtualMachineId: owner.id, id: snapshot.id };
};
const image = async (columns: object = {}) => {
  const poolId = (await seed().pool()).uuid;
  return seed().image({ projectId: stage.project.uuid, poolId, ...columns });
};

type Row = readonly [mutation: string, error: string, make: () => Promise<object>];

const REFUSED: readonly Row[] = [
  ['registerHypervisorNode', 'NotFoundError', async () => ({ hostname: 'lonely', managementIp: '192.0.2.9', clusterId: nowhere('Cluster') })],
  ['raiseAlert', 'NotFoundError', async () => ({ severity: 'INFO', title: 'gone', sourceId: nowhere('Cluster') })],
  ['createVolume', 'BusyError', async () => ({ projectId: stage.project.id, poolId: (await seed().pool()).id, name: 'of-busy', ...(await copied()) })],
  ['createVirtualMachine', 'BusyError', async () => {
    const disk = { name: 'root', storagePoolId: (await seed().pool()).id, ...(await copied()) };
    return { projectId: stage.project.id, name: 'of-busy', spec, newDisks: [disk] };
  }],
  ['attachNetworkInterface', 'AddressInUseError', async () => attach(await full(), { ipAddresses: ['10.6.0.1'] })],
  ['attachNetworkInterface', 'SubnetExhaustedError', async () => attach(await full())],
  ['cloneVirtualMachine', 'SubnetExhaustedError', async () => {
    const nics = [{ name: 'eth0', networkId: (await full()).uuid }];
    return { id: (await vm({ spec: { ...spec, nics } })).id, name: 'no-address' };
  }],
  ['cloneVirtualMachine', 'PoolExhaustedError', async () => ({ id: (await withDisk(FULL_POOL)).machine.id, name: 'no-space' })],
  ['cloneVolume', 'PoolExhaustedError', async () => ({ id: (await volume(FULL_POOL)).id, name: 'no-space', mode: 'FULL' })],
  ['cloneVolume', 'QuotaExceededError', async () => {
    const small = await seed().project({ quota: { volumes: 1 } });
    return { id: (await seed().claimedVolume(small)).id, name: 'no-quota', mode: 'FULL' };
  }],
  ['cloneVolume', 'AlreadyExistsError', async () => {
    const { id, name } = await volume();
    return { id, name, mode: 'FULL' };
  }],
  ['updateVolume', 'AlreadyExistsError', async () => {
    const pool = await seed().pool();
    const [one, other] = [await seed().volume(stage.project, pool), await seed().volume(stage.project, pool)];
    return { id: one.id, name: other.name };
  }],
  ['createSecurityGroup', 'AlreadyExistsError', async () => ({ projectId: stage.project.id, name: 'default' })],
  ['updateSecurityGroup', 'AlreadyExistsError', async () => ({ id: (await seed().group(stage.project)).id, name: 'default' })],
  ['updateImage', 'AlreadyExistsError', async () => ({ id: (await image()).id, name: (await image()).name })],
  ['updateUser', 'AlreadyExistsError', async () => ({ id: (await seed().user('VIEWER')).id, email: 'stage-admin@example.test' })],
  ['updateVirtualNetwork', 'AlreadyExistsError', async () => ({ id: (await seed().network()).id, name: (await seed().network()).name })],
  ['updateVirtualMachineSnapshot', 'AlreadyExistsError', async () => {
    const machine = await vm();
    const [one, other] = [await seed().snapshot(machine), await seed().snapshot(machine)];
    return { virtualMachineId: machine.id, id: one.id, name: other.name };
  }],
  ['cloneVirtualMachine', 'InvalidStateError', async () => ({ id: (await lost()).id, name: 'never' })],
  ['attachVolume', 'InvalidStateError', async () => ({ virtualMachineId: (await lost()).id, disk: { name: 'd', volumeId: (await volume()).id } })],
  ['detachVolume', 'InvalidStateError', async () => {
    const { machine, volume } = await withDisk({}, { powerState: 'UNKNOWN' });
    return { virtualMachineId: machine.id, volumeId: volume.id };
  }],
  ['detachCdrom', 'InvalidStateError', async () => ({ virtualMachineId: (await lost()).id, imageId: (await image()).id })],
  ['createVirtualMachineSnapshot', 'InvalidStateError', async () => ({ virtualMachineId: (await lost()).id, name: 'never' })],
  ['deleteVirtualMachineSnapshot', 'InvalidStateError', () => snapshotOf({ state: 'REVERTING' })],
  ['deleteImage', 'InvalidStateError', async () => ({ id: (await image({ phase: 'DELETING' })).id })],
  ['growVolume', 'InvalidStateError', async () => ({ id: (await volume({}, { phase: 'ERROR' })).id, sizeGib: 20 })],
  ['prepareStoragePool', 'InvalidStateError', async () => ({ id: (await seed().pool({ phase: 'DELETING' })).id })],
  ['rejectDrsRecommendation', 'InvalidStateError', async () => ({ id: (await seed().recommendation(stage.cluster, { status: 'APPLIED' })).id })],
]; // biome-ignore format: a table

it.each(REFUSED)('%s can be refused with %s', async (mutation, error, make) => {
  expect(await mutate(stage.admin, mutation, { ...(await make()) })).toMatchObject({
    __typename: error,
  });
});

describe('while no node reports', () => {
  beforeAll(() => world.data.db.node.updateMany({ data: { phase: 'NOT_READY' } }));
  afterAll(() => world.data.db.node.updateMany({ data: { phase: 'READY' } }));

  it.each<readonly [string, () => Promise<object>]>([
    ['cloneVirtualMachine', async () => ({ id: (await withDisk()).machine.id, name: 'unmade' })],
    ['cloneVolume', async () => ({ id: (await volume()).id, name: 'unmade', mode: 'FULL' })],
    ['deleteVolume', async () => ({ id: (await volume()).id })],
    ['deleteImage', async () => ({ id: (await image()).id })],
    ['deleteVirtualMachineSnapshot', () => snapshotOf()],
    ['revertVirtualMachineSnapshot', () => snapshotOf()],
    ['prepareStoragePool', async () => ({ id: (await seed().pool({ phase: 'ERROR' })).id })],
    ['resetVirtualMachine', async () => ({ id: (await vm({ powerState: 'CRASHED' })).id })],
    [
      'registerImage',
      async () => ({
        projectId: stage.project.id,
        poolId: (await seed().pool()).id,
        name: 'unmade',
        sourceUrl: 'https://images.example.test/sample.qcow2',
        format: 'QCOW2',
        osType: 'linux',
      }),
    ],
  ])('%s has nobody to do it', async (mutation, make) => {
    expect(await mutate(stage.admin, mutation, { ...(await make()) })).toMatchObject({
      __typename: 'NoSuitableNodeError',
    });
  });
});

describe('one’s own account', () => {
  let me: Made;
  let client: Client;
  beforeAll(async () => {
    me = await seed().user('OPERATOR');
    client = await world.signIn(me.name);
  });

  it.each([
    ['deleteUser', {}],
    ['revokeUserSessions', {}],
    ['setUserPassword', { password: 'another long password' }],
  ])('is in sight, but not for %s', async (mutation, more) => {
    const answer = await mutate(client, mutation, { id: me.id, ...more });
    expect(answer).toMatchObject({ __typename: 'ForbiddenError' });
  });

  it.each([
    ['revokeSession', [], 'SESSION'],
    ['revokeApiToken', ['token:read'], 'TOKEN'],
  ])('is in sight of the user’s token, but not for %s', async (mutation, scopes, lacking) => {
    const more = scopes.length > 0 ? { scopes } : {};
    const { id, token } = await seed().apiToken(me, more);
    const session = await seed().session(me);
    const input = { id: mutation === 'revokeSession' ? session.id : id };
    expect(await mutate(world.withToken(token), mutation, input)).toMatchObject({
      __typename: 'ForbiddenError',
      lacking,
    });
  });

  it('is not for trying out passwords', async () => {
    const input = { currentPassword: 'a guess', newPassword: 'another long password' };
    const codes: unknown[] = [];
    for (let i = 0; i < 9; i += 1) {
      const { code, __typename } = await mutate(client, 'changePassword', input);
      codes.push(code === 'INVALID_CREDENTIALS' ? code : __typename);
    }
    expect(new Set(codes)).toEqual(new Set(['INVALID_CREDENTIALS', 'TooManyAttemptsError']));
    expect(codes.at(-1)).toBe('TooManyAttemptsError');
  });
});

it('a token that may look at enrolment tokens only is told so when it revokes one', async () => {
  const admin = await seed().user('ADMIN');
  const script = world.withToken((await seed().apiToken(admin, { scopes: ['node:read'] })).token);
  const { id } = await seed().enrolmentToken(stage.cluster);
  expect(await mutate(script, 'revokeEnrolmentToken', { id })).toMatchObject({
    __typename: 'ForbiddenError',
    permission: 'node:create',
    lacking: 'TOKEN',
  });
});
