/** Members of projects in the API. */
import { builder } from '../../graphql/builder.js';
import { relationOne } from '../../graphql/connection.js';
import { mutationField } from '../../graphql/mutation.js';
import { UserEntity } from '../user/queries.js';
import { UserRef } from '../user/schema.js';
import { removeProjectMember, setProjectMember } from './member-commands.js';
import { ProjectEntity } from './queries.js';
import { ProjectRef } from './schema.js';

/** People are few in a project; a list without pages is enough, and bounded. */
const MAX_SHOWN = 500;

const ProjectRoleEnum = builder.enumType('ProjectRole', {
  description: 'What a member may do in a project, within what the role of the user allows.',
  values: {
    OPERATOR: { value: 'OPERATOR' as const, description: 'Works in it.' },
    VIEWER: { value: 'VIEWER' as const, description: 'Reads it.' },
  },
});

const MemberRef = builder.prismaObject('ProjectMember', {
  description: 'A user who belongs to a project.',
  select: { projectId: true, userId: true },
  fields: (t) => ({
    username: t.string({
      description: 'The name of the user. Members of a project know each other by name.',
      extensions: { touches: 'User' },
      select: { user: { select: { username: true } } },
      resolve: (member) => member.user.username,
    }),
    project: relationOne(t, 'project', ProjectEntity, 'The project.'),
    user: relationOne(t, 'user', UserEntity, 'The user, if you may see it.'),
    role: t.expose('role', { type: ProjectRoleEnum, description: 'What the member may do.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'Since when.' }),
  }),
});

builder.prismaObjectField(ProjectRef, 'members', (t) =>
  t.relation('members', {
    type: MemberRef,
    description: `Who belongs to it; ${MAX_SHOWN} at most are shown.`,
    query: { take: MAX_SHOWN, orderBy: { createdAt: 'asc' } },
  }),
);

builder.prismaObjectField(UserRef, 'memberships', (t) =>
  t.relation('memberships', {
    type: MemberRef,
    description: `The projects that the user belongs to and that you may see; ${MAX_SHOWN} at most are shown.`,
    extensions: { touches: 'Project' },
    query: (_args, { viewer }) => ({
      where: { project: viewer ? ProjectEntity.visibility.where(viewer) : { id: { in: [] } } },
      take: MAX_SHOWN,
      orderBy: [{ createdAt: 'asc' }, { projectId: 'asc' }],
    }),
  }),
);

const project = {
  entity: ProjectEntity,
  description: 'The project as it now is.',
  id: (r: { projectId: string }) => r.projectId,
};

mutationField('setProjectMember', setProjectMember, {
  description: 'Makes a user a member of a project, or gives a member another role.',
  input: (t) => ({
    projectId: t.id({ required: true, description: 'The project.' }),
    userId: t.id({ required: true, description: 'The user.' }),
    role: t.field({
      type: ProjectRoleEnum,
      required: true,
      description: 'What the member may do.',
    }),
  }),
  entities: { project },
});

mutationField('removeProjectMember', removeProjectMember, {
  description: 'Ends a membership; the user sees nothing of the project any more, at once.',
  input: (t) => ({
    projectId: t.id({ required: true, description: 'The project.' }),
    userId: t.id({ required: true, description: 'The user.' }),
  }),
  entities: { project },
});
