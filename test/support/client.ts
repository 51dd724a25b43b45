/** A typed client for tests: documents come from `graphql(...)` in test/gen, answers are typed by them. */

import { graphql } from '../gen/gql.js';
import type { TypedDocumentString } from '../gen/graphql.js';
import { noteAnswer } from './declared-errors.js';

export interface GraphQLFault {
  readonly message: string;
  readonly path?: readonly (string | number)[];
  readonly extensions: { readonly code: string; readonly [key: string]: unknown };
}

export interface Answer<R> {
  readonly status: number;
  readonly data: R | null;
  readonly errors: readonly GraphQLFault[];
  readonly extensions: Record<string, unknown>;
  readonly headers: Headers;
}

export interface Client {
  readonly token: string | null;
  /** The data; throws when there is any top-level error. */
  run<R, V>(
    document: TypedDocumentString<R, V>,
    ...variables: V extends Record<string, never> ? [] : [V]
  ): Promise<R>;
  /** The whole answer, errors included. */
  answer<R, V>(
    document: TypedDocumentString<R, V> | string,
    variables?: unknown,
  ): Promise<Answer<R>>;
  /** Any request, for what GraphQL clients do not send. */
  raw(init: RequestInit & { path?: string }): Promise<Response>;
  /** Server-sent events of a subscription, as parsed `next` payloads; `return()` hangs up. */
  subscribe<R, V>(
    document: TypedDocumentString<R, V>,
    variables: V,
  ): AsyncGenerator<{ data?: R | null; errors?: readonly GraphQLFault[] }>;
  login(username: string, password: string): Promise<string>;
}

const Login = graphql(`
  mutation TestLogin($input: LoginInput!) {
    login(input: $input) {
      __typename
      ... on LoginPayload { token }
      ... on UserError { code message }
    }
  }
`);

export function createClient(
  fetcher: (request: Request) => Promise<Response>,
  token: string | null,
  base = 'http://test',
): Client {
  const headers = (): Record<string, string> => ({
    'content-type': 'application/json',
    ...(token ? { authorization: `Bearer ${token}` } : {}),
  });
  const post = (body: unknown, extra: Record<string, string> = {}, signal?: AbortSignal) =>
    fetcher(
      new Request(`${base}/graphql`, {
        method: 'POST',
        headers: { ...headers(), ...extra },
        body: JSON.stringify(body),
        ...(signal ? { signal } : {}),
      }),
    );

  const client: Client = {
    token,
    async answer(document, variables = {}) {
      const response = await post({ query: document.toString(), variables });
      const text = await response.text();
      const body = JSON.parse(text) as {
        data?: never;
        errors?: GraphQLFault[];
        extensions?: Record<string, unknown>;
      };
      noteAnswer(document.toString(), body.data ?? null);
      return {
        status: response.status,
        data: body.data ?? null,
        errors: body.errors ?? [],
        extensions: body.extensions ?? {},
        headers: response.headers,
      };
    },
    async run(document, ...variables) {
      const answer = await client.answer(document, variables[0]);
      if (answer.errors.length > 0)
        throw new Error(`unexpected errors: ${JSON.stringify(answer.errors)}`);
      return answer.data as never;
    },
    raw: ({ path = '/graphql', ...init }) => fetcher(new Request(`${base}${path}`, init)),
    async *subscribe(document, variables) {
      const hangUp = new AbortController();
      const response = await post(
        { query: document.toString(), variables },
        { accept: 'text/event-stream' },
        hangUp.signal,
      );
      try {
        yield* eventsOf(response);
      } finally {
        hangUp.abort();
      }
    },
    async login(username, password) {
      const { login } = await client.run(Login, { input: { username, password } });
      if (login.__typename !== 'LoginPayload' || !login.token)
        throw new Error(`cannot sign in as ${username}: ${JSON.stringify(login)}`);
      return login.token;
    },
  };
  return client;
}

async function* eventsOf(response: Response): AsyncGenerator<never> {
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
    throw new Error(`no event stream but ${response.status} ${await response.text()}`);
  }
  if (!response.body) return;
  const reader = response.body
    .pipeThrough(new TextDecoderStream() as never)
    .getReader() as ReadableStreamDefaultReader<string>;
  let buffer = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      buffer += value;
      const blocks = buffer.split('\n\n');
      buffer = blocks.pop() ?? '';
      for (const block of blocks) {
        const event = /^event: (.*)$/m.exec(block)?.[1];
        const data = /^data: (.*)$/m.exec(block)?.[1];
        if (event === 'complete') return;
        if (event === 'next' && data) yield JSON.parse(data) as never;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
