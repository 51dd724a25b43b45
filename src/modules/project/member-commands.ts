/** Who belongs to a project. A membership is a part of its project: it has no id and no version of its own. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { requireVisible } from '../../core/entity.js';
import { idOf } from '../../core/input.js';
import { NotFoundError } from '../../errors.js';
import { UserEntity } from '../user/queries.js';
import { ProjectEntity } from './queries.js';

const resourceType = 'ProjectMember';
const subject = (input: { projectId: string }) => ({
  entity: ProjectEntity,
  id: input.projectId,
  path: ['projectId'],
});
const membership = { projectId: idOf('Project'), userId: idOf('User') };

export const setProjectMember = defineCommand({
  name: 'project.setMember',
  resourceType,
  permission: 'project:update',
  subject,
  input: z.object({ ...membership, role: z.enum(['OPERATOR', 'VIEWER']) }),
  errors: [],
  async run({ tx, viewer, now }, { projectId, userId, role }) {
    await requireVisible(tx, UserEntity, viewer, userId, { id: true }, ['userId']);
    const where = { projectId_userId: { projectId, userId } };
    const before = await tx.projectMember.findUnique({ where });
    const result = { projectId };
    if (before?.role === role) return { result, changed: [] };
    const after = await tx.projectMember.upsert({
      where,
      create: { projectId, userId, role, createdAt: now },
      update: { role },
    });
    return { result, changed: [{ type: resourceType, id: userId, projectId, before, after }] };
  },
});

/** Takes effect at once: the member sees nothing of the project any more. */
export const removeProjectMember = defineCommand({
  name: 'project.removeMember',
  resourceType,
  permission: 'project:update',
  subject,
  input: z.object(membership),
  errors: [],
  async run({ tx }, { projectId, userId }) {
    const where = { projectId_userId: { projectId, userId } };
    const before = await tx.projectMember.findUnique({ where });
    if (!before) throw new NotFoundError(resourceType, ['userId']);
    const { count } = await tx.projectMember.deleteMany({ where: { projectId, userId } });
    if (count === 0) throw new NotFoundError(resourceType, ['userId']); // somebody else was quicker
    return {
      result: { projectId },
      changed: [{ type: resourceType, id: userId, projectId, before, after: null }],
    };
  },
});
