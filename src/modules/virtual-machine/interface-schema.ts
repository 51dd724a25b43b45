/** Network interfaces in the API: reached through their machine or their network, and changed with the machine. */
import { builder } from '../../graphql/builder.js';
import { relationList, relationOne } from '../../graphql/connection.js';
import { expectedVersion, target, timestamps } from '../../graphql/fields.js';
import { mutationField } from '../../graphql/mutation.js';
import { encodeGlobalId } from '../../ids.js';
import { VirtualNetworkEntity } from '../network/queries.js';
import { VirtualNetworkRef } from '../network/schema.js';
import { SecurityGroupEntity } from '../security/queries.js';
import { SecurityGroupRef } from '../security/schema.js';
import * as commands from './interface-commands.js';
import { NetworkInterfaceEntity, networkInterfaces, VirtualMachineEntity } from './queries.js';
import { VirtualMachineRef } from './schema.js';
import { NicInput } from './spec-inputs.js';

type Nested = (query: object) => { select?: object };

builder.prismaNode('NetworkInterface', {
  id: { field: 'id' },
  description: 'A network interface of a virtual machine, with the addresses that it was given.',
  select: { id: true },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique within the machine.' }),
    macAddress: t.expose('macAddress', {
      type: 'MACAddress',
      description: 'Unique in the datacenter.',
    }),
    position: t.exposeInt('position', {
      description: 'Its turn in the order that the guest sees; there may be gaps.',
    }),
    ipAddresses: t.field({
      type: ['IPAddress'],
      description: 'The addresses that it holds; none on a network without a cidr.',
      select: { addresses: { select: { address: true }, orderBy: { address: 'asc' } } },
      resolve: (nic) => nic.addresses.map(({ address }) => address),
    }),
    virtualMachine: relationOne(t, 'virtualMachine', VirtualMachineEntity, 'The machine.'),
    virtualNetwork: relationOne(t, 'network', VirtualNetworkEntity, 'The network that it is on.'),
    securityGroups: t.field({
      type: [SecurityGroupRef],
      description: 'The groups whose rules apply, at most 16.',
      extensions: {
        pothosPrismaSelect: (_args: object, _context: object, nested: Nested) => ({
          select: {
            securityGroups: {
              select: {
                securityGroup: nested({
                  select: { id: true, ...SecurityGroupEntity.visibility.needs },
                }),
              },
              orderBy: { securityGroup: { name: 'asc' } },
            },
          },
        }),
      },
      resolve: (nic, _args, { viewer }) => {
        const members = (nic as unknown as { securityGroups?: { securityGroup: object }[] })
          .securityGroups;
        const groups = (members ?? []).map(({ securityGroup }) => securityGroup);
        return groups.filter(
          (group) =>
            viewer && SecurityGroupEntity.visibility.sees(viewer, group as Record<string, unknown>),
        ) as never[];
      },
    }),
    ...timestamps(t),
  }),
});

builder.prismaObjectField(VirtualMachineRef, 'networkInterfaces', (t) =>
  relationList(t, 'networkInterfaces', networkInterfaces, 'Its network interfaces.'),
);
builder.prismaObjectField(VirtualNetworkRef, 'networkInterfaces', (t) =>
  relationList(
    t,
    'networkInterfaces',
    networkInterfaces,
    'The network interfaces on it, of virtual machines that you may see.',
  ),
);

const virtualMachine = {
  entity: VirtualMachineEntity,
  description: 'The virtual machine as it now is.',
  id: (r: { virtualMachineId: string }) => r.virtualMachineId,
};
const networkInterface = {
  entity: NetworkInterfaceEntity,
  description: 'The network interface as it now is.',
  id: (r: { networkInterfaceId: string }) => r.networkInterfaceId,
};

// biome-ignore lint/suspicious/noExplicitAny: the input field builder of each mutation
const ofMachine = (t: any) => ({
  virtualMachineId: target(t, 'virtual machine'),
  expectedVersion: expectedVersion(t),
});
// biome-ignore lint/suspicious/noExplicitAny: see above
const named = (t: any) =>
  t.string({ required: true, description: 'The name of the network interface.' });

mutationField('attachNetworkInterface', commands.attachNetworkInterface, {
  description:
    'Adds a network interface to a virtual machine that is off or runs, with a MAC address and an address of its network.',
  input: (t) => ({
    ...ofMachine(t),
    nic: t.field({ type: NicInput, required: true, description: 'What it should be.' }),
  }),
  entities: { virtualMachine, networkInterface },
});

mutationField('detachNetworkInterface', commands.detachNetworkInterface, {
  description:
    'Takes a network interface away from a virtual machine that is off or runs. Its addresses become free.',
  input: (t) => ({ ...ofMachine(t), name: named(t) }),
  entities: { virtualMachine },
  fields: (t) => ({
    detachedNetworkInterfaceId: t.id({
      description: 'The id that is gone.',
      resolve: ({ result }) =>
        encodeGlobalId('NetworkInterface', result.detachedNetworkInterfaceId),
    }),
  }),
});

mutationField('setInterfaceSecurityGroups', commands.setInterfaceSecurityGroups, {
  description:
    'Replaces the security groups of a network interface, of a virtual machine that is off or runs.',
  input: (t) => ({
    ...ofMachine(t),
    name: named(t),
    securityGroupIds: t.idList({
      required: true,
      description:
        'All its groups, at most 16, of the project; an empty list takes every one away.',
    }),
  }),
  entities: { virtualMachine, networkInterface },
});
