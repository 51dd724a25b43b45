/** GraphQL over HTTP and SSE: yoga with its plugins, in the order that they must see a request. */

import { renderGraphiQL } from '@graphql-yoga/render-graphiql';
import type { GraphQLSchema } from 'graphql';
import { createYoga, type YogaServerInstance } from 'graphql-yoga';
import type { Services } from '../core/context.js';
import type { GraphQLContext } from '../graphql/builder.js';
import type { Authenticator } from '../modules/user/authenticate.js';
import { errorMasker } from './errors.js';
import { useDeadline } from './plugins/use-deadline.js';
import { useDegraded } from './plugins/use-degraded.js';
import { useHealth } from './plugins/use-health.js';
import { useLimits } from './plugins/use-limits.js';
import { useOperationMetrics } from './plugins/use-operation-metrics.js';
import { useRequest } from './plugins/use-request.js';
import { currentRequestId, factsOf } from './request.js';

export interface YogaOptions {
  readonly services: Services;
  readonly schema: GraphQLSchema;
  readonly authenticate: Authenticator;
  /** Aborted when the server stops: subscriptions end then. */
  readonly shutdown: AbortSignal;
  readonly isDraining: () => boolean;
}

export type Yoga = YogaServerInstance<object, GraphQLContext>;

export function makeYoga({
  services,
  schema,
  authenticate,
  shutdown,
  isDraining,
}: YogaOptions): Yoga {
  const { config, log } = services;
  const mask = errorMasker(log);
  const graphiql =
    config.server.graphiql === 'on' || (config.server.graphiql === 'auto' && config.mode === 'dev');
  return createYoga<object, GraphQLContext>({
    schema,
    graphqlEndpoint: '/graphql',
    landingPage: false,
    graphiql: graphiql && { title: 'Quantix-vDC', defaultQuery: GREETING },
    renderGraphiQL,
    multipart: false,
    batching: false,
    maxRequestBodySize: config.limits.maxRequestBytes,
    cors: config.server.corsOrigins.length > 0 && {
      origin: [...config.server.corsOrigins],
      credentials: true,
    },
    logging: false,
    maskedErrors: { maskError: (error) => mask(error, currentRequestId()) },
    plugins: [
      useRequest(services, authenticate),
      useHealth(services, isDraining),
      useLimits(config),
      useDeadline(config, shutdown),
      useOperationMetrics(services),
      useDegraded(services),
    ],
    // Over WebSocket the context is complete already.
    context: (initial) =>
      ('services' in initial ? initial : makeContext(services, initial.request)) as never,
  });
}

const GREETING = `# Sign in: run the mutation once, and your browser keeps a session cookie.
mutation SignIn {
  login(input: { username: "admin", password: "admin-demo" }) {
    ... on LoginPayload { expiresAt }
    ... on UserError { message }
  }
}

query Machines {
  virtualMachines(first: 10) {
    totalCount
    nodes { name powerState hypervisorNode { hostname } project { name } }
  }
}
`;

/** Facts of an HTTP request become the context of its operation. What ends it, see use-deadline. */
export function makeContext(services: Services, request: Request): GraphQLContext {
  const facts = factsOf(request);
  return contextOf(services, {
    requestId: facts.id,
    viewer: facts.authentication?.viewer ?? null,
    badCredential: facts.badCredential,
    ipAddress: facts.ipAddress,
    userAgent: request.headers.get('user-agent') ?? '',
    signal: request.signal,
    setSessionCookie: (token) => {
      facts.sessionCookie = token;
    },
    reportOperation: (operation, outcome) => {
      facts.operation = operation;
      facts.outcome = outcome;
    },
  });
}

/** `prisma` is read at each use: the database behind it is replaced when a fallback ends. */
export function contextOf(
  services: Services,
  call: Omit<GraphQLContext, 'services' | 'prisma'>,
): GraphQLContext {
  return {
    ...call,
    services,
    get prisma() {
      return services.data.db;
    },
  };
}
