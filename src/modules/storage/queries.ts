/** Storage pools and volumes: who sees them, and their lists. A pool without a project is shared by all. */
import { defineEntity, ofProject } from '../../core/entity.js';
import * as enums from '../../gen/client/enums.js';
import { builder } from '../../graphql/builder.js';
import { flag, oneOf, range, ref, text } from '../../graphql/filters.js';
import { declareList } from '../../graphql/list.js';
import { refList } from '../../graphql/loose-ref.js';

export const StoragePoolEntity = defineEntity({
  type: 'StoragePool',
  model: 'storagePool',
  label: 'name',
  visibility: ofProject('projectId', 'storage:read', { shared: true }),
  projectColumn: 'projectId',
});

export const VolumeEntity = defineEntity({
  type: 'Volume',
  model: 'volume',
  label: 'name',
  visibility: ofProject('projectId', 'storage:read'),
  projectColumn: 'projectId',
});

export const PoolTypeEnum = builder.enumType('StoragePoolType', {
  description: 'What keeps the data of a storage pool.',
  values: {
    CEPH_RBD: { value: enums.PoolType.CEPH_RBD, description: 'Block devices of a Ceph cluster.' },
    CEPH_CEPHFS: {
      value: enums.PoolType.CEPH_CEPHFS,
      description: 'The file system of a Ceph cluster.',
    },
    LOCAL_LVM: {
      value: enums.PoolType.LOCAL_LVM,
      description: 'Logical volumes on disks of one hypervisor node.',
    },
    LOCAL_DIR: {
      value: enums.PoolType.LOCAL_DIR,
      description: 'Files in a directory of one hypervisor node.',
    },
    NFS: { value: enums.PoolType.NFS, description: 'Files on an NFS server.' },
    ISCSI: { value: enums.PoolType.ISCSI, description: 'A block device of an iSCSI target.' },
  },
});

export const PoolPhaseEnum = builder.enumType('StoragePoolPhase', {
  description: 'The state of a storage pool.',
  values: {
    PENDING: { value: enums.PoolPhase.PENDING, description: 'Declared, not yet usable.' },
    READY: { value: enums.PoolPhase.READY, description: 'Usable.' },
    DEGRADED: {
      value: enums.PoolPhase.DEGRADED,
      description: 'Usable, with less redundancy or speed than it should have.',
    },
    ERROR: { value: enums.PoolPhase.ERROR, description: 'Not usable; its error message says why.' },
    DELETING: { value: enums.PoolPhase.DELETING, description: 'Being removed.' },
  },
});

export const VolumeProvisioningEnum = builder.enumType('VolumeProvisioning', {
  description: 'When a volume takes its space in the pool.',
  values: {
    THIN: { value: enums.VolumeProvisioning.THIN, description: 'As it is written to.' },
    THICK_LAZY: {
      value: enums.VolumeProvisioning.THICK_LAZY,
      description: 'At once; blocks are zeroed when first written to.',
    },
    THICK_EAGER: {
      value: enums.VolumeProvisioning.THICK_EAGER,
      description: 'At once, zeroed at once.',
    },
  },
});

export const VolumePhaseEnum = builder.enumType('VolumePhase', {
  description: 'The state of a volume.',
  values: {
    CREATING: { value: enums.VolumePhase.CREATING, description: 'Being made.' },
    READY: {
      value: enums.VolumePhase.READY,
      description: 'Usable, attached to no virtual machine.',
    },
    IN_USE: { value: enums.VolumePhase.IN_USE, description: 'Attached to a virtual machine.' },
    RESIZING: { value: enums.VolumePhase.RESIZING, description: 'Growing.' },
    DELETING: { value: enums.VolumePhase.DELETING, description: 'Being removed.' },
    ERROR: {
      value: enums.VolumePhase.ERROR,
      description: 'Not usable; its error message says why.',
    },
  },
});

export const storagePools = declareList(StoragePoolEntity, {
  filter: {
    name: text(),
    description: text(),
    poolType: oneOf('StoragePoolType', PoolTypeEnum),
    phase: oneOf('StoragePoolPhase', PoolPhaseEnum),
    project: ref('projectId', 'Project'),
    assignedNode: refList('assignedNodeIds', 'HypervisorNode'),
    capacityBytes: range('BigInt'),
    usedBytes: range('BigInt'),
    availableBytes: range('BigInt'),
    createdAt: range(),
    updatedAt: range(),
  },
  order: { NAME: 'name', CREATED_AT: 'createdAt' },
});

export const volumes = declareList(VolumeEntity, {
  filter: {
    name: text(),
    pool: ref('poolId', 'StoragePool'),
    project: ref('projectId', 'Project'),
    attachedVirtualMachine: ref('attachedVmId', 'VirtualMachine'),
    phase: oneOf('VolumePhase', VolumePhaseEnum),
    provisioning: oneOf('VolumeProvisioning', VolumeProvisioningEnum),
    sizeBytes: range('BigInt'),
    actualSizeBytes: range('BigInt'),
    snapshotCount: range('Int'),
    deletionProtected: flag(),
    createdAt: range(),
    updatedAt: range(),
  },
  order: { NAME: 'name', CREATED_AT: 'createdAt', SIZE_BYTES: 'sizeBytes' },
});
