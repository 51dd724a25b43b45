/**
 * The GraphiQL page. It carries all that it needs, nine megabytes, so it is made and compressed once, when somebody first asks,
 * and browsers keep it: they only ask whether it is still the same.
 */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Plugin } from 'graphql-yoga';

interface Page {
  readonly html: string;
  readonly gzipped: Uint8Array<ArrayBuffer>;
  readonly etag: string;
}

async function makePage(): Promise<Page> {
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql');
  const html = renderGraphiQL({ title: 'Quantix-vDC', defaultQuery: GREETING });
  const etag = `"${createHash('sha256').update(html).digest('base64url')}"`;
  return { html, gzipped: new Uint8Array(await promisify(gzip)(html)), etag };
}

export function useGraphiql(path: string): Plugin {
  let page: Promise<Page> | undefined;
  return {
    async onRequest({ request, url, fetchAPI, endResponse }) {
      const { method, headers: asked } = request;
      const wantsPage = method === 'GET' && asked.get('accept')?.includes('text/html');
      if (!wantsPage || (url.pathname !== path && url.pathname !== `${path}/`)) return;
      page ??= makePage();
      const { html, gzipped, etag } = await page;
      const headers = new Headers({
        etag,
        'cache-control': 'no-cache',
        vary: 'accept, accept-encoding',
      });
      if (asked.get('if-none-match')?.includes(etag))
        return endResponse(new fetchAPI.Response(null, { status: 304, headers }));
      headers.set('content-type', 'text/html; charset=utf-8');
      const zipped = /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(
        asked.get('accept-encoding') ?? '',
      );
      if (zipped) headers.set('content-encoding', 'gzip');
      endResponse(new fetchAPI.Response(zipped ? gzipped : html, { headers }));
    },
  };
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
