/** Storage pools in the API. */

import { mayRead } from '../../core/entity.js';
import { builder } from '../../graphql/builder.js';
import { relationList, relationOne, rootList } from '../../graphql/connection.js';
import { editable, labelsField, rootOne } from '../../graphql/fields.js';
import { viewerCan } from '../../graphql/viewer-can.js';
import { encodeGlobalId } from '../../ids.js';
import { NodeEntity } from '../node/queries.js';
import { ProjectEntity } from '../project/queries.js';
import { ProjectRef } from '../project/schema.js';
import { tasks } from '../task/queries.js';
import { TaskRef } from '../task/schema.js';
import { readPoolSpec } from './pool-spec.js';
import { PoolSpecType } from './pool-spec-schema.js';
import { PoolPhaseEnum, PoolTypeEnum, StoragePoolEntity, storagePools } from './queries.js';

export const StoragePoolRef = builder.prismaNode('StoragePool', {
  id: { field: 'id' },
  description: 'Space for volumes and images: shared by all projects, or of one.',
  select: { id: true },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique.' }),
    description: t.exposeString('description', { description: 'For people.' }),
    poolType: t.expose('poolType', { type: PoolTypeEnum, description: 'What keeps its data.' }),
    phase: t.expose('phase', { type: PoolPhaseEnum, description: 'Its state.' }),
    errorMessage: t.exposeString('errorMessage', {
      description: 'What is wrong with it; empty when nothing is.',
    }),
    capacityBytes: t.expose('capacityBytes', {
      type: 'BigInt',
      description: 'How much it holds, in bytes.',
    }),
    usedBytes: t.expose('usedBytes', {
      type: 'BigInt',
      description: 'How much is in use, in bytes.',
    }),
    availableBytes: t.expose('availableBytes', {
      type: 'BigInt',
      description: 'How much is left, in bytes.',
    }),
    claimedBytes: t.expose('claimedBytes', {
      type: 'BigInt',
      description: 'What is set aside for its volumes, in bytes.',
    }),
    labels: labelsField(t),
    spec: t.field({
      type: PoolSpecType,
      description: 'How it is set up. Secrets are never shown.',
      select: { spec: true, poolType: true },
      resolve: (pool) => readPoolSpec(pool.poolType, pool.spec),
    }),
    assignedNodeIds: t.field({
      type: ['ID'],
      description: 'The hypervisor nodes that it is assigned to.',
      select: { assignedNodeIds: true },
      resolve: (pool, _args, { viewer }) =>
        viewer && mayRead(viewer, NodeEntity.visibility)
          ? pool.assignedNodeIds.map((id) => encodeGlobalId('HypervisorNode', id))
          : [],
    }),
    project: relationOne(
      t,
      'project',
      ProjectEntity,
      'The project that it belongs to; null: all projects share it.',
    ),
    tasks: relationList(t, 'tasks', tasks, 'What was and is done to it, newest first.'),
    ...editable(t),
  }),
});

viewerCan(StoragePoolRef, StoragePoolEntity, {
  Update: 'storage:update',
  Delete: 'storage:delete',
});

builder.prismaObjectField(TaskRef, 'storagePool', (t) =>
  relationOne(
    t,
    'pool',
    StoragePoolEntity,
    'The storage pool that it is about, while that exists.',
  ),
);

builder.prismaObjectField(ProjectRef, 'storagePools', (t) =>
  relationList(
    t,
    'storagePools',
    storagePools,
    'Storage pools of its own, without the shared ones.',
  ),
);

rootOne('storagePool', StoragePoolEntity, 'storage pool');
rootList('storagePools', storagePools, 'The storage pools that you may see.');
