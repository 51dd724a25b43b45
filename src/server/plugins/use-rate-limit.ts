/** Refuses callers that ask too often, before anything of the request is read; and tells all others what is left. See rate-limit.ts. */
import type { Plugin } from 'graphql-yoga';
import { RateLimitedError } from '../../errors.js';
import { type Admission, type RateLimiter, requireAdmission } from '../rate-limit.js';
import { factsOf, type RequestFacts } from '../request.js';

const seconds = (ms: number): string => String(Math.ceil(ms / 1000));

export function useRateLimit(limiter: RateLimiter, endpoint: string): Plugin {
  return {
    async onRequest({ request, url, endResponse, fetchAPI }) {
      // Health and metrics are asked by machines that must not be refused, and a preflight costs nothing.
      if (url.pathname !== endpoint || request.method === 'OPTIONS') return;
      const facts = factsOf(request);
      facts.admission = await limiter.admit(facts.ipAddress, facts.credential?.token ?? null);
      const refusal = refusalOf(facts, fetchAPI);
      if (refusal) endResponse(refusal);
    },
    onResponse({ request, response: { headers } }) {
      const { admission } = factsOf(request);
      if (!admission) return;
      headers.set('ratelimit-limit', String(admission.limit));
      headers.set('ratelimit-remaining', String(admission.remaining));
      headers.set('ratelimit-reset', seconds(admission.resetMs));
      if (admission.refused) headers.set('retry-after', seconds(admission.resetMs));
    },
  };
}

/** The answer to a caller who has to wait, or null. */
export function refusalOf(
  facts: RequestFacts & { readonly admission: Admission | null },
  { Response: Answer }: { readonly Response: typeof Response },
): Response | null {
  try {
    requireAdmission(facts.admission);
    return null;
  } catch (error) {
    if (!(error instanceof RateLimitedError)) throw error;
    const { code, message, extensions, status } = error;
    facts.outcome = code;
    return Answer.json({ errors: [{ message, extensions: { code, ...extensions } }] }, { status });
  }
}
