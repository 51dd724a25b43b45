/** Each request gets an id, a viewer, one log line, and its cookie back. First in the chain: the others read what it finds. */
import type { Plugin } from 'graphql-yoga';
import type { Services } from '../../core/context.js';
import { newId } from '../../ids.js';
import { cookieSettings, findCookie, findCredential, setCookieHeader } from '../auth.js';
import { clientAddresses, clientEncryption } from '../client-address.js';
import { factsFor, logRequest, type RequestFacts } from '../request.js';

const REQUEST_ID = /^[A-Za-z0-9._-]{8,63}$/;
/** Answered often and by machines: logged only when they fail. */
const QUIET = new Set(['/healthz', '/readyz', '/metrics']);

/** What node's HTTP adapter hands over beside the request. */
interface ServerContext {
  req?: { socket?: { remoteAddress?: string; encrypted?: boolean } };
}

export function useRequest(services: Services): Plugin {
  const { log, clock, config } = services;
  const addressOf = clientAddresses(config.server.trustedProxies);
  const isEncrypted = clientEncryption(config.server.trustedProxies);

  function newFacts({ headers }: Request, context: ServerContext): RequestFacts {
    const given = headers.get('x-request-id') ?? '';
    const socket = context.req?.socket;
    const encrypted = isEncrypted(socket, headers.get('x-forwarded-proto'));
    const cookie = cookieSettings(config.mode, encrypted);
    return {
      id: REQUEST_ID.test(given) ? given : newId(),
      startedAt: clock.monotonic(),
      ipAddress: addressOf(socket?.remoteAddress, headers.get('x-forwarded-for')),
      encrypted,
      credential: findCredential(headers, cookie, config.server.corsOrigins),
      cookie,
      cookieToken: findCookie(headers, cookie, config.server.corsOrigins),
      authentication: null,
      session: null,
      badCredential: false,
      admission: null,
      sessionCookie: undefined,
      operation: null,
      outcome: 'ok',
    };
  }

  return {
    onRequest({ request, serverContext }) {
      factsFor(request, () => newFacts(request, serverContext as ServerContext));
    },
    onResponse({ request, response, serverContext }) {
      const facts = factsFor(request, () => newFacts(request, serverContext as ServerContext));
      const { pathname } = new URL(request.url, 'http://local');
      response.headers.set('x-request-id', facts.id);
      if (facts.sessionCookie !== undefined) {
        response.headers.append(
          'set-cookie',
          setCookieHeader(facts.cookie, facts.sessionCookie, config.auth.sessionTtlMs),
        );
      }
      if (QUIET.has(pathname) && response.status < 400) return;
      logRequest(log, {
        requestId: facts.id,
        transport: 'http',
        method: request.method,
        path: pathname,
        status: response.status,
        durationMs: clock.monotonic() - facts.startedAt,
        viewer: facts.authentication?.viewer.name ?? null,
        ipAddress: facts.ipAddress,
        operation: facts.operation,
        outcome: facts.outcome,
      });
    },
  };
}
