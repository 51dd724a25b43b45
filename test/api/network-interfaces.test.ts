/** Network interfaces: what they are given, what is refused and who is named, and how they come, go and change. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { changedTables, digest } from '../support/digest.js';
import { createStage, type MutationAnswer, mutate, type Stage } from '../support/mutations.js';
import type { Made } from '../support/seed.js';

let world: TestApp;
let stage: Stage;
/** Operators of two projects that share networks. */
let ours: { project: Made; client: Client };
let theirs: { project: Made; client: Client };

beforeAll(async () => {
  world = await createTestApp({ config: { network: { macPrefix: '06:aa:bb' } } });
  stage = await createStage(world);
  const tenant = async (username: string) => {
    const project = await world.seed.project();
    await world.seed.user('OPERATOR', { username, projects: { [project.uuid]: 'OPERATOR' } });
    return { project, client: await world.signIn(username) };
  };
  [ours, theirs] = [await tenant('olga'), await tenant('tom')];
});
afterAll(() => world.stop());

interface Interface {
  name: string;
  macAddress: string;
  position: number;
  ipAddresses: string[];
  virtualNetwork: { name: string } | null;
  securityGroups: { name: string }[];
}
interface Shown {
  id: string;
  version: number;
  spec: { nics: { name: string; securityGroupIds: string[]; ipAddresses: string[] }[] } | null;
  networkInterfaces: { totalCount: number; nodes: Interface[] };
}
const SHOWN = `id version spec { nics { name securityGroupIds ipAddresses } }
  networkInterfaces { totalCount nodes { name macAddress position ipAddresses virtualNetwork { name } securityGroups { name } } }`;

let count = 0;
async function create(nics: object[], options: { by?: typeof ours; dryRun?: boolean } = {}) {
  const { by = ours, dryRun = false } = options;
  const input = {
    projectId: by.project.id,
    name: `wired-${++count}`,
    spec: { cpu: { cores: 1 }, memory: { sizeMib: 256 }, nics },
    dryRun,
  };
  type Answer = MutationAnswer & { virtualMachine?: Shown };
  const { data, errors } = await by.client.answer<{ answer: Answer }, unknown>(
    `mutation($input: CreateVirtualMachineInput!) { answer: createVirtualMachine(input: $input) {
      __typename
      ... on CreateVirtualMachinePayload { virtualMachine { ${SHOWN} } }
      ... on UserError { code message path }
      ... on AddressInUseError { address holder }
      ... on SubnetExhaustedError { network cidr totalAddresses usedAddresses }
    } }`,
    { input },
  );
  expect(errors).toEqual([]);
  return data?.answer ?? expect.fail('no answer');
}
async function made(nics: object[], options: Parameters<typeof create>[1] = {}): Promise<Shown> {
  const answer = await create(nics, options);
  return answer.virtualMachine ?? expect.fail(JSON.stringify(answer));
}
const addressesOf = (vm: Shown) => vm.networkInterfaces.nodes.map((nic) => nic.ipAddresses);
async function read(id: string, client = ours.client): Promise<Shown> {
  const { data } = await client.answer<{ vm: Shown }, unknown>(
    `query($id: ID!) { vm: virtualMachine(id: $id) { ${SHOWN} } }`,
    { id },
  );
  return data?.vm ?? expect.fail('not there');
}
async function networkOf(id: string, client: Client) {
  const { data, errors } = await client.answer<{ network: Record<string, unknown> }, unknown>(
    `query($id: ID!) { network: virtualNetwork(id: $id) {
      utilisation { totalAddresses usedAddresses freeAddresses }
      networkInterfaces { totalCount nodes { ipAddresses virtualMachine { name } } } } }`,
    { id },
  );
  expect(errors).toEqual([]);
  return data?.network ?? expect.fail('not there');
}
const eth0 = (network: Made, part: object = {}) => ({
  name: 'eth0',
  networkId: network.id,
  ...part,
});

