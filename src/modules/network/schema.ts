/** Virtual networks in the API. */
import { builder } from '../../graphql/builder.js';
import { relationList, relationOne, rootList } from '../../graphql/connection.js';
import { deletedId, editable, expectedVersion, rootOne, target } from '../../graphql/fields.js';
import { mutationField } from '../../graphql/mutation.js';
import { viewerCan } from '../../graphql/viewer-can.js';
import { ProjectEntity } from '../project/queries.js';
import { ProjectRef } from '../project/schema.js';
import { networkOf } from './addresses.js';
import { createVirtualNetwork, deleteVirtualNetwork, updateVirtualNetwork } from './commands.js';
import {
  NetworkPhaseEnum,
  NetworkTypeEnum,
  VirtualNetworkEntity,
  virtualNetworks,
} from './queries.js';
import { type Utilisation, utilisationOf } from './ranges.js';

const NetworkUtilisation = builder.objectRef<Utilisation>('NetworkUtilisation').implement({
  description:
    'How many addresses a network has for machines: all but its own, the gateway and, in IPv4, the broadcast address.',
  fields: (t) => ({
    totalAddresses: t.expose('totalAddresses', {
      type: 'BigInt',
      description: 'In all; those outside of its DHCP range are only given when asked for.',
    }),
    usedAddresses: t.expose('usedAddresses', {
      type: 'BigInt',
      description: 'Held by network interfaces, those of other projects among them.',
    }),
    freeAddresses: t.expose('freeAddresses', { type: 'BigInt', description: 'The others.' }),
  }),
});

export const VirtualNetworkRef = builder.prismaNode('VirtualNetwork', {
  id: { field: 'id' },
  description: 'A network that virtual machines connect to: shared by all projects, or of one.',
  select: { id: true },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique.' }),
    description: t.exposeString('description', { description: 'For people.' }),
    networkType: t.expose('networkType', {
      type: NetworkTypeEnum,
      description: 'How it is made.',
    }),
    phase: t.expose('phase', { type: NetworkPhaseEnum, description: 'Its state.' }),
    vlanId: t.exposeInt('vlanId', {
      nullable: true,
      description: 'Its VLAN, from 1 to 4094; null when it has none.',
    }),
    mtu: t.exposeInt('mtu', { description: 'The largest packet, in bytes.' }),
    cidr: t.field({
      type: 'CIDR',
      nullable: true,
      description: 'Its addresses; null: the datacenter does not manage them.',
      select: { cidr: true },
      resolve: (network) => networkOf(network.cidr),
    }),
    gateway: t.expose('gateway', {
      type: 'IPAddress',
      nullable: true,
      description: 'The way out of it; null: there is none.',
    }),
    dhcpEnabled: t.exposeBoolean('dhcpEnabled', {
      description: 'Whether virtual machines get their addresses by DHCP.',
    }),
    dhcpRangeStart: t.expose('dhcpRangeStart', {
      type: 'IPAddress',
      nullable: true,
      description: 'The first address that DHCP gives; null: no range is set.',
    }),
    dhcpRangeEnd: t.expose('dhcpRangeEnd', {
      type: 'IPAddress',
      nullable: true,
      description: 'The last address that DHCP gives; null: no range is set.',
    }),
    dnsServers: t.expose('dnsServers', {
      type: ['IPAddress'],
      description: 'Name servers that virtual machines are told of, the preferred one first.',
    }),
    utilisation: t.field({
      type: NetworkUtilisation,
      nullable: true,
      description: 'How full it is; null when it has no cidr.',
      select: { cidr: true, gateway: true, _count: { select: { addresses: true } } },
      resolve: ({ cidr, gateway, _count }) =>
        utilisationOf(networkOf(cidr), gateway, _count.addresses),
    }),
    project: relationOne(
      t,
      'project',
      ProjectEntity,
      'The project that it belongs to; null: all projects share it.',
    ),
    ...editable(t),
  }),
});

viewerCan(VirtualNetworkRef, VirtualNetworkEntity, {
  Update: 'network:update',
  Delete: 'network:delete',
});

builder.prismaObjectField(ProjectRef, 'virtualNetworks', (t) =>
  relationList(
    t,
    'virtualNetworks',
    virtualNetworks,
    'Virtual networks of its own, without the shared ones.',
  ),
);

rootOne('virtualNetwork', VirtualNetworkEntity, 'virtual network');
rootList('virtualNetworks', virtualNetworks, 'The virtual networks that you may see.');

const payload = {
  virtualNetwork: {
    entity: VirtualNetworkEntity,
    description: 'The network as it now is.',
    id: (r: { virtualNetworkId: string }) => r.virtualNetworkId,
  },
};

// biome-ignore lint/suspicious/noExplicitAny: the input field builder of either mutation
const addresses = (t: any) => ({
  cidr: t.field({
    type: 'CIDR',
    description: 'Its addresses; they must not overlap with networks that route together with it.',
  }),
  gateway: t.field({ type: 'IPAddress', description: 'The way out of it, within the cidr.' }),
  dhcpEnabled: t.boolean({ description: 'Whether virtual machines get their addresses by DHCP.' }),
  dhcpRangeStart: t.field({ type: 'IPAddress', description: 'The first address that DHCP gives.' }),
  dhcpRangeEnd: t.field({
    type: 'IPAddress',
    description: 'The last address that DHCP gives; the gateway must not lie between.',
  }),
  dnsServers: t.field({
    type: ['IPAddress'],
    description: 'Name servers, the preferred one first; at most 8.',
  }),
  mtu: t.int({ description: 'The largest packet in bytes, from 576 to 9216; 1500 if not given.' }),
});

mutationField('createVirtualNetwork', createVirtualNetwork, {
  description:
    'Creates a virtual network: of a project, or shared by all, which takes an administrator.',
  input: (t) => ({
    projectId: t.id({ description: 'The project that it belongs to; without one it is shared.' }),
    name: t.string({
      required: true,
      description: 'Unique; lower-case letters, digits and hyphens.',
    }),
    description: t.string({ description: 'For people.' }),
    networkType: t.field({
      type: NetworkTypeEnum,
      required: true,
      description: 'How it is made; stays as it is.',
    }),
    vlanId: t.int({ description: 'For a VLAN: from 1 to 4094, and not taken.' }),
    ...addresses(t),
  }),
  entities: payload,
});

mutationField('updateVirtualNetwork', updateVirtualNetwork, {
  description:
    'Changes what is given of a virtual network and leaves the rest; null takes an address away.',
  input: (t) => ({
    id: target(t, 'virtual network'),
    name: t.string({ description: 'Its new name.' }),
    description: t.string({ description: 'For people.' }),
    ...addresses(t),
    expectedVersion: expectedVersion(t),
  }),
  entities: payload,
});

mutationField('deleteVirtualNetwork', deleteVirtualNetwork, {
  description: 'Deletes a virtual network that no virtual machine is on.',
  input: (t) => ({ id: target(t, 'virtual network'), expectedVersion: expectedVersion(t) }),
  fields: (t) => ({
    deletedVirtualNetworkId: deletedId(t, 'VirtualNetwork', 'deletedVirtualNetworkId'),
  }),
});
