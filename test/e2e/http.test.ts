/** What the HTTP server takes, refuses and survives. */
import { readFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Installation, install } from '../support/installation.js';
import type { Served } from '../support/program.js';
import { until } from '../support/until.js';
import { speak } from './raw.js';

vi.setConfig({ testTimeout: 120_000 });

const CONSOLE = 'https://console.example.org';
const OTHER = 'https://other.example.org';
const EVIL = 'https://evil.example';
const JSON_TYPE = { 'content-type': 'application/json' };
const QUERY = JSON.stringify({ query: '{ server { version } }' });

let installation: Installation;
let plain: Served;
let configured: Served;

beforeAll(async () => {
  installation = await install({ server: { request_timeout: '1s' } });
  plain = await installation.serve();
  const other = await install({
    server: { graphiql: 'on', cors_origins: [CONSOLE, OTHER] },
    limits: { max_request_bytes: '2KiB', max_query_tokens: 200, max_query_depth: 4 },
  });
  configured = await other.serve();
});
afterAll(() => Promise.all([plain, configured].map((served) => served?.program.dispose())));

function ask(served: Served, init: RequestInit & { path?: string } = {}): Promise<Response> {
  return fetch(`${served.url}${init.path ?? '/graphql'}`, init);
}

function crossOriginHeaders({ headers }: Response): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => name.startsWith('access-control-')));
}

describe('pages of other origins', () => {
  const post = (served: Served, origin: string) =>
    ask(served, { method: 'POST', headers: { ...JSON_TYPE, origin }, body: QUERY });
  const preflight = (served: Served, origin: string) =>
    ask(served, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      },
    });

  it.each([EVIL, 'null', CONSOLE])(
    'get no leave to read answers when none is configured (%s)',
    async (origin) => {
      expect(crossOriginHeaders(await post(plain, origin))).toEqual({});
      expect(crossOriginHeaders(await preflight(plain, origin))).toEqual({});
    },
  );

  it.each([CONSOLE, OTHER])('get it when they are configured (%s)', async (origin) => {
    const answer = await post(configured, origin);
    expect(crossOriginHeaders(answer)).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
    });
    expect(answer.headers.get('vary')?.toLowerCase()).toContain('origin');
    const allowed = crossOriginHeaders(await preflight(configured, origin));
    expect(allowed['access-control-allow-origin']).toBe(origin);
    expect(allowed['access-control-allow-methods']).toContain('POST');
    expect(allowed['access-control-allow-headers']?.toLowerCase()).toMatch(
      /authorization.*content-type/,
    );
  });

  it.each([EVIL, 'null', `${CONSOLE}.evil.example`])(
    'get none when others are configured (%s)',
    async (origin) => {
      for (const response of [await post(configured, origin), await preflight(configured, origin)])
        expect(crossOriginHeaders(response)).not.toHaveProperty('access-control-allow-origin');
    },
  );
});

describe('forms of a request', () => {
  it('GraphQL comes as JSON by POST, or as a query by GET', async () => {
    const posted = await ask(plain, { method: 'POST', headers: JSON_TYPE, body: QUERY });
    expect([posted.status, await posted.json()]).toEqual([
      200,
      expect.objectContaining({ data: { server: { version: expect.any(String) } } }),
    ]);
    const got = await ask(plain, { path: '/graphql?query=%7Bserver%7Bversion%7D%7D' });
    expect(got.status).toBe(200);
  });

  // A page of a foreign origin can send these without asking the browser's leave.
  it.each([
    ['application/x-www-form-urlencoded', 'query=%7Bserver%7Bversion%7D%7D'],
    ['text/plain', QUERY],
    [
      'multipart/form-data; boundary=x',
      `--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n${QUERY}\r\n--x--\r\n`,
    ],
  ])('a POST of type %s is refused', async (type, body) => {
    const response = await ask(plain, { method: 'POST', headers: { 'content-type': type }, body });
    expect(response.status).toBe(415);
    expect(await response.text()).not.toContain('"data"');
  });

  it('a mutation by GET is refused', async () => {
    const query = encodeURIComponent('mutation { logout(input: {}) { __typename } }');
    const response = await ask(plain, { path: `/graphql?query=${query}` });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST');
  });

  it('several operations in one array are refused', async () => {
    const response = await ask(plain, {
      method: 'POST',
      headers: JSON_TYPE,
      body: `[${QUERY},${QUERY}]`,
    });
    expect(response.status).toBe(400);
  });

  it.each(['{', '', 'null', '"text"', '{"query": 1}', '{}', '{"query":"{a}","variables":7}'])(
    'the body %j is answered with an error, not with a fault of ours',
    async (body) => {
      const response = await ask(plain, { method: 'POST', headers: JSON_TYPE, body });
      expect([200, 400]).toContain(response.status);
      const { errors } = (await response.json()) as { errors: { extensions: { code: string } }[] };
      expect(errors[0]?.extensions.code).not.toBe('INTERNAL_SERVER_ERROR');
    },
  );

  it.each(['PUT', 'DELETE', 'PATCH', 'OPTIONS'])(
    '%s is refused, and the answer says what is not',
    async (method) => {
      const response = await ask(plain, { method, headers: JSON_TYPE, body: QUERY });
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, POST']);
    },
  );

  it('HEAD is answered without a body', async () => {
    for (const path of ['/healthz', '/readyz', '/metrics']) {
      const response = await ask(plain, { path, method: 'HEAD' });
      expect([path, response.status, await response.text()]).toEqual([path, 200, '']);
    }
    const graphql = await ask(plain, { method: 'HEAD' });
    expect([graphql.status, await graphql.text()]).toEqual([405, '']);
  });

  it.each(['/', '/graphql/x', '/favicon.ico', '/healthz/', '/metrics?x', '/health'])(
    'the path %s is what it says, or 404',
    async (path) => {
      const known = path === '/metrics?x';
      expect((await ask(plain, { path })).status).toBe(known ? 200 : 404);
    },
  );
});