describe('a machine that asks for nothing in particular', () => {
  it('gets the lowest free address of each network, and a MAC address with the prefix', async () => {
    const lan = await world.seed.network({ cidr: '10.1.0.0/24', gateway: '10.1.0.1' });
    const six = await world.seed.network({ cidr: '2001:db8:1::/64', gateway: '2001:db8:1::1' });
    const plain = await world.seed.network();
    const nics = [eth0(lan), { ...eth0(six), name: 'eth1' }, { ...eth0(plain), name: 'eth2' }];
    const vm = await made(nics);
    expect(vm.networkInterfaces).toMatchObject({
      totalCount: 3,
      nodes: [
        {
          name: 'eth0',
          position: 0,
          ipAddresses: ['10.1.0.2'],
          virtualNetwork: { name: lan.name },
        },
        { name: 'eth1', position: 1, ipAddresses: ['2001:db8:1::2'] },
        { name: 'eth2', position: 2, ipAddresses: [], virtualNetwork: { name: plain.name } },
      ],
    });
    for (const { macAddress } of vm.networkInterfaces.nodes)
      expect(macAddress).toMatch(/^06:aa:bb(:[0-9a-f]{2}){3}$/);
    expect(vm.spec?.nics.map((nic) => nic.ipAddresses)).toEqual([[], [], []]);
    expect(addressesOf(await made(nics))).toEqual([['10.1.0.3'], ['2001:db8:1::3'], []]);
  });

  it('gets one of the DHCP range, and nobody is given one around a gateway or what is taken', async () => {
    const dhcp = { dhcpRangeStart: '10.2.0.10', dhcpRangeEnd: '10.2.0.12' };
    const lan = await world.seed.network({ cidr: '10.2.0.0/24', gateway: '10.2.0.1', ...dhcp });
    await made([eth0(lan, { ipAddresses: ['10.2.0.2', '10.2.0.11'] })]);
    expect(addressesOf(await made([eth0(lan)]))).toEqual([['10.2.0.10']]);
    expect(addressesOf(await made([eth0(lan)]))).toEqual([['10.2.0.12']]);
    expect(await create([eth0(lan)])).toMatchObject({
      __typename: 'SubnetExhaustedError',
      code: 'SUBNET_EXHAUSTED',
      path: ['spec', 'nics', '0'],
      network: lan.name,
      cidr: '10.2.0.0/24',
      totalAddresses: '3',
      usedAddresses: '3',
    });
    const middle = await world.seed.network({ cidr: '10.3.0.0/29', gateway: '10.3.0.2' });
    const given = [];
    for (let i = 0; i < 5; i += 1) given.push(addressesOf(await made([eth0(middle)]))[0]?.[0]);
    expect(given).toEqual(['10.3.0.1', '10.3.0.3', '10.3.0.4', '10.3.0.5', '10.3.0.6']);
    expect((await create([eth0(middle)])).code).toBe('SUBNET_EXHAUSTED');
  });

  it('gets what a deleted one has left, and the network counts both', async () => {
    const lan = await world.seed.network({ cidr: '10.4.0.0/30', projectId: ours.project.uuid });
    const first = await made([eth0(lan)]);
    await made([eth0(lan)]);
    const full = { totalAddresses: '2', usedAddresses: '2', freeAddresses: '0' };
    expect(await networkOf(lan.id, ours.client)).toMatchObject({ utilisation: full });
    expect((await create([eth0(lan)])).code).toBe('SUBNET_EXHAUSTED');
    await mutate(ours.client, 'deleteVirtualMachine', { id: first.id });
    expect(await networkOf(lan.id, ours.client)).toMatchObject({
      utilisation: { usedAddresses: '1', freeAddresses: '1' },
    });
    expect(addressesOf(await made([eth0(lan)]))).toEqual([['10.4.0.1']]);
  });

  it('is shown in a dry run what it would get, and holds nothing', async () => {
    const lan = await world.seed.network({ cidr: '10.5.0.0/24' });
    const before = await digest(world.data);
    expect(addressesOf(await made([eth0(lan)], { dryRun: true }))).toEqual([['10.5.0.1']]);
    expect(changedTables(before, await digest(world.data))).toEqual([]);
    expect(addressesOf(await made([eth0(lan)]))).toEqual([['10.5.0.1']]);
  });

  it('on a /64 gets what lies between, and the figures are exact', async () => {
    const six = await world.seed.network({ cidr: '2001:db8:6::/64' });
    await made([eth0(six, { ipAddresses: ['2001:db8:6::1', '2001:db8:6::ffff:ffff:ffff:ffff'] })]);
    expect(addressesOf(await made([eth0(six)]))).toEqual([['2001:db8:6::2']]);
    expect(await networkOf(six.id, ours.client)).toMatchObject({
      utilisation: {
        totalAddresses: '18446744073709551615',
        usedAddresses: '3',
        freeAddresses: '18446744073709551612',
      },
    });
  });
});

