/** Finds out who calls, for everything but what is asked by machines without a name. */
import type { Plugin } from 'graphql-yoga';
import type { Services } from '../../core/context.js';
import type { Authenticator } from '../../modules/user/authenticate.js';
import { errorMasker } from '../errors.js';
import type { RateLimiter } from '../rate-limit.js';
import { auditBadToken } from '../refused.js';
import { factsOf, sessionOf } from '../request.js';
import { refusalOf } from './use-rate-limit.js';

export function useAuthentication(
  services: Services,
  authenticate: Authenticator,
  limiter: RateLimiter,
): Plugin {
  const mask = errorMasker(services.log);
  return {
    async onRequest({ request, endResponse, fetchAPI }) {
      const facts = factsOf(request);
      if (!facts.credential) return;
      const { token } = facts.credential;
      try {
        const found = await authenticate(token);
        facts.authentication = found;
        facts.badCredential = found === null;
        if (!found) {
          const userAgent = request.headers.get('user-agent') ?? '';
          const { ipAddress, id: requestId } = facts;
          auditBadToken(services, token, { ipAddress, userAgent, requestId });
        }
        facts.session = found && sessionOf(authenticate, token, found);
        const settled = await limiter.settle(facts.ipAddress, token, found?.viewer.id ?? null);
        facts.admission = settled ?? facts.admission;
        const refusal = refusalOf(facts, fetchAPI);
        if (refusal) endResponse(refusal);
      } catch (cause) {
        // Thrown on, it would reach the client with its stack.
        const { message, extensions } = mask(cause, facts.id);
        const status = extensions.code === 'UNAVAILABLE' ? 503 : 500;
        endResponse(fetchAPI.Response.json({ errors: [{ message, extensions }] }, { status }));
      }
    },
  };
}
