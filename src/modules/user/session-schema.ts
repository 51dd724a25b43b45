/** Sessions in the API: who is signed in, from where, and how to end that. */
import DataLoader from 'dataloader';
import { builder, type GraphQLContext } from '../../graphql/builder.js';
import { relationList, relationOne, rootList } from '../../graphql/connection.js';
import { deletedId, rootOne, target } from '../../graphql/fields.js';
import { mutationField } from '../../graphql/mutation.js';
import { UserEntity } from './queries.js';
import { UserRef, ViewerType } from './schema.js';
import { lastSeen } from './session.js';
import {
  changePassword,
  revokeOtherSessions,
  revokeSession,
  revokeUserSessions,
} from './session-commands.js';
import { SessionEntity, sessions } from './session-entity.js';

type SeenLoader = DataLoader<string, Date | null>;
const loaders = new WeakMap<GraphQLContext, SeenLoader>();

/** One round trip for a page. */
function seen(context: GraphQLContext): SeenLoader {
  const known = loaders.get(context);
  if (known) return known;
  const made: SeenLoader = new DataLoader((ids) => lastSeen(context.services, ids));
  loaders.set(context, made);
  return made;
}

export const SessionRef = builder.prismaNode('Session', {
  id: { field: 'id' },
  description: 'Somebody who is signed in: from signing in until that ends.',
  select: { id: true },
  fields: (t) => ({
    user: relationOne(t, 'user', UserEntity, 'Who signed in.'),
    ipAddress: t.expose('ipAddress', {
      type: 'IPAddress',
      nullable: true,
      description: 'Where the user signed in from; null when that is not known.',
    }),
    userAgent: t.exposeString('userAgent', {
      description: 'The program that was used, as it calls itself; empty when it does not.',
    }),
    createdAt: t.expose('createdAt', {
      type: 'DateTime',
      description: 'When the user signed in.',
    }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      description: 'When the session ends, if nobody ends it and it is used until then.',
    }),
    lastSeenAt: t.field({
      type: 'DateTime',
      nullable: true,
      description:
        'When it was used last, to the minute. Null: not known, or idle for too long, and then it does not count any more.',
      extensions: { uncacheable: true },
      resolve: ({ id }, _args, context) => seen(context).load(id),
    }),
    current: t.boolean({
      description: 'Whether this is the session that you ask with.',
      extensions: { uncacheable: true },
      resolve: ({ id }, _args, { viewer }) => viewer?.credentialId === id,
    }),
  }),
});

rootOne('session', SessionEntity, 'session');
rootList(
  'sessions',
  sessions,
  'The sessions that you may see: all for an administrator, else your own.',
);

builder.prismaObjectField(UserRef, 'sessions', (t) =>
  relationList(t, 'sessions', sessions, 'Where the user is signed in.'),
);

/** More than one user may have: see commands.ts. */
const MAX_SHOWN = 200;

builder.objectField(ViewerType, 'sessions', (t) =>
  t.prismaField({
    type: [SessionRef],
    description: 'Where you are signed in, the newest first; empty for an agent.',
    resolve: (query, viewer, _args, { prisma }) =>
      viewer.userId === null
        ? []
        : prisma.session.findMany({
            ...query,
            where: { userId: viewer.userId },
            orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
            take: MAX_SHOWN,
          }),
  }),
);

const user = {
  entity: UserEntity,
  description: 'The user.',
  id: (r: { userId: string }) => r.userId,
};

mutationField('changePassword', changePassword, {
  description:
    'Gives you another password, and ends all your sessions but this one. Needs a session: no token may do it.',
  input: (t) => ({
    currentPassword: t.string({ required: true, description: 'The present one.' }),
    newPassword: t.string({
      required: true,
      description: 'At least 12 characters, and not easy to guess.',
    }),
  }),
  entities: { user },
});

mutationField('revokeSession', revokeSession, {
  description: 'Ends a session: one of yours, or as an administrator one of anybody.',
  input: (t) => ({ id: target(t, 'session') }),
  fields: (t) => ({ revokedSessionId: deletedId(t, 'Session', 'revokedSessionId') }),
});

mutationField('revokeOtherSessions', revokeOtherSessions, {
  description: 'Ends all your sessions but the one that you ask with.',
  input: () => ({}),
  entities: { user },
});

mutationField('revokeUserSessions', revokeUserSessions, {
  description: 'Signs a user out everywhere.',
  input: (t) => ({ id: target(t, 'user') }),
  entities: { user },
});