describe('an address that is asked for', () => {
  it('is given in any spelling, beside others and outside of the DHCP range', async () => {
    const dhcp = { dhcpRangeStart: '2001:db8:7::a', dhcpRangeEnd: '2001:db8:7::f' };
    const six = await world.seed.network({ cidr: '2001:db8:7::/64', ...dhcp });
    const vm = await made([eth0(six, { ipAddresses: ['2001:DB8:7:0::2', '2001:db8:7::a'] })]);
    expect(addressesOf(vm)).toEqual([['2001:db8:7::2', '2001:db8:7::a']]);
    expect(addressesOf(await made([eth0(six)]))).toEqual([['2001:db8:7::b']]);
  });

  let asked: Made;
  beforeAll(async () => {
    asked = await world.seed.network({ cidr: '10.8.0.0/24', gateway: '10.8.0.1' });
  });

  it.each([
    ['10.9.0.9', 'is not a host address of 10.8.0.0/24'],
    ['10.8.0.0', 'is not a host address of 10.8.0.0/24'],
    ['10.8.0.255', 'is not a host address of 10.8.0.0/24'],
    ['2001:db8::1', 'is not a host address of 10.8.0.0/24'],
    ['10.8.0.1', 'is the gateway of the network'],
    ['10.8.0.7', 'is asked for twice'],
  ])('%s: %s, and nothing is written', async (address, fault) => {
    const before = await digest(world.data);
    const answer = await create([eth0(asked, { ipAddresses: ['10.8.0.7', address] })]);
    expect(answer).toMatchObject({
      code: 'VALIDATION',
      path: ['spec', 'nics', '0', 'ipAddresses', '1'],
      message: expect.stringContaining(`${address} ${fault}`),
    });
    expect(changedTables(before, await digest(world.data))).toEqual(['audit_log']);
  });

  it('and held is refused with the name of the holder, to those who may see it', async () => {
    const lan = await world.seed.network({ cidr: '10.10.0.0/24' });
    const { id } = await made([eth0(lan, { ipAddresses: ['10.10.0.5'] })]);
    const { name } = await world.data.db.virtualMachine.findUniqueOrThrow({
      where: { id: Buffer.from(id, 'base64url').toString().split(':')[1] ?? '' },
    });
    const wanted = [{ ...eth0(lan), name: 'a' }, eth0(lan, { ipAddresses: ['10.10.0.5'] })];
    const path = ['spec', 'nics', '1', 'ipAddresses', '0'];
    const refused = { code: 'ADDRESS_IN_USE', path, address: '10.10.0.5' };
    const toOurs = await create(wanted);
    expect(toOurs).toMatchObject({ ...refused, holder: name });
    expect(toOurs.message).toContain(`the virtual machine ${name}`);
    const toTheirs = await create(wanted, { by: theirs });
    expect(toTheirs).toMatchObject({ ...refused, holder: null });
    expect(toTheirs.message).toContain('held by another project');
  });

  it('is kept in the spec and not checked where nobody manages addresses', async () => {
    const vm = await made([eth0(await world.seed.network(), { ipAddresses: ['192.0.2.1'] })]);
    expect(addressesOf(vm)).toEqual([[]]);
    expect(vm.spec?.nics[0]?.ipAddresses).toEqual(['192.0.2.1']);
  });

  it('may be a MAC address: it is given once', async () => {
    const nic = eth0(await world.seed.network(), { macAddress: '02:00:00:00:10:01' });
    const vm = await made([nic]);
    expect(vm.networkInterfaces.nodes[0]?.macAddress).toBe('02:00:00:00:10:01');
    expect(await create([nic], { by: theirs })).toMatchObject({
      code: 'ALREADY_EXISTS',
      path: ['spec', 'nics', '0', 'macAddress'],
    });
  });
});

