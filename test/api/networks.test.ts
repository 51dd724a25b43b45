/** Virtual networks: their addresses must be consistent, must not overlap with what routes together, and stay while used. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { graphql } from '../gen/gql.js';
import type { CreateVirtualNetworkInput } from '../gen/graphql.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import type { Made } from '../support/seed.js';

const Create = graphql(`
  mutation NetworkTestCreate($input: CreateVirtualNetworkInput!) {
    createVirtualNetwork(input: $input) {
      __typename
      ... on CreateVirtualNetworkPayload { virtualNetwork { id name cidr gateway vlanId mtu version phase project { id } } }
      ... on ValidationError { issues { path message } }
      ... on UserError { code message path }
    }
  }
`);
const Update = graphql(`
  mutation NetworkTestUpdate($input: UpdateVirtualNetworkInput!) {
    updateVirtualNetwork(input: $input) {
      __typename
      ... on UpdateVirtualNetworkPayload { virtualNetwork { cidr gateway dhcpEnabled description } }
      ... on ValidationError { issues { path message } }
      ... on UserError { code message }
    }
  }
`);
const Delete = graphql(`
  mutation NetworkTestDelete($input: DeleteVirtualNetworkInput!) {
    deleteVirtualNetwork(input: $input) {
      __typename
      ... on InUseError { usedBy { type count names } }
      ... on UserError { code message }
    }
  }
`);

let world: TestApp;
let admin: Client;
let operator: Client;
let ours: Made;
let theirs: Made;

beforeAll(async () => {
  world = await createTestApp();
  ours = await world.seed.project();
  theirs = await world.seed.project();
  await world.seed.user('ADMIN', { username: 'ada' });
  await world.seed.user('OPERATOR', { username: 'olga', projects: { [ours.uuid]: 'OPERATOR' } });
  [admin, operator] = [await world.signIn('ada'), await world.signIn('olga')];
});
afterAll(() => world.stop());

let count = 0;
const unique = () => `net-${++count}`;
const create = async (client: Client, input: Partial<CreateVirtualNetworkInput>) =>
  (await client.run(Create, { input: { name: unique(), networkType: 'OVERLAY', ...input } }))
    .createVirtualNetwork;

/** Creates one that must succeed. */
async function made(client: Client, input: Partial<CreateVirtualNetworkInput>) {
  const answer = await create(client, input);
  if (answer.__typename !== 'CreateVirtualNetworkPayload' || !answer.virtualNetwork)
    throw new Error(JSON.stringify(answer));
  return answer.virtualNetwork;
}

describe('creating a network', () => {
  it('keeps what was sent', async () => {
    const network = await made(operator, {
      projectId: ours.id,
      cidr: '10.1.0.0/24',
      gateway: '10.1.0.1',
      mtu: 9000,
    });
    expect(network).toMatchObject({
      cidr: '10.1.0.0/24',
      gateway: '10.1.0.1',
      mtu: 9000,
      phase: 'READY',
      project: { id: ours.id },
    });
  });

  it.each([
    '10.2.0/24',
    '10.2/16',
    '012.2.0.0/24',
    '0x0a.2.0.0/24',
    '167903232/24',
    'fe80::%eth0/64',
    '10.2.0.0',
    '10.2.0.0/33',
    '/24',
  ])('does not guess what %s is short for', async (cidr) => {
    const input = { name: unique(), networkType: 'OVERLAY', cidr };
    const { errors } = await admin.answer(String(Create), { input });
    expect(errors).toMatchObject([
      { message: expect.stringContaining(`$input.cidr: "${cidr}" is not a CIDR`) },
    ]);
  });

  it.each([
    [{ networkType: 'VLAN' as const }, 'vlanId'],
    [{ vlanId: 7 }, 'vlanId'],
    [{ gateway: '10.2.0.1' }, 'gateway'],
    [{ cidr: '10.2.0.0/24', gateway: '10.3.0.1' }, 'gateway'],
    [{ cidr: '10.2.0.0/24', gateway: '10.2.0.0' }, 'gateway'],
    [{ cidr: '10.2.0.0/24', gateway: '10.2.0.255' }, 'gateway'],
    [{ cidr: '10.2.0.0/24', gateway: 'fd00::1' }, 'gateway'],
    [{ dhcpEnabled: true }, 'cidr'],
    [{ cidr: '10.2.0.0/24', dhcpEnabled: true }, 'dhcpRangeStart'],
    [{ cidr: '10.2.0.0/24', dhcpRangeStart: '10.2.0.9' }, 'dhcpRangeEnd'],
    [{ cidr: '10.2.0.0/24', dhcpRangeStart: '10.2.0.9', dhcpRangeEnd: '10.2.0.5' }, 'dhcpRangeEnd'],
    [
      {
        cidr: '10.2.0.0/24',
        gateway: '10.2.0.7',
        dhcpRangeStart: '10.2.0.5',
        dhcpRangeEnd: '10.2.0.9',
      },
      'dhcpRangeStart',
    ],
    [{ mtu: 100 }, 'mtu'],
  ])('refuses %j and blames %s', async (input, field) => {
    const answer = await create(admin, input);
    expect(answer).toMatchObject({ __typename: 'ValidationError', issues: [{ path: [field] }] });
  });

  it('refuses a VLAN that is taken, and names it', async () => {
    await made(admin, { networkType: 'VLAN', vlanId: 42 });
    const answer = await create(admin, { networkType: 'VLAN', vlanId: 42 });
    expect(answer).toMatchObject({ code: 'ALREADY_EXISTS', path: ['vlanId'] });
  });

  it('is for administrators without a project, and for members with one', async () => {
    expect(await create(operator, {})).toMatchObject({ code: 'FORBIDDEN' });
    expect(await create(operator, { projectId: theirs.id })).toMatchObject({
      code: 'NOT_FOUND',
      path: ['projectId'],
    });
  });
});

