/** Recommendations of load balancing in the API. */
import { builder } from '../../graphql/builder.js';
import { relationList, relationOne, rootList } from '../../graphql/connection.js';
import { editable, rootOne } from '../../graphql/fields.js';
import { viewerCan } from '../../graphql/viewer-can.js';
import { ClusterEntity } from '../cluster/queries.js';
import { ClusterRef } from '../cluster/schema.js';
import { NodeEntity } from '../node/queries.js';
import { NodeRef } from '../node/schema.js';
import { UserEntity } from '../user/queries.js';
import { UserRef } from '../user/schema.js';
import { VirtualMachineEntity } from '../virtual-machine/queries.js';
import { VirtualMachineRef } from '../virtual-machine/schema.js';
import {
  DrsPriorityEnum,
  DrsRecommendationEntity,
  DrsRecommendationTypeEnum,
  DrsStatusEnum,
  drsRecommendations,
} from './queries.js';

export const DrsRecommendationRef = builder.prismaNode('DrsRecommendation', {
  id: { field: 'id' },
  description: 'What load balancing would do in a cluster, and why.',
  select: { id: true },
  fields: (t) => ({
    priority: t.expose('priority', { type: DrsPriorityEnum, description: 'How much it matters.' }),
    recommendationType: t.expose('recommendationType', {
      type: DrsRecommendationTypeEnum,
      description: 'What to do.',
    }),
    status: t.expose('status', { type: DrsStatusEnum, description: 'What became of it.' }),
    reason: t.exposeString('reason', { description: 'Why, for people.' }),
    impactCpu: t.exposeFloat('impactCpu', {
      description: 'CPU load that the source node loses, in percentage points.',
    }),
    impactMemory: t.exposeFloat('impactMemory', {
      description: 'Memory load that the source node loses, in percentage points.',
    }),
    estimatedDurationSeconds: t.exposeInt('estimatedDuration', {
      description: 'How long it would take, in seconds.',
    }),
    cluster: relationOne(t, 'cluster', ClusterEntity, 'The cluster that it is about.'),
    virtualMachine: relationOne(
      t,
      'virtualMachine',
      VirtualMachineEntity,
      'The virtual machine to move; null: it is about a node.',
    ),
    sourceNode: relationOne(
      t,
      'sourceNode',
      NodeEntity,
      'The hypervisor node that is relieved; null: none is.',
    ),
    targetNode: relationOne(
      t,
      'targetNode',
      NodeEntity,
      'The hypervisor node that takes over, or that is switched; null: there is none.',
    ),
    appliedBy: relationOne(
      t,
      'appliedBy',
      UserEntity,
      'Who had it done; null when nobody did, when it happened by itself, or when the user is not visible to you.',
    ),
    appliedAt: t.expose('appliedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was done; null: it was not.',
    }),
    ...editable(t),
  }),
});

viewerCan(DrsRecommendationRef, DrsRecommendationEntity, { Update: 'drs:update' });

builder.prismaObjectField(ClusterRef, 'drsRecommendations', (t) =>
  relationList(
    t,
    'drsRecommendations',
    drsRecommendations,
    'Recommendations for it that you may see, the most pressing first.',
  ),
);
builder.prismaObjectField(VirtualMachineRef, 'drsRecommendations', (t) =>
  relationList(
    t,
    'recommendations',
    drsRecommendations,
    'Recommendations to move it, the most pressing first.',
  ),
);
builder.prismaObjectField(NodeRef, 'drsRecommendationsFrom', (t) =>
  relationList(
    t,
    'recommendationsFrom',
    drsRecommendations,
    'Recommendations to relieve it that you may see, the most pressing first.',
  ),
);
builder.prismaObjectField(NodeRef, 'drsRecommendationsTo', (t) =>
  relationList(
    t,
    'recommendationsTo',
    drsRecommendations,
    'Recommendations that it takes over or is switched, as far as you may see them, the most pressing first.',
  ),
);
builder.prismaObjectField(UserRef, 'appliedRecommendations', (t) =>
  relationList(
    t,
    'appliedRecommendations',
    drsRecommendations,
    'Recommendations that this user had done and that you may see.',
  ),
);

rootOne('drsRecommendation', DrsRecommendationEntity, 'recommendation of load balancing');
rootList(
  'drsRecommendations',
  drsRecommendations,
  'The recommendations of load balancing that you may see, the most pressing first.',
);
