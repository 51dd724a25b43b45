/** What can be done to projects. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { description, idOf, name, optional, present, version } from '../../core/input.js';
import { nameLock } from '../../core/locks.js';
import { usesOf } from '../../core/usage.js';
import { deleteVersioned, readForEdit, updateVersioned } from '../../core/versioned.js';
import { AlreadyExistsError, InUseError } from '../../errors.js';
import type { Project } from '../../gen/client/client.js';
import { ProjectEntity } from './queries.js';
import { checkQuotaCoversUse, normalizeQuota, type Quota, quotaInput } from './rules.js';

const subject = (input: { id: string }) => ({ entity: ProjectEntity, id: input.id });

export const createProject = defineCommand({
  name: 'project.create',
  resourceType: 'Project',
  permission: 'project:create',
  input: z.object({ name, description: optional(description), quota: optional(quotaInput) }),
  errors: [AlreadyExistsError],
  lock: ({ name }) => [nameLock(ProjectEntity, name)],
  label: (input) => input.name,
  async run({ tx, newId }, input) {
    const after = await tx.project.create({
      data: {
        id: newId(),
        name: input.name,
        description: input.description ?? '',
        quota: normalizeQuota(input.quota ?? {}),
      },
    });
    const group = await tx.securityGroup.create({
      data: {
        id: newId(),
        name: 'default',
        description: 'Applies to virtual machines that name no group',
        projectId: after.id,
        isDefault: true,
      },
    });
    return {
      result: { projectId: after.id },
      changed: [
        { type: 'Project', id: after.id, before: null, after },
        { type: 'SecurityGroup', id: group.id, before: null, after: group },
      ],
    };
  },
});

export const updateProject = defineCommand({
  name: 'project.update',
  resourceType: 'Project',
  permission: 'project:update',
  subject,
  input: z.object({
    id: idOf('Project'),
    name: optional(name),
    description: optional(description),
    quota: optional(quotaInput),
    expectedVersion: version,
  }),
  errors: [AlreadyExistsError],
  async run({ tx }, { id, expectedVersion, quota, ...fields }) {
    // Usage changes without a new version: what is being created now must have been counted before a quota is judged.
    if (quota) await tx.$queryRaw`SELECT id FROM projects WHERE id = ${id}::uuid FOR UPDATE`;
    const before = await readForEdit<Project>(tx, ProjectEntity, id, expectedVersion);
    const merged = quota && { ...(before.quota as Quota), ...present(quota) };
    if (merged) checkQuotaCoversUse(merged, before);
    const after = await updateVersioned(tx, ProjectEntity, before, {
      ...present(fields),
      ...(merged ? { quota: normalizeQuota(merged) } : {}),
    });
    return { result: { projectId: id }, changed: [{ type: 'Project', id, before, after }] };
  },
});

export const deleteProject = defineCommand({
  name: 'project.delete',
  resourceType: 'Project',
  permission: 'project:delete',
  subject,
  input: z.object({ id: idOf('Project'), expectedVersion: version }),
  errors: [InUseError],
  async run({ tx, viewer }, { id, expectedVersion }) {
    const before = await readForEdit<Project>(tx, ProjectEntity, id, expectedVersion);
    // Everything that would be lost or orphaned with the project.
    const owned = { projectId: id };
    const usedBy = await usesOf(tx, viewer, {
      VirtualMachine: owned,
      Volume: owned,
      Image: owned,
      StoragePool: owned,
      VirtualNetwork: owned,
      SecurityGroup: { ...owned, isDefault: false },
    });
    if (usedBy.length > 0) throw new InUseError('Project', usedBy);
    // The default group belongs to the project like a part of it; others count as use.
    const groups = await tx.securityGroup.findMany({ where: { projectId: id } });
    await tx.securityGroup.deleteMany({ where: { projectId: id } });
    await deleteVersioned(tx, ProjectEntity, before);
    return {
      result: { deletedProjectId: id },
      changed: [
        { type: 'Project', id, before, after: null },
        ...groups.map((group) => ({
          type: 'SecurityGroup',
          id: group.id,
          before: group,
          after: null,
        })),
      ],
    };
  },
});
