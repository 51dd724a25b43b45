/** Clusters in the API. */
import * as enums from '../../gen/client/enums.js';
import { builder } from '../../graphql/builder.js';
import { rootList } from '../../graphql/connection.js';
import { deletedId, editable, expectedVersion, rootOne, target } from '../../graphql/fields.js';
import { mutationField } from '../../graphql/mutation.js';
import { viewerCan } from '../../graphql/viewer-can.js';
import { createCluster, deleteCluster, updateCluster } from './commands.js';
import { ClusterEntity, clusters } from './queries.js';

export const DrsAutomation = builder.enumType('DrsAutomation', {
  description: 'How much of load balancing happens by itself.',
  values: {
    MANUAL: {
      value: enums.DrsAutomation.MANUAL,
      description: 'Recommendations wait for a person.',
    },
    PARTIAL: {
      value: enums.DrsAutomation.PARTIAL,
      description: 'Initial placement by itself, moves by a person.',
    },
    FULL: {
      value: enums.DrsAutomation.FULL,
      description: 'Recommendations are applied by themselves.',
    },
  },
});

export const ClusterRef = builder.prismaNode('Cluster', {
  id: { field: 'id' },
  description: 'Hypervisor nodes that virtual machines may move between.',
  select: { id: true },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique.' }),
    description: t.exposeString('description', { description: 'For people.' }),
    haEnabled: t.exposeBoolean('haEnabled', {
      description: 'Whether virtual machines restart elsewhere when their node dies.',
    }),
    drsEnabled: t.exposeBoolean('drsEnabled', {
      description: 'Whether load balancing makes recommendations.',
    }),
    drsAutomation: t.expose('drsAutomation', {
      type: DrsAutomation,
      description: 'Who applies recommendations.',
    }),
    ...editable(t),
  }),
});

viewerCan(ClusterRef, ClusterEntity, {
  Update: 'cluster:update',
  Delete: 'cluster:delete',
  EnrolNode: 'node:create',
});

rootOne('cluster', ClusterEntity, 'cluster');
rootList('clusters', clusters, 'All clusters.');

const payload = {
  cluster: {
    entity: ClusterEntity,
    description: 'The cluster as it now is.',
    id: (r: { clusterId: string }) => r.clusterId,
  },
};

// biome-ignore lint/suspicious/noExplicitAny: the input field builder of either mutation
const settings = (t: any) => ({
  description: t.string({ description: 'For people.' }),
  haEnabled: t.boolean({ description: 'Restart virtual machines elsewhere when their node dies.' }),
  drsEnabled: t.boolean({ description: 'Let load balancing make recommendations.' }),
  drsAutomation: t.field({ type: DrsAutomation, description: 'Who applies recommendations.' }),
});

mutationField('createCluster', createCluster, {
  description: 'Creates a cluster without nodes.',
  input: (t) => ({
    name: t.string({
      required: true,
      description: 'Unique; lower-case letters, digits and hyphens.',
    }),
    ...settings(t),
  }),
  entities: payload,
});

mutationField('updateCluster', updateCluster, {
  description: 'Changes what is given of a cluster and leaves the rest.',
  input: (t) => ({
    id: target(t, 'cluster'),
    name: t.string({ description: 'Its new name.' }),
    ...settings(t),
    expectedVersion: expectedVersion(t),
  }),
  entities: payload,
});

mutationField('deleteCluster', deleteCluster, {
  description: 'Deletes a cluster without nodes and virtual machines.',
  input: (t) => ({ id: target(t, 'cluster'), expectedVersion: expectedVersion(t) }),
  fields: (t) => ({ deletedClusterId: deletedId(t, 'Cluster', 'deletedClusterId') }),
});
