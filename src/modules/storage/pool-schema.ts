/** Storage pools in the API. */

import { builder } from '../../graphql/builder.js';
import { relationList, relationOne, rootList } from '../../graphql/connection.js';
import { editable, labelsField, rootOne } from '../../graphql/fields.js';
import { encodeGlobalId } from '../../ids.js';
import { ProjectEntity } from '../project/queries.js';
import { ProjectRef } from '../project/schema.js';
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
      resolve: (pool) => pool.assignedNodeIds.map((id) => encodeGlobalId('HypervisorNode', id)),
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
