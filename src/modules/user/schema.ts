/** Users, the viewer, and signing in and out, in the API. */
import { grants, isAgent, isWithin, may, permissionsOf, type Viewer } from '../../core/authz.js';
import { builder } from '../../graphql/builder.js';
import { rootList } from '../../graphql/connection.js';
import { deletedId, editable, expectedVersion, rootOne, target } from '../../graphql/fields.js';
import { mutationField } from '../../graphql/mutation.js';
import { readEntity, uuidOf } from '../../graphql/node.js';
import { viewerCan } from '../../graphql/viewer-can.js';
import { encodeGlobalId } from '../../ids.js';
import { deleteUser, setUserPassword, updateUser } from './admin-commands.js';
import { createUser, login, logout } from './commands.js';
import { UserEntity, UserRoleEnum, users } from './queries.js';

export const UserRef = builder.prismaNode('User', {
  id: { field: 'id' },
  description: 'A person who signs in.',
  select: { id: true },
  fields: (t) => ({
    username: t.exposeString('username', { description: 'Unique; what is typed to sign in.' }),
    email: t.exposeString('email', { description: 'Unique, in lower case.' }),
    role: t.expose('role', { type: UserRoleEnum, description: 'What the user may do.' }),
    enabled: t.exposeBoolean('enabled', { description: 'False: cannot sign in.' }),
    mustChangePassword: t.exposeBoolean('mustChangePassword', {
      description: 'True: can do nothing before the password is another one.',
    }),
    passwordChangedAt: t.expose('passwordChangedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the password was set last; null: before this was kept.',
    }),
    lastLogin: t.expose('lastLogin', {
      type: 'DateTime',
      nullable: true,
      description: 'When the user signed in last.',
    }),
    ...editable(t),
  }),
});

viewerCan(UserRef, UserEntity, { Update: 'user:update', Delete: 'user:delete' });

rootOne('user', UserEntity, 'user');
rootList('users', users, 'The users that you may see: all for an administrator, else yourself.');

const ViewerRole = builder.enumType('ViewerRole', {
  description: 'The role of whoever asks.',
  values: {
    ADMIN: { description: 'A user who may do everything.' },
    OPERATOR: { description: 'A user who works in projects.' },
    VIEWER: { description: 'A user who reads.' },
    AGENT: { description: 'The agent of a hypervisor node.' },
  },
});

export const ViewerType = builder.objectRef<Viewer>('Viewer').implement({
  description: 'Whoever asks.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The user name, or "agent:" and the host name.' }),
    role: t.field({ type: ViewerRole, description: 'The role.', resolve: (viewer) => viewer.role }),
    permissions: t.stringList({
      description:
        'What the role grants, and a token leaves of it, as noun:verb; with `projectId` what of it counts for objects of that project, without for the rest: in projects, membership is needed too.',
      args: {
        projectId: t.arg.id({ description: 'A project; nothing counts in one that is not yours.' }),
      },
      resolve: (viewer, { projectId }) => {
        const granted = permissionsOf(viewer.role).filter((p) => grants(viewer, p));
        if (projectId == null) return [...granted];
        const project = uuidOf('Project', projectId, ['projectId']);
        return granted.filter((p) => may(viewer, p, project) && isWithin(viewer, project));
      },
    }),
    apiTokenId: t.id({
      nullable: true,
      description: 'The token of the script that asks; null for a session and for an agent.',
      resolve: ({ scope, credentialId }) =>
        scope ? encodeGlobalId('ApiToken', credentialId) : null,
    }),
    user: t.field({
      type: UserRef,
      nullable: true,
      description: 'The user; null for an agent.',
      resolve: (viewer, _args, context, info) =>
        isAgent(viewer) ? null : (readEntity(context, info, UserEntity, viewer.id) as never),
    }),
    hypervisorNodeId: t.id({
      nullable: true,
      description: 'The node that an agent reports for; null for a user.',
      resolve: (viewer) => (isAgent(viewer) ? encodeGlobalId('HypervisorNode', viewer.id) : null),
    }),
  }),
});

builder.queryField('viewer', (t) =>
  t.field({
    type: ViewerType,
    nullable: true,
    description: 'Who you are signed in as.',
    resolve: (_root, _args, { viewer }) => viewer,
  }),
);

mutationField('login', login, {
  description: 'Signs a user in. Browsers also get a session cookie.',
  input: (t) => ({
    username: t.string({ required: true, description: 'The user name, in any case.' }),
    password: t.string({ required: true, description: 'The password.' }),
  }),
  fields: (t) => ({
    token: t.string({
      nullable: true,
      description: 'Send it as `Authorization: Bearer <token>`. Null in a dry run.',
      resolve: ({ result, dryRun }) => (dryRun ? null : result.token),
    }),
    expiresAt: t.field({
      type: 'DateTime',
      description: 'When the session ends.',
      resolve: ({ result }) => new Date(result.expiresAt),
    }),
    mustChangePassword: t.boolean({
      description: 'True: call changePassword; nothing else is possible before that.',
      resolve: ({ result }) => result.mustChangePassword,
    }),
    userId: t.id({
      description: 'Who signed in.',
      resolve: ({ result }) => encodeGlobalId('User', result.userId),
    }),
  }),
});

mutationField('logout', logout, {
  description: 'Ends the session that the request was made with.',
  input: () => ({}),
});

const user = {
  entity: UserEntity,
  description: 'The user as it now is.',
  id: (r: { userId: string }) => r.userId,
};

mutationField('createUser', createUser, {
  description: 'Creates a user, enabled.',
  input: (t) => ({
    username: t.string({
      required: true,
      description: 'Unique: a lower-case letter, then letters, digits, ".", "_" or "-".',
    }),
    email: t.string({ required: true, description: 'Unique, whatever the case.' }),
    role: t.field({ type: UserRoleEnum, required: true, description: 'What the user may do.' }),
    password: t.string({
      required: true,
      description: 'At least 12 characters, and not easy to guess.',
    }),
    mustChangePassword: t.boolean({
      description:
        'Whether the user has to replace this password at the first sign-in. True unless you say otherwise.',
    }),
  }),
  entities: { user },
});

mutationField('updateUser', updateUser, {
  description:
    'Changes what is given of a user and leaves the rest. A user who is disabled is signed out.',
  input: (t) => ({
    id: target(t, 'user'),
    email: t.string({ description: 'Unique, whatever the case.' }),
    role: t.field({ type: UserRoleEnum, description: 'What the user may do.' }),
    enabled: t.boolean({ description: 'False: cannot sign in, and is signed out.' }),
    expectedVersion: expectedVersion(t),
  }),
  entities: { user },
});

mutationField('setUserPassword', setUserPassword, {
  description:
    'Gives another user a new password, and signs them out everywhere. Your own: changePassword.',
  input: (t) => ({
    id: target(t, 'user'),
    password: t.string({
      required: true,
      description: 'At least 12 characters, and not easy to guess.',
    }),
    mustChangePassword: t.boolean({
      description:
        'Whether the user has to replace it at the next sign-in. True unless you say otherwise.',
    }),
  }),
  entities: { user },
});

mutationField('deleteUser', deleteUser, {
  description: 'Deletes a user. What the user did stays in the audit log.',
  input: (t) => ({ id: target(t, 'user'), expectedVersion: expectedVersion(t) }),
  fields: (t) => ({ deletedUserId: deletedId(t, 'User', 'deletedUserId') }),
});
