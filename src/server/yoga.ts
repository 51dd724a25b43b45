/** GraphQL over HTTP and SSE: yoga with its plugins, in the order that they must see a request. */

import type { GraphQLSchema } from 'graphql';
import { createYoga, type YogaServerInstance } from 'graphql-yoga';
import type { Services } from '../core/context.js';
import type { GraphQLContext } from '../graphql/builder.js';
import type { Authenticator } from '../modules/user/authenticate.js';
import { errorMasker } from './errors.js';
import type { PersistedOperations } from './persisted-operations.js';
import { useAudit } from './plugins/use-audit.js';
import { useAuthentication } from './plugins/use-authentication.js';
import { useCors } from './plugins/use-cors.js';
import { useCost } from './plugins/use-cost.js';
import { useDeadline } from './plugins/use-deadline.js';
import { useDegraded } from './plugins/use-degraded.js';
import { useGraphiql } from './plugins/use-graphiql.js';
import { useHealth } from './plugins/use-health.js';
import { useIntrospection } from './plugins/use-introspection.js';
import { useJsonOnly } from './plugins/use-json-only.js';
import { useLimits } from './plugins/use-limits.js';
import { useNoSuggestions } from './plugins/use-no-suggestions.js';
import { useOperationMetrics } from './plugins/use-operation-metrics.js';
import { usePersistedOperations } from './plugins/use-persisted-operations.js';
import { useRateLimit } from './plugins/use-rate-limit.js';
import { useRequest } from './plugins/use-request.js';
import { useResponseCache } from './plugins/use-response-cache.js';
import { useSecurityHeaders } from './plugins/use-security-headers.js';
import { type Subscriptions, useSubscriptionEnd } from './plugins/use-subscription-end.js';
import type { RateLimiter } from './rate-limit.js';
import { currentRequestId, factsOf, type Session } from './request.js';

const ENDPOINT = '/graphql';

export interface YogaOptions {
  readonly services: Services;
  readonly schema: GraphQLSchema;
  readonly authenticate: Authenticator;
  readonly limiter: RateLimiter;
  readonly subscriptions: Subscriptions;
  readonly persisted: PersistedOperations | null;
  readonly isDraining: () => boolean;
}

/** What the server adds to an operation's context. */
export interface ServerContext extends GraphQLContext {
  readonly session: Session | null;
}

export type Yoga = YogaServerInstance<object, ServerContext>;

export function makeYoga({
  services,
  schema,
  authenticate,
  limiter,
  subscriptions,
  persisted,
  isDraining,
}: YogaOptions): Yoga {
  const { config, log } = services;
  const mask = errorMasker(log);
  const graphiql =
    config.server.graphiql === 'on' || (config.server.graphiql === 'auto' && config.mode === 'dev');
  return createYoga<object, ServerContext>({
    schema,
    graphqlEndpoint: ENDPOINT,
    landingPage: false,
    graphiql: false, // see use-graphiql
    multipart: false,
    batching: false,
    maxRequestBodySize: config.limits.maxRequestBytes,
    cors: false, // see use-cors
    healthCheckEndpoint: '\n', // no URL ends like this: yoga's own would answer whatever ends in /health
    logging: false,
    maskedErrors: { maskError: (error) => mask(error, currentRequestId()) },
    plugins: [
      useRequest(services),
      useSecurityHeaders(),
      useCors(config.server.corsOrigins),
      useHealth(services, isDraining),
      ...(graphiql ? [useGraphiql(ENDPOINT)] : []),
      useJsonOnly(),
      useRateLimit(limiter, ENDPOINT),
      useAuthentication(services, authenticate, limiter),
      useAudit(),
      useLimits(config),
      useNoSuggestions(),
      useIntrospection(config),
      useCost(services),
      useDeadline(config),
      useOperationMetrics(services),
      useDegraded(services),
      ...(persisted ? [usePersistedOperations(persisted)] : []),
      useResponseCache(services, schema),
      useSubscriptionEnd(subscriptions),
    ],
    // Over WebSocket the context is complete already.
    context: (initial) =>
      ('services' in initial ? initial : makeContext(services, initial.request)) as never,
  });
}

/** Facts of an HTTP request become the context of its operation. What ends it, see use-deadline and use-subscription-end. */
export function makeContext(services: Services, request: Request): ServerContext {
  const facts = factsOf(request);
  return contextOf(services, {
    requestId: facts.id,
    viewer: facts.authentication?.viewer ?? null,
    session: facts.session,
    badCredential: facts.badCredential,
    ipAddress: facts.ipAddress,
    userAgent: request.headers.get('user-agent') ?? '',
    signal: request.signal,
    cookieToken: facts.cookieToken,
    setSessionCookie: (token) => {
      facts.sessionCookie = token;
    },
    reportOperation: (operation, outcome) => {
      facts.operation = operation;
      facts.outcome = outcome;
    },
  });
}

/** `prisma` stays what it is now: when the database behind the port is replaced, subscriptions are ended. */
export function contextOf(
  services: Services,
  call: Omit<ServerContext, 'services' | 'prisma'>,
): ServerContext {
  return { ...call, services, prisma: services.data.db };
}