describe('a shared network', () => {
  it('shows each tenant its own interfaces, and all of them how full it is', async () => {
    const lan = await world.seed.network({ cidr: '10.11.0.0/24' });
    await made([eth0(lan)]);
    await made([eth0(lan)], { by: theirs });
    const utilisation = { totalAddresses: '254', usedAddresses: '2', freeAddresses: '252' };
    const seen = (addresses: string[]) => ({
      utilisation,
      networkInterfaces: {
        totalCount: addresses.length,
        nodes: addresses.map((address) => ({ ipAddresses: [address] })),
      },
    });
    expect(await networkOf(lan.id, ours.client)).toMatchObject(seen(['10.11.0.1']));
    expect(await networkOf(lan.id, theirs.client)).toMatchObject(seen(['10.11.0.2']));
    expect(await networkOf(lan.id, stage.admin)).toMatchObject({
      networkInterfaces: { totalCount: 2 },
    });
  });

  it('costs one statement with the interfaces on it, their machines and groups, and how full it is', async () => {
    await ours.client.answer('{ viewer { name } }');
    const sql = await world.statementsOf(async () => {
      const { errors } = await ours.client.answer(`{ virtualNetworks(first: 50) { nodes {
        name utilisation { freeAddresses }
        networkInterfaces(first: 5) { totalCount nodes { ipAddresses securityGroups { name } virtualMachine { name } } } } } }`);
      expect(errors).toEqual([]);
    });
    expect(sql).toHaveLength(1);
  });
});

describe('changing the addresses of a network', () => {
  let lan: Made;
  let names: string[];
  beforeAll(async () => {
    const dhcp = { dhcpRangeStart: '10.12.0.100', dhcpRangeEnd: '10.12.0.120' };
    const project = { projectId: ours.project.uuid };
    lan = await world.seed.network({ cidr: '10.12.0.0/24', ...dhcp, ...project });
    names = [`wired-${count + 1}`, `wired-${count + 2}`];
    await made([eth0(lan, { ipAddresses: ['10.12.0.9'] })]);
    await made([eth0(lan), { ...eth0(lan), name: 'eth1' }]);
  });
  const update = (input: object): Promise<MutationAnswer> =>
    mutate(stage.admin, 'updateVirtualNetwork', { id: lan.id, ...input });
  const inUse = (...machines: string[]) => ({
    code: 'IN_USE',
    usedBy: [{ type: 'VirtualMachine', count: machines.length, names: machines }],
  });

  it('is refused where machines would be left outside, and names them', async () => {
    const none = { gateway: null, dhcpRangeStart: null, dhcpRangeEnd: null };
    expect(await update({ ...none, cidr: '10.12.0.192/26' })).toMatchObject(inUse(...names));
    expect(await update({ ...none, cidr: '10.12.0.64/26' })).toMatchObject(inUse(names[0] ?? ''));
    expect(await update({ ...none, cidr: '10.12.0.0/28' })).toMatchObject(inUse(names[1] ?? ''));
    expect(await update({ ...none, cidr: null })).toMatchObject(inUse(...names));
    expect(await update({ gateway: '10.12.0.9' })).toMatchObject(inUse(names[0] ?? ''));
    const later = { dhcpRangeStart: '10.12.0.101', dhcpRangeEnd: '10.12.0.120' };
    expect(await update(later)).toMatchObject(inUse(names[1] ?? ''));
  });

  it('is fine where all stay inside; what was asked for needs no DHCP range', async () => {
    const shorter = { dhcpRangeStart: '10.12.0.100', dhcpRangeEnd: '10.12.0.101' };
    const answer = await update({ ...shorter, cidr: '10.12.0.0/25', gateway: '10.12.0.1' });
    expect(answer.__typename).toBe('UpdateVirtualNetworkPayload');
    expect((await update({ mtu: 1400 })).__typename).toBe('UpdateVirtualNetworkPayload');
  });

  it('and deleting it waits for the last interface', async () => {
    const remove = () => mutate(stage.admin, 'deleteVirtualNetwork', { id: lan.id });
    expect(await remove()).toMatchObject(inUse(...names));
    await world.data.db.virtualMachine.deleteMany({ where: { name: { in: names } } });
    expect((await remove()).__typename).toBe('DeleteVirtualNetworkPayload');
  });
});