describe('GraphiQL', () => {
  const page = (served: Served) => ask(served, { headers: { accept: 'text/html' } });

  it('is not served in production', async () => {
    const response = await page(plain);
    expect(response.headers.get('content-type') ?? '').not.toContain('html');
    expect(response.status).toBeGreaterThanOrEqual(400);
  });

  it('comes compressed to whom that suits, and not again to whom has it', async () => {
    const accept = 'text/html';
    const get = (headers: Record<string, string>) =>
      ask(configured, { headers: { accept, ...headers } });
    const plainly = await get({ 'accept-encoding': 'identity' });
    expect(plainly.headers.get('content-encoding')).toBeNull();
    const zipped = await get({ 'accept-encoding': 'br, gzip' });
    expect(zipped.headers.get('content-encoding')).toBe('gzip');
    const length = (response: Response) => Number(response.headers.get('content-length'));
    expect(length(zipped)).toBeLessThan(length(plainly) / 2);
    expect(await zipped.text()).toBe(await plainly.text());
    const etag = zipped.headers.get('etag') ?? '';
    const again = await get({ 'if-none-match': etag });
    expect([again.status, await again.text()]).toEqual([304, '']);
    expect((await get({ 'if-none-match': '"another"' })).status).toBe(200);
  });

  it('is served in production when it is switched on, and needs nothing from elsewhere', async () => {
    const response = await page(configured);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('text/html');
    const html = await response.text();
    expect(html).toContain('<title>Quantix-vDC</title>');
    const tags = html.match(/<(?:script|link|img|iframe)\b[^>]*>/g) ?? [];
    expect(tags.length).toBeGreaterThan(0);
    expect(tags.filter((tag) => /\b(?:src|href)=["']?(?:https?:)?\/\//.test(tag))).toEqual([]);
    expect(
      html.match(
        /https?:\/\/(?:[\w.-]*\.)?(?:unpkg\.com|jsdelivr\.net|esm\.sh|cdnjs\.cloudflare\.com|googleapis\.com)/g,
      ),
    ).toBeNull();
  });
});

describe('limits', () => {
  const send = async (query: string) => {
    const response = await ask(configured, {
      method: 'POST',
      headers: JSON_TYPE,
      body: JSON.stringify({ query }),
    });
    return {
      status: response.status,
      ...((await response.json()) as {
        errors?: { message: string; extensions: { code: string } }[];
      }),
    };
  };

  it('an oversized body is refused with 413 and words, whether its size is told or not', async () => {
    const body = JSON.stringify({ query: `{ server { version } } #${'x'.repeat(3000)}` });
    const chunks = new ReadableStream({
      start(controller) {
        for (let at = 0; at < body.length; at += 500)
          controller.enqueue(new TextEncoder().encode(body.slice(at, at + 500)));
        controller.close();
      },
    });
    for (const form of [{ body }, { body: chunks, duplex: 'half' as const }]) {
      const response = await ask(configured, { method: 'POST', headers: JSON_TYPE, ...form });
      expect(response.status).toBe(413);
      expect(await response.json()).toMatchObject({
        errors: [
          {
            message: expect.stringMatching(/2048|large/i),
            extensions: { code: 'REQUEST_ENTITY_TOO_LARGE', retryable: false },
          },
        ],
      });
    }
  });

  it('a body that was refused before it was all there leaves a connection that can be used', async () => {
    const { hostname, port } = new URL(configured.url);
    const socket = createConnection({ host: hostname, port: Number(port) });
    let said = '';
    socket.setEncoding('latin1').on('data', (text) => {
      said += text;
    });
    const head = `POST /graphql HTTP/1.1\r\nHost: ${hostname}\r\nContent-Type: application/json\r\n`;
    const chunk = `3e8\r\n${'x'.repeat(1_000)}\r\n`;
    socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(3)}`);
    await until('it is refused', () => said.includes('HTTP/1.1 413 '));
    // The client has not heard yet.
    for (let i = 0; i < 5; i += 1) {
      socket.write(chunk);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    socket.write(`0\r\n\r\n${head}Content-Length: ${QUERY.length}\r\n\r\n${QUERY}`);
    await until('the next one is answered', () => said.includes('HTTP/1.1 200 OK'));
    socket.destroy();
  });

  it('what cannot be served however often it is asked for says so', async () => {
    const { errors } = await send('{ nonsense }');
    expect(errors?.[0]?.extensions).toEqual({
      code: 'GRAPHQL_VALIDATION_FAILED',
      retryable: false,
    });
    const response = await ask(configured, {
      method: 'POST',
      headers: { ...JSON_TYPE, accept: 'image/png' },
      body: JSON.stringify({ query: '{ __typename }' }),
    });
    expect(response.status).toBe(406);
    expect(await response.json()).toMatchObject({
      errors: [
        {
          message: expect.stringContaining('application/json'),
          extensions: { code: 'BAD_REQUEST', retryable: false },
        },
      ],
    });
  });

  it('a document of too many tokens is refused', async () => {
    const { errors } = await send(`{ ${'a '.repeat(300)}}`);
    expect(errors?.[0]?.message).toContain('200 tokens');
    expect(errors?.[0]?.extensions.code).toBe('GRAPHQL_PARSE_FAILED');
  });

  it('a document that is nested too deep is refused', async () => {
    const { errors } = await send(
      '{ clusters { nodes { hypervisorNodes { nodes { cluster { name } } } } } }',
    );
    expect(errors?.[0]).toMatchObject({
      message: 'The query is nested more than 4 deep.',
      extensions: { code: 'QUERY_TOO_DEEP' },
    });
  });

  it('headers that are too large are refused', async () => {
    const answer = await speak(
      plain.url,
      `GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
    expect(answer).toContain('"code":"BAD_REQUEST","retryable":false');
  });

  it('an idle connection is kept for longer than nginx would: it is never we who end one that is about to be used', async () => {
    const answer = await ask(plain, { path: '/healthz' });
    expect(answer.headers.get('keep-alive')).toBe('timeout=75');
    const proxy = await readFile(
      new URL('../../openrc/nginx/quantix.conf', import.meta.url),
      'utf8',
    );
    const upstream = /upstream [\s\S]*?\}/.exec(proxy)?.[0] ?? '';
    expect(upstream).toMatch(/keepalive \d+;/);
    expect(upstream).not.toContain('keepalive_timeout'); // 60 s unless told otherwise
  });

  it('a client that takes longer than server.request_timeout to send its request is cut off', async () => {
    const started = performance.now();
    const [headers, body] = await Promise.all([
      speak(plain.url, 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: '),
      speak(
        plain.url,
        'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
      ),
    ]);
    expect(headers).toMatch(/^HTTP\/1\.1 408 /);
    expect(body).toMatch(/^HTTP\/1\.1 408 /);
    expect(performance.now() - started).toBeLessThan(8_000);
  });
});

describe('requests that no browser sends', () => {
  const upgrade =
    'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';
  it.each([
    'GET // HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /graphql HTTP/1.1\r\nHost: [\r\n\r\n',
    'GET /graphql HTTP/1.1\r\nHost: a b\r\n\r\n',
    'GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET http://x:99999999/graphql HTTP/1.1\r\nHost: x\r\n\r\n',
    'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n',
    'CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /%ff%zz?%=%&& HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /graphql HTTP/1.1\r\n\r\n',
    'GET /healthz HTTP/1.0\r\n\r\n',
    '\0\0\0\0\r\n\r\n',
    `GET // HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`,
    `GET http://[ HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`,
    `GET /graphql HTTP/1.1\r\nHost: [\r\nOrigin: ::\r\n${upgrade}\r\n`,
    `GET /elsewhere HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`,
    `GET /graphql HTTP/1.1\r\nHost: x\r\nOrigin: ${EVIL}\r\n${upgrade}\r\n`,
    'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nCookie: =;;quantix_session;a=b=c\r\nContent-Length: 2\r\n\r\n{}',
    'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: \u00ff\r\nAuthorization: \u00ff\r\nContent-Length: 2\r\n\r\n{}',
  ])('%j is answered or cut off, and the server lives on', async (request) => {
    expect(await speak(plain.url, request)).not.toMatch(/^HTTP\/1\.1 5/);
    expect((await ask(plain, { path: '/healthz' })).status).toBe(200);
    expect(plain.program.stderr).toBe('');
  });

  it('a target that is a whole URL is taken for its path', async () => {
    const answer = await speak(plain.url, 'GET http://x/healthz?y HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*ok\n$/);
  });

  it('clients that break off at any point leave nothing behind', async () => {
    const whole = `GET /graphql HTTP/1.1\r\nHost: x\r\nOrigin: ${EVIL}\r\n${upgrade}\r\n`;
    const posts = `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${QUERY.length}\r\n\r\n${QUERY}`;
    for (const request of [whole, posts, posts.slice(0, -5)])
      await Promise.all(
        Array.from({ length: 20 }, () => speak(plain.url, request, { reset: true })),
      );
    expect((await ask(plain, { path: '/healthz' })).status).toBe(200);
    expect(plain.program.stderr).toBe('');
  });
});
