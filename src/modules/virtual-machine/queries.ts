/** Virtual machines and their snapshots: seen by the project's members. */
import { type Bin, besideBin, defineEntity, ofProject, through } from '../../core/entity.js';
import * as enums from '../../gen/client/enums.js';
import { builder } from '../../graphql/builder.js';
import { flag, oneOf, range, ref, refThrough, text } from '../../graphql/filters.js';
import { declareList } from '../../graphql/list.js';

const bin = { column: 'deletedAt', anywhere: ofProject('projectId', 'vm:read') };
const outside: Bin = { ...bin, inside: false };
const inside: Bin = { ...bin, inside: true };
const visibility = besideBin(outside);

export const VirtualMachineEntity = defineEntity({
  type: 'VirtualMachine',
  model: 'virtualMachine',
  label: 'name',
  visibility,
  projectColumn: 'projectId',
  bin: outside,
});

/** The machines in the bin: the same type, found here and nowhere else. */
export const BinnedVirtualMachineEntity = {
  ...VirtualMachineEntity,
  visibility: besideBin(inside),
  bin: inside,
};

export const SnapshotEntity = defineEntity({
  type: 'VirtualMachineSnapshot',
  model: 'vmSnapshot',
  label: 'name',
  visibility: through('virtualMachine', visibility),
  projectColumn: null,
});

export const NetworkInterfaceEntity = defineEntity({
  type: 'NetworkInterface',
  model: 'networkInterface',
  label: 'name',
  visibility: through('virtualMachine', visibility),
  projectColumn: null,
});

export const PowerStateEnum = builder.enumType('PowerState', {
  description: 'What was last observed of a virtual machine.',
  values: {
    STOPPED: { value: enums.PowerState.STOPPED, description: 'Off.' },
    RUNNING: { value: enums.PowerState.RUNNING, description: 'On.' },
    PAUSED: { value: enums.PowerState.PAUSED, description: 'Frozen in memory.' },
    SUSPENDED: { value: enums.PowerState.SUSPENDED, description: 'Frozen on disk.' },
    CRASHED: {
      value: enums.PowerState.CRASHED,
      description: 'Ended by a fault of its own or of its hypervisor.',
    },
    UNKNOWN: { value: enums.PowerState.UNKNOWN, description: 'Its node does not report.' },
  },
});

export const DesiredStateEnum = builder.enumType('DesiredState', {
  description: 'What should be of a virtual machine; its agent works towards it.',
  values: {
    STOPPED: { value: enums.DesiredState.STOPPED, description: 'Off.' },
    RUNNING: { value: enums.DesiredState.RUNNING, description: 'On.' },
    PAUSED: { value: enums.DesiredState.PAUSED, description: 'Frozen in memory.' },
    SUSPENDED: { value: enums.DesiredState.SUSPENDED, description: 'Frozen on disk.' },
    DELETED: { value: enums.DesiredState.DELETED, description: 'Gone.' },
  },
});

export const virtualMachines = declareList(VirtualMachineEntity, {
  filter: {
    name: text(),
    description: text(),
    powerState: oneOf('PowerState', PowerStateEnum),
    desiredState: oneOf('DesiredState', DesiredStateEnum),
    project: ref('projectId', 'Project'),
    cluster: ref('clusterId', 'Cluster'),
    hypervisorNode: ref('nodeId', 'HypervisorNode'),
    securityGroup: refThrough(
      'securityGroups',
      'securityGroup',
      'securityGroupId',
      'SecurityGroup',
    ),
    createdBy: ref('createdById', 'User'),
    deletionProtected: flag(),
    createdAt: range(),
    updatedAt: range(),
  },
  order: { NAME: 'name', CREATED_AT: 'createdAt', UPDATED_AT: 'updatedAt' },
});

/** Declared with the filter and the types of the list above; only what comes first is different. */
export const deletedVirtualMachines = declareList(BinnedVirtualMachineEntity, {
  filter: virtualMachines.filter,
  order: { DELETED_AT: 'deletedAt', ...virtualMachines.order },
  defaultDirection: 'DESC',
});

export const SnapshotStateEnum = builder.enumType('SnapshotState', {
  description: 'The state of a snapshot.',
  values: {
    CREATING: { value: enums.SnapshotState.CREATING, description: 'Being taken.' },
    AVAILABLE: { value: enums.SnapshotState.AVAILABLE, description: 'Can be reverted to.' },
    REVERTING: { value: enums.SnapshotState.REVERTING, description: 'Being reverted to.' },
    DELETING: { value: enums.SnapshotState.DELETING, description: 'Being deleted.' },
    ERROR: { value: enums.SnapshotState.ERROR, description: 'Not usable.' },
  },
});

export const snapshots = declareList(SnapshotEntity, {
  filter: { name: text(), state: oneOf('SnapshotState', SnapshotStateEnum), createdAt: range() },
  order: { CREATED_AT: 'createdAt', NAME: 'name' },
});

export const networkInterfaces = declareList(NetworkInterfaceEntity, {
  filter: {
    name: text(),
    macAddress: text(),
    virtualNetwork: ref('networkId', 'VirtualNetwork'),
    virtualMachine: ref('virtualMachineId', 'VirtualMachine'),
    createdAt: range(),
    updatedAt: range(),
  },
  order: { POSITION: 'position', NAME: 'name', CREATED_AT: 'createdAt' },
});
