/** Each request gets an id, a viewer, one log line, and its cookie back. First in the chain: the others read what it finds. */
import type { Plugin } from 'graphql-yoga';
import type { Services } from '../../core/context.js';
import { newId } from '../../ids.js';
import type { Authenticator } from '../../modules/user/authenticate.js';
import { cookieSettings, findCredential, setCookieHeader } from '../auth.js';
import { clientAddresses } from '../client-address.js';
import { errorMasker } from '../errors.js';
import { factsFor, logRequest, type RequestFacts, sessionOf } from '../request.js';

const REQUEST_ID = /^[A-Za-z0-9._-]{8,63}$/;
/** Answered often and by machines: logged only when they fail. */
const QUIET = new Set(['/healthz', '/readyz', '/metrics']);

/** What node's HTTP adapter hands over beside the request. */
interface ServerContext {
  req?: { socket?: { remoteAddress?: string } };
}

export function useRequest(services: Services, authenticate: Authenticator): Plugin {
  const { log, clock, config } = services;
  const cookie = cookieSettings(config.mode);
  const mask = errorMasker(log);
  const addressOf = clientAddresses(config.server.trustedProxies);

  function newFacts({ headers }: Request, context: ServerContext): RequestFacts {
    const given = headers.get('x-request-id') ?? '';
    return {
      id: REQUEST_ID.test(given) ? given : newId(),
      startedAt: clock.monotonic(),
      ipAddress: addressOf(context.req?.socket?.remoteAddress, headers.get('x-forwarded-for')),
      authentication: null,
      session: null,
      badCredential: false,
      sessionCookie: undefined,
      operation: null,
      outcome: 'ok',
    };
  }

  return {
    async onRequest({ request, url, serverContext, endResponse, fetchAPI }) {
      const facts = factsFor(request, () => newFacts(request, serverContext as ServerContext));
      if (QUIET.has(url.pathname)) return;
      const credential = findCredential(request.headers, cookie, config.server.corsOrigins);
      if (!credential) return;
      const { token } = credential;
      try {
        const found = await authenticate(token);
        facts.authentication = found;
        facts.badCredential = found === null;
        facts.session = found && sessionOf(authenticate, token, found);
      } catch (cause) {
        // Thrown on, it would reach the client with its stack.
        const { message, extensions } = mask(cause, facts.id);
        const status = extensions.code === 'UNAVAILABLE' ? 503 : 500;
        endResponse(fetchAPI.Response.json({ errors: [{ message, extensions }] }, { status }));
      }
    },
    onResponse({ request, response, serverContext }) {
      const facts = factsFor(request, () => newFacts(request, serverContext as ServerContext));
      const { pathname } = new URL(request.url, 'http://local');
      response.headers.set('x-request-id', facts.id);
      if (facts.sessionCookie !== undefined) {
        response.headers.append(
          'set-cookie',
          setCookieHeader(cookie, facts.sessionCookie, config.auth.sessionTtlMs),
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
