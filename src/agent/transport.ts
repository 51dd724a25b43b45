/** A small GraphQL client: typed documents over fetch. The agent's only way to the control plane. */
import type { TypedDocumentString } from '../gen/api/graphql.js';

export type Fetch = (request: Request) => Promise<Response>;

/** The server answered with errors, or with something that is no GraphQL answer. */
export class ApiError extends Error {
  constructor(
    /** The first error's code, e.g. UNAUTHENTICATED; HTTP_<status> when there was none. */
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

export interface Transport {
  send<R, V>(document: TypedDocumentString<R, V>, variables: V): Promise<R>;
}

interface Answer<R> {
  readonly data?: R | null;
  readonly errors?: readonly {
    readonly message: string;
    readonly extensions?: { readonly code?: string };
  }[];
}

const TIMEOUT_MS = 10_000;

/** @param server the URL of the API, with or without /graphql */
export function openTransport(
  server: string,
  token: string,
  fetcher: Fetch = (request) => fetch(request),
): Transport {
  const url = new URL(server);
  if (url.pathname === '/') url.pathname = '/graphql';
  return {
    async send(document, variables) {
      const response = await fetcher(
        new Request(url, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
          body: JSON.stringify({ query: document.toString(), variables }),
          signal: AbortSignal.timeout(TIMEOUT_MS),
        }),
      );
      const answer = (await response.json().catch(() => ({}))) as Answer<never>;
      const [error] = answer.errors ?? [];
      if (error)
        throw new ApiError(error.extensions?.code ?? `HTTP_${response.status}`, error.message);
      if (!answer.data)
        throw new ApiError(
          `HTTP_${response.status}`,
          `${url.origin} did not answer as a control plane does`,
        );
      return answer.data;
    },
  };
}
