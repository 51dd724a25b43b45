/** What callers may do to storage pools. */
import { deletedId, expectedVersion, target } from '../../graphql/fields.js';
import { mutationField } from '../../graphql/mutation.js';
import { TaskEntity } from '../task/queries.js';
import { createStoragePool, deleteStoragePool, updateStoragePool } from './pool-commands.js';
import { backendFields, DefaultsInput, QosInput } from './pool-inputs.js';
import {
  assignStoragePoolNodes,
  prepareStoragePool,
  unassignStoragePoolNodes,
} from './pool-node-commands.js';
import { PoolTypeEnum, StoragePoolEntity } from './queries.js';

const storagePool = {
  entity: StoragePoolEntity,
  description: 'The storage pool as it now is.',
  id: (r: { storagePoolId: string }) => r.storagePoolId,
};
const task = {
  entity: TaskEntity,
  description: 'The task that connects and measures it: follow it to see.',
  id: (r: { taskId: string }) => r.taskId,
};

mutationField('createStoragePool', createStoragePool, {
  description:
    'Declares a storage pool: of a project, or shared by all, which takes an administrator. It is READY when a node has connected and measured it.',
  input: (t) => ({
    projectId: t.id({ description: 'The project that it belongs to; without one it is shared.' }),
    name: t.string({
      required: true,
      description: 'Unique; lower-case letters, digits and hyphens.',
    }),
    poolType: t.field({
      type: PoolTypeEnum,
      required: true,
      description: 'What keeps its data; stays as it is.',
    }),
    description: t.string({ description: 'For people.' }),
    labels: t.field({ type: 'JSON', description: 'Key and value pairs of your own.' }),
    nodeIds: t.idList({
      description:
        'The hypervisor nodes that have it; without any, all have it. A local pool needs one.',
    }),
    defaults: t.field({ type: DefaultsInput, description: 'What its volumes get by default.' }),
    qos: t.field({ type: QosInput, description: 'Limits of each of its volumes.' }),
    ...backendFields(t),
  }),
  entities: { storagePool, task },
});

mutationField('updateStoragePool', updateStoragePool, {
  description: 'Changes what is given of a storage pool and leaves the rest.',
  input: (t) => ({
    id: target(t, 'storage pool'),
    description: t.string({ description: 'For people.' }),
    labels: t.field({ type: 'JSON', description: 'All its labels; those that are not named go.' }),
    defaults: t.field({ type: DefaultsInput, description: 'All its defaults, for new volumes.' }),
    qos: t.field({ type: QosInput, description: 'All its limits.' }),
    chapPassword: t.string({
      description:
        'A new CHAP password of an iSCSI pool: kept encrypted, and never shown. Null takes it away.',
    }),
    expectedVersion: expectedVersion(t),
  }),
  entities: { storagePool },
});

mutationField('deleteStoragePool', deleteStoragePool, {
  description: 'Forgets a storage pool that holds no volumes and images. Nothing is erased.',
  input: (t) => ({ id: target(t, 'storage pool'), expectedVersion: expectedVersion(t) }),
  fields: (t) => ({
    deletedStoragePoolId: deletedId(t, 'StoragePool', 'deletedStoragePoolId'),
  }),
});

mutationField('assignStoragePoolNodes', assignStoragePoolNodes, {
  description:
    'Gives further hypervisor nodes a storage pool. The first assignment takes it from all the others.',
  input: (t) => ({
    id: target(t, 'storage pool'),
    nodeIds: t.idList({ required: true, description: 'The nodes that shall have it, too.' }),
  }),
  entities: { storagePool },
});

mutationField('unassignStoragePoolNodes', unassignStoragePoolNodes, {
  description:
    'Takes a storage pool from hypervisor nodes on which no running virtual machine uses it. One has to keep it.',
  input: (t) => ({
    id: target(t, 'storage pool'),
    nodeIds: t.idList({
      required: true,
      description: 'The nodes that shall not have it any more.',
    }),
  }),
  entities: { storagePool },
});

mutationField('prepareStoragePool', prepareStoragePool, {
  description:
    'Connects a storage pool anew and measures it, e.g. after it was extended or when it is in ERROR.',
  input: (t) => ({ id: target(t, 'storage pool') }),
  entities: { storagePool, task },
});
