/** What can be done to clusters. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { description, idOf, name, optional, present, version } from '../../core/input.js';
import { nameLock } from '../../core/locks.js';
import { usesOf } from '../../core/usage.js';
import { deleteVersioned, readForEdit, updateVersioned } from '../../core/versioned.js';
import { AlreadyExistsError, InUseError } from '../../errors.js';
import type { Cluster } from '../../gen/client/client.js';
import { ClusterEntity } from './queries.js';

const subject = (input: { id: string }) => ({ entity: ClusterEntity, id: input.id });

const settings = {
  description: optional(description),
  haEnabled: optional(z.boolean()),
  drsEnabled: optional(z.boolean()),
  drsAutomation: optional(z.enum(['MANUAL', 'PARTIAL', 'FULL'])),
};

export const createCluster = defineCommand({
  name: 'cluster.create',
  resourceType: 'Cluster',
  permission: 'cluster:create',
  input: z.object({ name, ...settings }),
  errors: [AlreadyExistsError],
  lock: ({ name }) => [nameLock(ClusterEntity, name)],
  label: (input) => input.name,
  async run({ tx, newId }, input) {
    const after = await tx.cluster.create({
      data: { id: newId(), name: input.name, ...present(input) },
    });
    return {
      result: { clusterId: after.id },
      changed: [{ type: 'Cluster', id: after.id, before: null, after }],
    };
  },
});

export const updateCluster = defineCommand({
  name: 'cluster.update',
  resourceType: 'Cluster',
  permission: 'cluster:update',
  subject,
  input: z.object({
    id: idOf('Cluster'),
    name: optional(name),
    ...settings,
    expectedVersion: version,
  }),
  errors: [AlreadyExistsError],
  async run({ tx }, { id, expectedVersion, ...fields }) {
    const before = await readForEdit<Cluster>(tx, ClusterEntity, id, expectedVersion);
    const after = await updateVersioned(tx, ClusterEntity, before, present(fields));
    return { result: { clusterId: id }, changed: [{ type: 'Cluster', id, before, after }] };
  },
});

export const deleteCluster = defineCommand({
  name: 'cluster.delete',
  resourceType: 'Cluster',
  permission: 'cluster:delete',
  subject,
  input: z.object({ id: idOf('Cluster'), expectedVersion: version }),
  errors: [InUseError],
  async run({ tx, viewer }, { id, expectedVersion }) {
    const before = await readForEdit<Cluster>(tx, ClusterEntity, id, expectedVersion);
    const within = { clusterId: id };
    const usedBy = await usesOf(tx, viewer, { HypervisorNode: within, VirtualMachine: within });
    if (usedBy.length > 0) throw new InUseError('Cluster', usedBy);
    await deleteVersioned(tx, ClusterEntity, before);
    return {
      result: { deletedClusterId: id },
      changed: [{ type: 'Cluster', id, before, after: null }],
    };
  },
});
