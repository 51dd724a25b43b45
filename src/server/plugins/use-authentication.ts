/** Finds out who calls, for everything but what is asked by machines without a name. */
import type { Plugin } from 'graphql-yoga';
import type { Services } from '../../core/context.js';
import { UnavailableError } from '../../errors.js';
import type { Authenticator } from '../../modules/user/authenticate.js';
import { errorMasker } from '../errors.js';
import type { RateLimiter } from '../rate-limit.js';
import { auditBadToken } from '../refused.js';
import { factsOf, sessionOf } from '../request.js';
import { refusalOf } from './use-rate-limit.js';

const TOO_LATE = 'It could not be found out in time who asks. Try again.';

export function useAuthentication(
  services: Services,
  authenticate: Authenticator,
  limiter: RateLimiter,
): Plugin {
  const { config, degraded, log } = services;
  const mask = errorMasker(log);
  return {
    async onRequest({ request, endResponse, fetchAPI }) {
      const facts = factsOf(request);
      if (!facts.credential) return;
      const { token } = facts.credential;
      try {
        const found = await within(config.server.requestTimeoutMs, authenticate(token));
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
        const missing = degraded();
        const body = {
          errors: [{ message, extensions }],
          ...(missing.length > 0 ? { extensions: { degraded: missing } } : {}),
        };
        endResponse(fetchAPI.Response.json(body, { status }));
      }
    },
  };
}

/** Execution has its own deadline: see use-deadline. */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new UnavailableError(TOO_LATE)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
