/** Tokens of scripts and agents in the API. */
import { isWithin } from '../../core/authz.js';
import { builder } from '../../graphql/builder.js';
import { relationOne, rootList } from '../../graphql/connection.js';
import { rootOne, target } from '../../graphql/fields.js';
import { mutationField } from '../../graphql/mutation.js';
import { viewerCan } from '../../graphql/viewer-can.js';
import { encodeGlobalId } from '../../ids.js';
import { NodeEntity } from '../node/queries.js';
import { UserEntity } from '../user/queries.js';
import { createApiToken, revokeApiToken } from './commands.js';
import { ApiTokenEntity, apiTokens } from './queries.js';
import { stateOf } from './rules.js';

export const TokenStateEnum = builder.enumType('TokenState', {
  description: 'Whether a token counts.',
  values: {
    ACTIVE: { description: 'It counts, as long as its owner is enabled.' },
    EXPIRED: { description: 'Its time is over.' },
    USED_UP: { description: 'It was for so many nodes, and they have come.' },
    REVOKED: { description: 'It was ended.' },
  },
});

const ApiTokenRef = builder.prismaNode('ApiToken', {
  id: { field: 'id' },
  description:
    "A token of a script, with part of its owner's rights, or of a node's agent. The token itself was shown once.",
  select: { id: true },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'What its maker calls it. Not unique.' }),
    prefix: t.exposeString('prefix', {
      description: 'How it begins, to know it by; empty where that was not kept.',
    }),
    permissions: t.exposeStringList('scopes', {
      description:
        'What it is for, as noun:verb; of these it has what its owner has at the time. Empty for an agent.',
    }),
    projectIds: t.field({
      type: ['ID'],
      nullable: true,
      description:
        'The projects that it is for, of those that you see: whoever has left them all reads an empty list. Null: all of its owner.',
      select: { projectIds: true },
      resolve: ({ projectIds }, _args, { viewer }) =>
        projectIds.length === 0
          ? null
          : projectIds
              .filter((id) => viewer !== null && isWithin(viewer, id))
              .map((id) => encodeGlobalId('Project', id)),
    }),
    state: t.field({
      type: TokenStateEnum,
      description: 'Whether it counts.',
      select: { expiresAt: true, revokedAt: true },
      extensions: { uncacheable: true },
      resolve: (token, _args, { services }) => stateOf(token, services.clock.now()),
    }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it ends by itself; null: not before it is revoked.',
    }),
    revokedAt: t.expose('revokedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was ended.',
    }),
    lastUsedAt: t.expose('lastUsedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When a script used it last, to the minute; null: never, or an agent has it.',
      extensions: { uncacheable: true },
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    user: relationOne(t, 'user', UserEntity, 'Its owner; null for the token of an agent.'),
    hypervisorNode: relationOne(t, 'node', NodeEntity, 'The node whose agent has it.'),
  }),
});

viewerCan(ApiTokenRef, ApiTokenEntity, { Revoke: 'token:delete' });

rootOne('apiToken', ApiTokenEntity, 'token');
rootList('apiTokens', apiTokens, 'Your tokens; for an administrator all, those of agents too.');

const apiToken = {
  entity: ApiTokenEntity,
  description: 'The token as it now is.',
  id: (r: { apiTokenId: string }) => r.apiTokenId,
};

mutationField('createApiToken', createApiToken, {
  description:
    'Makes a token for a script of yours. It is shown this once; only a hash of it is kept. No token may do this: sign in.',
  input: (t) => ({
    name: t.string({ required: true, description: 'What to call it.' }),
    permissions: t.stringList({
      required: true,
      description:
        'What it is for, as noun:verb; without the reading of a kind it sees none of it.',
    }),
    projectIds: t.idList({
      description: 'Only for these projects; without them, for all of yours at the time of use.',
    }),
    expiresAt: t.field({
      type: 'DateTime',
      description: 'When it ends; without it, as late as the server allows.',
    }),
  }),
  entities: { apiToken },
  fields: (t) => ({
    token: t.string({
      nullable: true,
      description:
        'Send it as `Authorization: Bearer <token>`. Null in a dry run and when an idempotency key is replayed.',
      resolve: ({ result, dryRun }) => (dryRun ? null : result.token),
    }),
  }),
});

mutationField('revokeApiToken', revokeApiToken, {
  description: 'Ends a token, at once and for good. Running subscriptions of it end, too.',
  input: (t) => ({ id: target(t, 'token') }),
  entities: { apiToken },
});