describe('wiring a machine that exists', () => {
  const attach = (vm: { id: string }, nic: object, more: object = {}) =>
    mutate(ours.client, 'attachNetworkInterface', { virtualMachineId: vm.id, nic, ...more });
  const detach = (vm: { id: string }, name: string, more: object = {}) =>
    mutate(ours.client, 'detachNetworkInterface', { virtualMachineId: vm.id, name, ...more });
  const groups = (
    vm: { id: string },
    name: string,
    securityGroupIds: string[],
    more: object = {},
  ) =>
    mutate(ours.client, 'setInterfaceSecurityGroups', {
      virtualMachineId: vm.id,
      name,
      securityGroupIds,
      ...more,
    });
  const groupsOf = async (vm: Made) =>
    (
      await world.data.db.vmSecurityGroup.findMany({
        where: { virtualMachineId: vm.uuid },
        orderBy: { securityGroupId: 'asc' },
      })
    ).map(({ securityGroupId }) => securityGroupId);

  it('adds, changes and removes interfaces, in spec and rows, with a new version and a trace each', async () => {
    const { seed, data } = world;
    const lan = await seed.network({ cidr: '10.13.0.0/24' });
    const [web, ssh] = [
      await seed.group(ours.project, { name: 'g-web' }),
      await seed.group(ours.project, { name: 'g-ssh' }),
    ];
    const vm = await seed.vm(ours.project, { powerState: 'RUNNING', desiredState: 'RUNNING' });
    const one = { ...eth0(lan), securityGroupIds: [web.id] };
    expect(await attach(vm, one, { expectedVersion: 1 })).toMatchObject({
      virtualMachine: { version: 2 },
      networkInterface: { name: 'eth0', position: 0, ipAddresses: ['10.13.0.1'] },
    });
    const two = { ...eth0(lan), name: 'eth1', securityGroupIds: [web.id, ssh.id] };
    expect(await attach(vm, two, { expectedVersion: 2 })).toMatchObject({
      networkInterface: { name: 'eth1', position: 1, ipAddresses: ['10.13.0.2'] },
    });
    expect(await groupsOf(vm)).toEqual([web.uuid, ssh.uuid].sort());
    expect(await groups(vm, 'eth1', [web.id], { expectedVersion: 3 })).toMatchObject({
      virtualMachine: { version: 4 },
    });
    expect(await groupsOf(vm)).toEqual([web.uuid]);
    expect(await detach(vm, 'eth0', { expectedVersion: 4 })).toMatchObject({
      detachedNetworkInterfaceId: expect.any(String),
    });
    expect(await groupsOf(vm), 'eth1 still has it').toEqual([web.uuid]);
    expect(await read(vm.id)).toMatchObject({
      version: 5,
      spec: { nics: [{ name: 'eth1', securityGroupIds: [web.id] }] },
      networkInterfaces: {
        nodes: [{ name: 'eth1', ipAddresses: ['10.13.0.2'], securityGroups: [{ name: 'g-web' }] }],
      },
    });
    expect(await attach(vm, eth0(lan))).toMatchObject({
      networkInterface: { position: 2, ipAddresses: ['10.13.0.1'] },
    });

    const trail = await data.db.auditEntry.findMany({
      where: {
        action: { startsWith: 'virtualMachine.' },
        projectId: ours.project.uuid,
        username: 'olga',
      },
      orderBy: { seq: 'asc' },
    });
    const ofInterfaces = trail.filter((entry) => entry.resourceType === 'NetworkInterface');
    expect(ofInterfaces.slice(-3).map(({ action, details }) => [action, details])).toMatchObject([
      [
        'virtualMachine.setInterfaceGroups',
        {
          before: { securityGroupIds: expect.any(Array) },
          after: { securityGroupIds: [web.uuid] },
        },
      ],
      ['virtualMachine.detachInterface', { before: { ipAddresses: ['10.13.0.1'] }, after: null }],
      ['virtualMachine.attachInterface', { before: null, after: { ipAddresses: ['10.13.0.1'] } }],
    ]);
  });

  it('is refused as an edit: an old version, a name that is taken or missing, one too many', async () => {
    const lan = await world.seed.network();
    const vm = await world.seed.vm(ours.project);
    await attach(vm, eth0(lan));
    expect(await attach(vm, { ...eth0(lan), name: 'eth1' }, { expectedVersion: 1 })).toMatchObject({
      code: 'CONFLICT',
      currentVersion: 2,
    });
    expect(await attach(vm, eth0(lan))).toMatchObject({
      code: 'ALREADY_EXISTS',
      path: ['nic', 'name'],
    });
    expect(await detach(vm, 'eth9')).toMatchObject({ code: 'NOT_FOUND', path: ['name'] });
    expect(await groups(vm, 'eth9', [])).toMatchObject({ code: 'NOT_FOUND', path: ['name'] });
    const nics = Array.from({ length: 32 }, (_, i) => ({ ...eth0(lan), name: `n${i}` }));
    expect(await attach(await made(nics), eth0(lan))).toMatchObject({
      code: 'VALIDATION',
      path: ['nic'],
    });
  });

  it('is refused for what the project may not use, with the path of the culprit', async () => {
    const { seed } = world;
    const vm = await seed.vm(ours.project);
    const lan = await seed.network({ cidr: '10.14.0.0/24' });
    const foreign = await seed.network({ projectId: theirs.project.uuid });
    const group = await seed.group(theirs.project);
    expect(await attach(vm, eth0(foreign))).toMatchObject({
      code: 'NOT_FOUND',
      path: ['nic', 'networkId'],
    });
    expect(await attach(vm, eth0(lan, { securityGroupIds: [group.id] }))).toMatchObject({
      code: 'NOT_FOUND',
      path: ['nic', 'securityGroupIds'],
    });
    expect(await attach(vm, eth0(lan, { ipAddresses: ['10.15.0.1'] }))).toMatchObject({
      code: 'VALIDATION',
      path: ['nic', 'ipAddresses', '0'],
    });
    await attach(vm, eth0(lan));
    expect(await groups(vm, 'eth0', [group.id])).toMatchObject({
      code: 'NOT_FOUND',
      path: ['securityGroupIds'],
    });
    expect((await read(vm.id)).version).toBe(2);
  });

  it.each(['PAUSED', 'SUSPENDED', 'CRASHED', 'UNKNOWN'] as const)(
    'is refused while it is %s, and while a task is at work',
    async (powerState) => {
      const lan = await world.seed.network();
      const vm = await world.seed.vm(ours.project, { powerState });
      const nic = await world.seed.networkInterface(vm, lan);
      const state = { __typename: 'InvalidStateError', current: powerState };
      expect(await attach(vm, eth0(lan))).toMatchObject(state);
      expect(await detach(vm, nic.name)).toMatchObject(state);
      expect(await groups(vm, nic.name, [])).toMatchObject(state);
      await world.seed.task(ours.project, vm, { status: 'RUNNING', finishedAt: null });
      expect(await attach(vm, eth0(lan))).toMatchObject({ code: 'BUSY', operation: 'START' });
      expect((await read(vm.id)).version).toBe(1);
    },
  );

  it('at the same moment by many keeps every interface that was promised', async () => {
    const lan = await world.seed.network({ cidr: '10.16.0.0/24' });
    const vm = await world.seed.vm(ours.project);
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) => attach(vm, { ...eth0(lan), name: `n${i}` })),
    );
    expect(answers.map(({ __typename }) => __typename)).toEqual(
      Array(8).fill('AttachNetworkInterfacePayload'),
    );
    const after = await read(vm.id);
    expect([after.version, after.spec?.nics.length]).toEqual([9, 8]);
    expect(new Set(addressesOf(after).flat()).size).toBe(8);
  });
});
