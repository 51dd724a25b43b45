/** Projects in the API. */

import { builder } from '../../graphql/builder.js';
import { rootList } from '../../graphql/connection.js';
import { deletedId, editable, expectedVersion, rootOne, target } from '../../graphql/fields.js';
import { mutationField } from '../../graphql/mutation.js';
import { viewerCan } from '../../graphql/viewer-can.js';
import { createProject, deleteProject, updateProject } from './commands.js';
import { ProjectEntity, projects } from './queries.js';
import {
  QUOTA_COLUMNS,
  QUOTA_RESOURCES,
  type Quota,
  type QuotaResource,
  type UsageRow,
} from './rules.js';

const MEANINGS: Record<QuotaResource, string> = {
  virtualMachines: 'Virtual machines, whatever their state.',
  vcpus: 'Virtual processors of all its virtual machines.',
  memoryMib: 'Memory of all its virtual machines, in MiB.',
  storageGib: 'Size of all its volumes, in GiB.',
  volumes: 'Volumes.',
  snapshots: 'Snapshots of virtual machines.',
};

interface QuotaLine {
  resource: QuotaResource;
  limit: number | null;
  used: number;
}

const QuotaResourceEnum = builder.enumType('QuotaResource', {
  description: 'What a quota limits.',
  values: Object.fromEntries(
    QUOTA_RESOURCES.map((r) => [snake(r), { value: r, description: MEANINGS[r] }]),
  ) as Record<string, { value: QuotaResource; description: string }>,
});

function snake(text: string): string {
  return text.replace(/[A-Z]/g, (c) => `_${c}`).toUpperCase();
}

const QuotaLineType = builder.objectRef<QuotaLine>('QuotaUsage').implement({
  description: 'One limit of a project and what is used of it.',
  fields: (t) => ({
    resource: t.field({
      type: QuotaResourceEnum,
      description: 'What is limited.',
      resolve: (line) => line.resource,
    }),
    limit: t.exposeInt('limit', { nullable: true, description: 'Null: unlimited.' }),
    used: t.exposeInt('used', { description: 'What is in use now.' }),
  }),
});

export const ProjectRef = builder.prismaNode('Project', {
  id: { field: 'id' },
  description: 'A tenant: owns virtual machines, volumes and security groups, within a quota.',
  select: { id: true },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique.' }),
    description: t.exposeString('description', { description: 'For people.' }),
    quota: t.field({
      type: [QuotaLineType],
      description: 'Each limit with its usage.',
      select: {
        quota: true,
        ...Object.fromEntries(Object.values(QUOTA_COLUMNS).map((c) => [c, true])),
      } as never,
      resolve: (row) =>
        QUOTA_RESOURCES.map((resource) => ({
          resource,
          limit:
            ((row as unknown as { quota: Quota }).quota[resource] as number | undefined) ?? null,
          used: (row as unknown as UsageRow)[QUOTA_COLUMNS[resource]],
        })),
    }),
    ...editable(t),
  }),
});

viewerCan(ProjectRef, ProjectEntity, {
  Update: 'project:update',
  Delete: 'project:delete',
  CreateVirtualMachine: 'vm:create',
  CreateStorage: 'storage:create',
  CreateImage: 'image:create',
  CreateVirtualNetwork: 'network:create',
  CreateSecurityGroup: 'security:create',
});

rootOne('project', ProjectEntity, 'project');
rootList('projects', projects, 'The projects that you may see.');

const QuotaInput = builder.inputType('QuotaInput', {
  description: 'Limits of a project; null or absent is unlimited.',
  fields: (t) =>
    Object.fromEntries(
      QUOTA_RESOURCES.map((r) => [r, t.int({ description: MEANINGS[r] })]),
    ) as never,
});

const payload = {
  project: {
    entity: ProjectEntity,
    description: 'The project as it now is.',
    id: (r: { projectId: string }) => r.projectId,
  },
};

mutationField('createProject', createProject, {
  description: 'Creates a project with its default security group.',
  input: (t) => ({
    name: t.string({
      required: true,
      description: 'Unique; lower-case letters, digits and hyphens.',
    }),
    description: t.string({ description: 'For people.' }),
    quota: t.field({ type: QuotaInput, description: 'Its limits.' }),
  }),
  entities: payload,
});

mutationField('updateProject', updateProject, {
  description: 'Changes what is given of a project and leaves the rest.',
  input: (t) => ({
    id: target(t, 'project'),
    name: t.string({ description: 'Its new name.' }),
    description: t.string({ description: 'For people.' }),
    quota: t.field({ type: QuotaInput, description: 'Limits to change; null lifts a limit.' }),
    expectedVersion: expectedVersion(t),
  }),
  entities: payload,
});

mutationField('deleteProject', deleteProject, {
  description: 'Deletes a project that nothing belongs to any more.',
  input: (t) => ({
    id: target(t, 'project'),
    expectedVersion: expectedVersion(t),
  }),
  fields: (t) => ({
    deletedProjectId: deletedId(t, 'Project', 'deletedProjectId'),
  }),
});
