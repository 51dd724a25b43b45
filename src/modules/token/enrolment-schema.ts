/** Enrolment of new nodes in the API. */
import { builder } from '../../graphql/builder.js';
import { relationOne, rootList } from '../../graphql/connection.js';
import { rootOne, target } from '../../graphql/fields.js';
import { mutationField } from '../../graphql/mutation.js';
import { viewerCan } from '../../graphql/viewer-can.js';
import { encodeGlobalId } from '../../ids.js';
import { ClusterEntity } from '../cluster/queries.js';
import { UserEntity } from '../user/queries.js';
import { enrolHypervisorNode } from './enrol-command.js';
import { createEnrolmentToken, revokeEnrolmentToken } from './enrolment-commands.js';
import { EnrolmentTokenEntity, enrolmentTokens } from './queries.js';
import { stateOf } from './rules.js';
import { TokenStateEnum } from './schema.js';

const EnrolmentTokenRef = builder.prismaNode('EnrolmentToken', {
  id: { field: 'id' },
  description: 'Lets new nodes into a cluster. The token itself was shown once.',
  select: { id: true },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'What its maker calls it. Not unique.' }),
    prefix: t.exposeString('prefix', { description: 'How it begins, to know it by.' }),
    maxUses: t.exposeInt('maxUses', { description: 'How many nodes it lets in.' }),
    uses: t.exposeInt('uses', { description: 'How many have come.' }),
    state: t.field({
      type: TokenStateEnum,
      description: 'Whether it counts.',
      select: { expiresAt: true, revokedAt: true, uses: true, maxUses: true },
      extensions: { uncacheable: true },
      resolve: (token, _args, { services }) => stateOf(token, services.clock.now()),
    }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'When it ends by itself.' }),
    revokedAt: t.expose('revokedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was ended.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    cluster: relationOne(t, 'cluster', ClusterEntity, 'The cluster that its nodes join.'),
    createdBy: relationOne(t, 'createdBy', UserEntity, 'Who made it.'),
  }),
});

viewerCan(EnrolmentTokenRef, EnrolmentTokenEntity, { Revoke: 'node:create' });

rootOne('enrolmentToken', EnrolmentTokenEntity, 'enrolment token');
rootList('enrolmentTokens', enrolmentTokens, 'All enrolment tokens; administrators see them.');

const enrolmentToken = {
  entity: EnrolmentTokenEntity,
  description: 'The token as it now is.',
  id: (r: { enrolmentTokenId: string }) => r.enrolmentTokenId,
};

mutationField('createEnrolmentToken', createEnrolmentToken, {
  description:
    'Makes a token with which agents make their nodes known by themselves. It is shown this once; only a hash of it is kept.',
  input: (t) => ({
    clusterId: t.id({ required: true, description: 'The cluster that the nodes join.' }),
    name: t.string({ description: 'What to call it; "enrolment" if not given.' }),
    uses: t.int({ description: 'How many nodes it lets in; 1 if not given.' }),
    expiresAt: t.field({
      type: 'DateTime',
      description: 'When it ends; without it, as late as the server allows.',
    }),
  }),
  entities: { enrolmentToken },
  fields: (t) => ({
    token: t.string({
      nullable: true,
      description:
        'For `qx-controlplane agent --enrol`. Null in a dry run and when an idempotency key is replayed.',
      resolve: ({ result, dryRun }) => (dryRun ? null : result.token),
    }),
  }),
});

mutationField('revokeEnrolmentToken', revokeEnrolmentToken, {
  description: 'Ends an enrolment token at once. The nodes that it let in stay.',
  input: (t) => ({ id: target(t, 'enrolment token') }),
  entities: { enrolmentToken },
});

mutationField('enrolHypervisorNode', enrolHypervisorNode, {
  description:
    'What an agent asks that is new: makes its node known and gets the token of that node. No sign-in: the enrolment token counts. The same instance key gets another token for the same node.',
  input: (t) => ({
    token: t.string({ required: true, description: 'The enrolment token.' }),
    instanceKey: t.string({
      required: true,
      description:
        'A secret that the agent makes up at random and keeps: 32 to 128 characters. Whoever has it and the enrolment token is this node.',
    }),
    hostname: t.string({
      required: true,
      description: 'Unique; a host name of RFC 1123 in lower case.',
    }),
    managementIp: t.field({
      type: 'IPAddress',
      required: true,
      description: 'Where the node is administered.',
    }),
    labels: t.field({ type: 'JSON', description: 'Key and value pairs of your own.' }),
  }),
  fields: (t) => ({
    hypervisorNodeId: t.id({
      description: 'The node.',
      resolve: ({ result }) => encodeGlobalId('HypervisorNode', result.nodeId),
    }),
    token: t.string({
      nullable: true,
      description: 'For the agent: `Authorization: Bearer <token>`. Null in a dry run.',
      resolve: ({ result, dryRun }) => (dryRun ? null : result.token),
    }),
  }),
});
