/** Volumes in the API. Which virtual machine one is attached to is told by the module of virtual machines. */
import { builder } from '../../graphql/builder.js';
import { relationList, relationOne, rootList } from '../../graphql/connection.js';
import { editable, labelsField, rootOne } from '../../graphql/fields.js';
import { viewerCan } from '../../graphql/viewer-can.js';
import { ProjectEntity } from '../project/queries.js';
import { ProjectRef } from '../project/schema.js';
import { tasks } from '../task/queries.js';
import { TaskRef } from '../task/schema.js';
import { StoragePoolRef } from './pool-schema.js';
import {
  StoragePoolEntity,
  VolumeEntity,
  VolumePhaseEnum,
  VolumeProvisioningEnum,
  volumes,
} from './queries.js';
import { readVolumeSpec } from './volume-spec.js';
import { VolumeSpecType } from './volume-spec-schema.js';

export const VolumeRef = builder.prismaNode('Volume', {
  id: { field: 'id' },
  description: 'A virtual disk: a part of a storage pool that a virtual machine can use.',
  select: { id: true },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique in its pool.' }),
    phase: t.expose('phase', { type: VolumePhaseEnum, description: 'Its state.' }),
    errorMessage: t.exposeString('errorMessage', {
      description: 'What is wrong with it; empty when nothing is.',
    }),
    provisioning: t.expose('provisioning', {
      type: VolumeProvisioningEnum,
      description: 'When it takes its space in the pool.',
    }),
    sizeBytes: t.expose('sizeBytes', {
      type: 'BigInt',
      description: 'Its size as a virtual machine sees it, in bytes.',
    }),
    actualSizeBytes: t.expose('actualSizeBytes', {
      type: 'BigInt',
      description: 'The space that it takes in the pool, in bytes.',
    }),
    claimedBytes: t.expose('claimedBytes', {
      type: 'BigInt',
      description: 'What is set aside for it in the pool, in bytes.',
    }),
    deletionProtected: t.exposeBoolean('deletionProtected', {
      description: 'Whether every path refuses to delete it.',
    }),
    snapshotCount: t.exposeInt('snapshotCount', { description: 'How many snapshots hold it.' }),
    path: t.exposeString('path', {
      description: 'Where it is in its pool; empty until it is made.',
    }),
    backendId: t.exposeString('backendId', {
      description: 'What the backend of the pool calls it; empty until it is made.',
    }),
    devicePath: t.exposeString('devicePath', {
      description: 'The device on the hypervisor node; empty while it is not connected to one.',
    }),
    labels: labelsField(t),
    spec: t.field({
      type: VolumeSpecType,
      description: 'How it is set up.',
      select: { spec: true },
      resolve: (volume) => readVolumeSpec(volume.spec),
    }),
    pool: relationOne(
      t,
      'pool',
      StoragePoolEntity,
      'The storage pool that it is in; null when it is not visible to you.',
    ),
    project: relationOne(t, 'project', ProjectEntity, 'The project that it belongs to.'),
    parent: relationOne(
      t,
      'parent',
      VolumeEntity,
      'The volume whose blocks this linked clone shares.',
    ),
    clones: relationList(t, 'clones', volumes, 'The linked clones that share its blocks.'),
    tasks: relationList(t, 'tasks', tasks, 'What was and is done to it, newest first.'),
    ...editable(t),
  }),
});

viewerCan(VolumeRef, VolumeEntity, {
  Update: 'storage:update',
  Delete: 'storage:delete',
  Clone: 'storage:create',
});

builder.prismaObjectField(ProjectRef, 'volumes', (t) =>
  relationList(t, 'volumes', volumes, 'Its volumes.'),
);
builder.prismaObjectField(StoragePoolRef, 'volumes', (t) =>
  relationList(t, 'volumes', volumes, 'The volumes in it that you may see.'),
);

builder.prismaObjectField(TaskRef, 'volume', (t) =>
  relationOne(t, 'volume', VolumeEntity, 'The volume that it is about, while that exists.'),
);

rootOne('volume', VolumeEntity, 'volume');
rootList('volumes', volumes, 'The volumes that you may see.');
