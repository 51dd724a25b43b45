/** Creating, changing and deleting storage pools. One without a project is infrastructure: administrators make it. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { requireVisible } from '../../core/entity.js';
import { description, idOf, labels, name, optional, present, version } from '../../core/input.js';
import { readKey } from '../../core/json-part.js';
import { nameLock } from '../../core/locks.js';
import { usesOf } from '../../core/usage.js';
import { deleteVersioned, readForEdit, updateVersioned } from '../../core/versioned.js';
import {
  AlreadyExistsError,
  InUseError,
  NoSuitableNodeError,
  NotConfiguredError,
  ValidationError,
} from '../../errors.js';
import type { StoragePool } from '../../gen/client/client.js';
import { PoolType } from '../../gen/client/enums.js';
import { ProjectEntity } from '../project/queries.js';
import { newTask } from '../task/begin.js';
import { requireIdle } from '../task/idle.js';
import {
  backendFor,
  backendInputs,
  chapPassword,
  checkNodesOf,
  defaultsInput,
  qosInput,
} from './pool-input.js';
import { nodeIdsInput, requireNodes } from './pool-nodes.js';
import { sealSecrets } from './pool-secrets.js';
import { beginPreparation } from './prepare-pool.js';
import { StoragePoolEntity } from './queries.js';

const resourceType = 'StoragePool';
const subject = (input: { id: string }) => ({ entity: StoragePoolEntity, id: input.id });

/** It is PENDING until a node has connected and measured it. */
export const createStoragePool = defineCommand({
  name: 'storagePool.create',
  resourceType,
  permission: 'storage:create',
  subject: ({ projectId }: { projectId?: string | undefined }) =>
    projectId === undefined ? null : { entity: ProjectEntity, id: projectId, path: ['projectId'] },
  input: z.object({
    projectId: optional(idOf('Project')),
    name,
    poolType: z.enum(PoolType),
    description: optional(description),
    labels: optional(labels),
    nodeIds: optional(nodeIdsInput),
    defaults: optional(defaultsInput),
    qos: optional(qosInput),
    ...backendInputs,
  }),
  errors: [AlreadyExistsError, NoSuitableNodeError, NotConfiguredError],
  lock: ({ name }) => [nameLock(StoragePoolEntity, name)],
  label: (input) => input.name,
  async run(context, { projectId = null, nodeIds = [], poolType, defaults, qos, ...input }) {
    const { tx, newId, services } = context;
    const backend = backendFor(poolType, input);
    checkNodesOf(poolType, nodeIds);
    await requireNodes(context, nodeIds);
    const id = newId();
    const spec = {
      backend: await sealSecrets(services, id, backend),
      defaults: defaults ?? {},
      qos: qos ?? {},
    };
    const after = await tx.storagePool.create({
      data: {
        id,
        projectId,
        name: input.name,
        poolType,
        ...present({ description: input.description, labels: input.labels }),
        assignedNodeIds: nodeIds,
        spec: spec as object,
      },
    });
    const task = await beginPreparation(context, after);
    return {
      result: { storagePoolId: id, taskId: task.id },
      changed: [{ type: resourceType, id, before: null, after }, newTask(task)],
    };
  },
});

/** Type and place of the backend stay what they are: its volumes are there. */
export const updateStoragePool = defineCommand({
  name: 'storagePool.update',
  resourceType,
  permission: 'storage:update',
  subject,
  input: z.object({
    id: idOf('StoragePool'),
    description: optional(description),
    labels: optional(labels),
    defaults: optional(defaultsInput),
    qos: optional(qosInput),
    chapPassword: chapPassword.nullish(),
    expectedVersion: version,
  }),
  errors: [NotConfiguredError],
  async run(
    { tx, viewer, services },
    { id, expectedVersion, defaults, qos, chapPassword: secret, ...fields },
  ) {
    await requireVisible(tx, StoragePoolEntity, viewer, id);
    const before = await readForEdit<StoragePool>(tx, StoragePoolEntity, id, expectedVersion);
    const backend = { ...(readKey(before.spec, 'backend') as object | undefined) };
    if (typeof secret === 'string' && !readKey(backend, 'chapUser'))
      throw ValidationError.of(['chapPassword'], 'is for an iSCSI pool with a CHAP user only');
    const spec = {
      ...(before.spec as object),
      ...present({ defaults, qos }),
      ...(secret === undefined
        ? {}
        : { backend: await sealSecrets(services, id, { ...backend, chapPassword: secret }) }),
    };
    const after = await updateVersioned(tx, StoragePoolEntity, before, {
      ...present(fields),
      spec,
    });
    return {
      result: { storagePoolId: id },
      changed: [{ type: resourceType, id, before, after }],
    };
  },
});

export const deleteStoragePool = defineCommand({
  name: 'storagePool.delete',
  resourceType,
  permission: 'storage:delete',
  subject,
  input: z.object({ id: idOf('StoragePool'), expectedVersion: version }),
  errors: [InUseError],
  async run({ tx, viewer }, { id, expectedVersion }) {
    const before = await readForEdit<StoragePool>(tx, StoragePoolEntity, id, expectedVersion);
    await requireIdle(tx, { poolId: id }, before.name);
    const inPool = { poolId: id };
    const used = await usesOf(tx, viewer, { Volume: inPool, Image: inPool });
    if (used.length > 0) throw new InUseError(resourceType, used);
    await deleteVersioned(tx, StoragePoolEntity, before);
    return {
      result: { deletedStoragePoolId: id },
      changed: [{ type: resourceType, id, before, after: null }],
    };
  },
});
