/** The schema builder: plugins, scalars' types and the context. How fields are made, and no fields of its own. */
import SchemaBuilder from '@pothos/core';
import PrismaPlugin from '@pothos/plugin-prisma';
import RelayPlugin from '@pothos/plugin-relay';
import ScopeAuthPlugin from '@pothos/plugin-scope-auth';
import type { Call } from '../core/context.js';
import type { Db } from '../data/client.js';
import { BadRequestError, PasswordChangeRequiredError, UnauthenticatedError } from '../errors.js';
import type PrismaTypes from '../gen/pothos-types.js';
import { getDatamodel } from '../gen/pothos-types.js';
import { decodeGlobalId, encodeGlobalId } from '../ids.js';
import { readNode } from './node.js';

/** One object for each request (or event of a subscription): Pothos and the loaders keep their caches by it. */
export interface GraphQLContext extends Call {
  readonly prisma: Db;
}

export interface SchemaTypes {
  PrismaTypes: PrismaTypes;
  Context: GraphQLContext;
  DefaultFieldNullability: false;
  DefaultEdgesNullability: { list: false; items: false };
  DefaultNodeNullability: false;
  AuthScopes: { known: boolean; signedIn: boolean };
  Scalars: {
    ID: { Input: string; Output: string };
    DateTime: { Input: Date; Output: Date };
    BigInt: { Input: bigint; Output: bigint | number };
    IPAddress: { Input: string; Output: string };
    CIDR: { Input: string; Output: string };
    MACAddress: { Input: string; Output: string };
    JSON: { Input: unknown; Output: unknown };
  };
}

const BAD_CREDENTIAL =
  'The token is not valid, has expired or was ended. Sign in again: call login.';

export const builder = new SchemaBuilder<SchemaTypes>({
  plugins: [ScopeAuthPlugin, RelayPlugin, PrismaPlugin],
  defaultFieldNullability: false,
  scopeAuth: {
    authorizeOnSubscribe: true,
    authScopes: ({ viewer }) => ({
      known: viewer !== null,
      signedIn: viewer !== null && !viewer.mustChangePassword,
    }),
    unauthorizedError: (_parent, { viewer, badCredential }) =>
      viewer
        ? new PasswordChangeRequiredError()
        : new UnauthenticatedError(badCredential ? BAD_CREDENTIAL : undefined),
  },
  relay: {
    idFieldOptions: {
      description: 'Identifies the object, everywhere in this API and for ever. Opaque.',
    },
    encodeGlobalID: (type, id) => encodeGlobalId(type, String(id)),
    decodeGlobalID: (globalId) => {
      const decoded = decodeGlobalId(globalId);
      if (!decoded)
        throw new BadRequestError(`"${globalId.slice(0, 64)}" is not an id of this API.`, ['id']);
      return { typename: decoded.type, id: decoded.id };
    },
    cursorType: 'String',
    nodesOnConnection: { description: 'The page, without cursors.' },
    edgesFieldOptions: {
      nullable: { list: false, items: false },
      description: 'The page, each with its cursor.',
    },
    nodeFieldOptions: { nullable: false, description: 'The object at the end of the edge.' },
    cursorFieldOptions: {
      description: 'Continue here: pass it as `after` or `before`. Stays valid when the row goes.',
    },
    pageInfoFieldOptions: { description: 'Whether and where the list goes on.' },
    pageInfoTypeOptions: { description: 'Whether and where a list goes on.' },
    hasNextPageFieldOptions: { description: 'Whether there is more after this page.' },
    hasPreviousPageFieldOptions: { description: 'Whether there is more before this page.' },
    startCursorFieldOptions: {
      description: 'The cursor of the first object here; null when the page is empty.',
    },
    endCursorFieldOptions: {
      description: 'The cursor of the last object here; null when the page is empty.',
    },
    firstArgOptions: {
      description: 'How many, from the beginning or from `after`. Not together with `last`.',
    },
    lastArgOptions: { description: 'How many, from the end or up to `before`.' },
    afterArgOptions: { description: 'Only what follows this cursor.' },
    beforeArgOptions: { description: 'Only what precedes this cursor.' },
    nodeTypeOptions: { description: 'Anything with an id.' },
    nodeQueryOptions: {
      description: 'Any object by its id; null when it does not exist or is not visible to you.',
      nullable: true,
      args: { id: { description: 'Its id.' } },
      resolve: (_root, { id }, context, info) => readNode(context, info, id.typename, id.id),
    },
    nodesQueryOptions: false,
  },
  prisma: {
    client: (context) => context.prisma,
    dmmf: getDatamodel(),
    filterConnectionTotalCount: true,
    onUnusedQuery: null,
  },
});

builder.queryType({
  authScopes: { signedIn: true },
  description: 'Reads. Lists are Relay connections; what you may not see does not exist.',
});
builder.mutationType({
  description: 'Writes. Each answers with its payload or with one of the errors it lists.',
});
builder.subscriptionType({
  authScopes: { signedIn: true },
  description: 'Live streams, over SSE or WebSocket (graphql-transport-ws).',
});
