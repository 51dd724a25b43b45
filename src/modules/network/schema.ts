/** Virtual networks in the API. */
import { builder } from '../../graphql/builder.js';
import { relationList, relationOne, rootList } from '../../graphql/connection.js';
import { editable, rootOne } from '../../graphql/fields.js';
import { ProjectEntity } from '../project/queries.js';
import { ProjectRef } from '../project/schema.js';
import { networkOf } from './addresses.js';
import {
  NetworkPhaseEnum,
  NetworkTypeEnum,
  VirtualNetworkEntity,
  virtualNetworks,
} from './queries.js';

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
    project: relationOne(
      t,
      'project',
      ProjectEntity,
      'The project that it belongs to; null: all projects share it.',
    ),
    ...editable(t),
  }),
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
