/** Each request gets an id, a viewer, one log line, and its cookie back. First in the chain: the others read what it finds. */
import type { Plugin } from 'graphql-yoga';
import type { Services } from '../../core/context.js';
import { unavailable } from '../../core/failures.js';
import { newId } from '../../ids.js';
import type { Authenticator } from '../../modules/user/authenticate.js';
import { cookieSettings, findCredential, setCookieHeader } from '../auth.js';
import { factsFor, type RequestFacts } from '../request.js';

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

  function newFacts(request: Request, context: ServerContext): RequestFacts {
    const given = request.headers.get('x-request-id') ?? '';
    const address = context.req?.socket?.remoteAddress ?? null;
    return {
      id: REQUEST_ID.test(given) ? given : newId(),
      startedAt: clock.monotonic(),
      ipAddress: address?.replace(/^::ffff:/, '') ?? null,
      authentication: null,
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
      const credential = findCredential(request.headers, cookie);
      if (!credential) return;
      try {
        facts.authentication = await authenticate(credential.token);
        facts.badCredential = facts.authentication === null;
      } catch (cause) {
        const error = unavailable(cause);
        if (!error) throw cause;
        const { code, message, extensions } = error;
        endResponse(
          fetchAPI.Response.json(
            { errors: [{ message, extensions: { code, ...extensions } }] },
            { status: error.status },
          ),
        );
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
      // Agents call every few seconds: their reports are interesting only when they fail.
      const level =
        facts.operation?.field === 'reportNode' && facts.outcome === 'ok' ? 'debug' : 'info';
      log[level](
        {
          requestId: facts.id,
          method: request.method,
          path: pathname,
          status: response.status,
          durationMs: Math.round((clock.monotonic() - facts.startedAt) * 10) / 10,
          viewer: facts.authentication?.viewer.name ?? null,
          ipAddress: facts.ipAddress,
          ...(facts.operation
            ? {
                operation: facts.operation.name,
                type: facts.operation.type,
                field: facts.operation.field,
                outcome: facts.outcome,
              }
            : {}),
        },
        'request',
      );
    },
  };
}
