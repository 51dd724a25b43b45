/**
 * Lets pages of configured origins call the API with credentials, and no others. Written out here, because the library answers
 * every other origin with "null", which is the origin of any sandboxed page.
 */
import type { Plugin } from 'graphql-yoga';

const METHODS = 'GET, POST';
const HEADERS = 'authorization, content-type, x-request-id';
const EXPOSED = 'x-request-id, ratelimit-limit, ratelimit-remaining, ratelimit-reset, retry-after';
/** How long a browser may remember a preflight, in seconds. */
const MAX_AGE = '600';

export function useCors(origins: readonly string[]): Plugin {
  if (origins.length === 0) return {};
  const allowed = (request: Request): string | null => {
    const origin = request.headers.get('origin');
    return origin !== null && origins.includes(origin) ? origin : null;
  };
  return {
    onRequest({ request, endResponse, fetchAPI }) {
      const preflight =
        request.method === 'OPTIONS' && request.headers.has('access-control-request-method');
      if (!preflight || !allowed(request)) return;
      const headers = {
        'access-control-allow-methods': METHODS,
        'access-control-allow-headers': HEADERS,
        'access-control-max-age': MAX_AGE,
      };
      endResponse(new fetchAPI.Response(null, { status: 204, headers }));
    },
    onResponse({ request, response }) {
      response.headers.append('vary', 'Origin');
      const origin = allowed(request);
      if (!origin) return;
      response.headers.set('access-control-allow-origin', origin);
      response.headers.set('access-control-allow-credentials', 'true');
      response.headers.set('access-control-expose-headers', EXPOSED);
    },
  };
}
