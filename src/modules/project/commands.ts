/** What can be done to projects. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { description, idOf, name, optional, present, version } from '../../core/input.js';
import { deleteVersioned, readForEdit, updateVersioned } from '../../core/versioned.js';
import type { Tx } from '../../data/client.js';
import { AlreadyExistsError, InUseError, type Usage } from '../../errors.js';
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
  lock: (input) => [`project/${input.id}`],
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
  lock: (input) => [`project/${input.id}`],
  async run({ tx }, { id, expectedVersion }) {
    const before = await readForEdit<Project>(tx, ProjectEntity, id, expectedVersion);
    const usedBy = await usesOf(tx, id);
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

const SHOWN = 5;

/** Everything that would be lost or orphaned with the project. */
async function usesOf(tx: Tx, projectId: string): Promise<Usage[]> {
  const names = {
    where: { projectId },
    select: { name: true },
    take: SHOWN,
    orderBy: { name: 'asc' },
  } as const;
  const counted = { where: { projectId } };
  const found = [
    {
      type: 'VirtualMachine',
      count: await tx.virtualMachine.count(counted),
      rows: await tx.virtualMachine.findMany(names),
    },
    {
      type: 'Volume',
      count: await tx.volume.count(counted),
      rows: await tx.volume.findMany(names),
    },
    { type: 'Image', count: await tx.image.count(counted), rows: await tx.image.findMany(names) },
    {
      type: 'StoragePool',
      count: await tx.storagePool.count(counted),
      rows: await tx.storagePool.findMany(names),
    },
    {
      type: 'VirtualNetwork',
      count: await tx.virtualNetwork.count(counted),
      rows: await tx.virtualNetwork.findMany(names),
    },
    {
      type: 'SecurityGroup',
      count: await tx.securityGroup.count({ where: { projectId, isDefault: false } }),
      rows: await tx.securityGroup.findMany({ ...names, where: { projectId, isDefault: false } }),
    },
  ];
  return found
    .filter((f) => f.count > 0)
    .map(({ type, count, rows }) => ({ type, count, names: rows.map((r) => r.name) }));
}