describe('addresses', () => {
  it('do not overlap within a project or with shared networks', async () => {
    const shared = await made(admin, { cidr: '172.16.0.0/16' });
    const answer = await create(operator, { projectId: ours.id, cidr: '172.16.5.0/24' });
    expect(answer).toMatchObject({
      __typename: 'ValidationError',
      issues: [{ path: ['cidr'], message: expect.stringContaining(shared.name) }],
    });
  });

  it('may be the same in two projects, and in isolated networks', async () => {
    await made(admin, { projectId: ours.id, cidr: '192.168.1.0/24' });
    await made(admin, { projectId: theirs.id, cidr: '192.168.1.0/24' });
    await made(admin, { projectId: ours.id, cidr: '192.168.1.0/24', networkType: 'ISOLATED' });
  });

  it('are given once when ten ask for overlapping ones at the same moment', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        create(operator, { projectId: ours.id, cidr: `10.77.0.0/${16 + (i % 5)}` }),
      ),
    );
    expect(answers.filter((a) => a.__typename === 'CreateVirtualNetworkPayload')).toHaveLength(1);
    expect(answers.filter((a) => a.__typename === 'ValidationError')).toHaveLength(9);
  });
});

describe('changing a network', () => {
  it('checks what it would become, and null takes an address away', async () => {
    const { id } = await made(admin, { cidr: '10.9.0.0/24', gateway: '10.9.0.1' });
    const update = async (input: object) =>
      (await admin.run(Update, { input: { id, ...input } })).updateVirtualNetwork;
    expect(await update({ cidr: '10.10.0.0/24' })).toMatchObject({
      __typename: 'ValidationError',
      issues: [{ path: ['gateway'] }],
    });
    expect(
      await update({ gateway: null, cidr: '10.10.0.0/24', description: 'moved' }),
    ).toMatchObject({
      virtualNetwork: { cidr: '10.10.0.0/24', gateway: null, description: 'moved' },
    });
  });
});

describe('deleting a network', () => {
  it('is refused while an interface is on it, and names the machines', async () => {
    const network = await made(operator, { projectId: ours.id });
    const uuid = (
      await world.data.db.virtualNetwork.findUniqueOrThrow({ where: { name: network.name } })
    ).id;
    const vm = await world.seed.vm(ours, { name: 'wired' });
    await world.seed.networkInterface(vm, { ...network, uuid });
    await world.seed.networkInterface(vm, { ...network, uuid });
    const remove = async () =>
      (await operator.run(Delete, { input: { id: network.id } })).deleteVirtualNetwork;
    expect(await remove()).toMatchObject({
      code: 'IN_USE',
      usedBy: [{ type: 'VirtualMachine', count: 1, names: ['wired'] }],
    });
    // which no command writes, but an earlier release may have
    const stray = await world.seed.vm(theirs, { name: 'a-stray' });
    await world.seed.networkInterface(stray, { ...network, uuid });
    expect(await remove()).toMatchObject({ usedBy: [{ count: 2, names: ['wired'] }] });
    await world.data.db.virtualMachine.deleteMany({ where: { id: { in: [vm.uuid, stray.uuid] } } });
    expect(await remove()).toMatchObject({ __typename: 'DeleteVirtualNetworkPayload' });
  });
});
