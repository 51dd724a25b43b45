/** What browsers are to know of every answer: it is what it says it is, it is in no frame, and it runs no script that is not ours. */
import type { Plugin } from 'graphql-yoga';
import { factsOf } from '../request.js';

/** Also for what never comes as far as here: see http.ts. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
};
/** GraphiQL comes in one piece, and works with what it brings along: scripts, styles and workers of the page itself. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'unsafe-inline' 'unsafe-eval' blob:",
  "style-src 'unsafe-inline'",
  "img-src 'self' data:",
  'font-src data:',
  'worker-src blob:',
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
/** A year, as browsers want it. Not for sub-domains: what else is there is not ours to say. */
export const STRICT_TRANSPORT = 'max-age=31536000';

export function useSecurityHeaders(): Plugin {
  return {
    onResponse({ request, response: { headers } }) {
      for (const [name, value] of Object.entries(SECURITY_HEADERS)) headers.set(name, value);
      if (headers.get('content-type')?.startsWith('text/html'))
        headers.set('content-security-policy', PAGE_POLICY);
      if (factsOf(request).encrypted) headers.set('strict-transport-security', STRICT_TRANSPORT);
    },
  };
}
