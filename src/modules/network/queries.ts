/** Virtual networks: who sees them, and the list. One without a project is shared by all. */
import { defineEntity, ofProject } from '../../core/entity.js';
import * as enums from '../../gen/client/enums.js';
import { builder } from '../../graphql/builder.js';
import { flag, oneOf, range, ref, text } from '../../graphql/filters.js';
import { declareList } from '../../graphql/list.js';

export const VirtualNetworkEntity = defineEntity({
  type: 'VirtualNetwork',
  model: 'virtualNetwork',
  label: 'name',
  visibility: ofProject('projectId', 'network:read', { shared: true }),
  projectColumn: 'projectId',
});

export const NetworkTypeEnum = builder.enumType('NetworkType', {
  description: 'How a virtual network is made.',
  values: {
    VLAN: { value: enums.NetworkType.VLAN, description: 'A VLAN of the physical network.' },
    OVERLAY: {
      value: enums.NetworkType.OVERLAY,
      description: 'Tunnels between hypervisor nodes.',
    },
    EXTERNAL: {
      value: enums.NetworkType.EXTERNAL,
      description: 'A network that leads out of the datacenter.',
    },
    ISOLATED: {
      value: enums.NetworkType.ISOLATED,
      description: 'Leads nowhere: its virtual machines reach only each other.',
    },
  },
});

export const NetworkPhaseEnum = builder.enumType('NetworkPhase', {
  description: 'The state of a virtual network.',
  values: {
    PENDING: { value: enums.NetworkPhase.PENDING, description: 'Declared, not yet usable.' },
    READY: { value: enums.NetworkPhase.READY, description: 'Usable.' },
    ERROR: { value: enums.NetworkPhase.ERROR, description: 'Not usable.' },
    DELETING: { value: enums.NetworkPhase.DELETING, description: 'Being removed.' },
  },
});

export const virtualNetworks = declareList(VirtualNetworkEntity, {
  filter: {
    name: text(),
    description: text(),
    networkType: oneOf('NetworkType', NetworkTypeEnum),
    phase: oneOf('NetworkPhase', NetworkPhaseEnum),
    vlanId: range('Int'),
    mtu: range('Int'),
    dhcpEnabled: flag(),
    project: ref('projectId', 'Project'),
    createdAt: range(),
    updatedAt: range(),
  },
  order: { NAME: 'name', CREATED_AT: 'createdAt' },
});
