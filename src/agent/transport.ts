/** A small GraphQL client: typed documents over fetch. The agent's only way to the control plane. */
import type { TypedDocumentString } from '../gen/api/graphql.js';

export type Fetch = (request: Request) => Promise<Response>;

/** The server answered with errors, with something that is no GraphQL answer, or not at all. */
export class ApiError extends Error {
  constructor(
    /** The first error's code, e.g. UNAUTHENTICATED; HTTP_<status> when there was none; UNREACHABLE without an answer. */
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export interface Transport {
  /**
   * @param signal gives the request up; the result of a mutation is then not known
   * @throws ApiError, or the signal's reason
   */
  send<R, V>(document: TypedDocumentString<R, V>, variables: V, signal?: AbortSignal): Promise<R>;
}

interface Answer<R> {
  readonly data?: R | null;
  readonly errors?: readonly {
    readonly message: string;
    readonly extensions?: { readonly code?: string };
  }[];
}

const TIMEOUT_MS = 10_000;

/** @param server the URL of the API, with or without /graphql; `token` null: nobody in particular asks */
export function openTransport(
  server: string,
  token: string | null,
  fetcher: Fetch = (request) => fetch(request),
): Transport {
  const url = new URL(server);
  if (url.pathname === '/') url.pathname = '/graphql';
  return {
    async send(document, variables, signal) {
      // Not AbortSignal.any: each would leave something behind on a signal that lives as long as the agent.
      const giveUp = new AbortController();
      const stop = (): void => giveUp.abort(signal?.reason);
      const timer = setTimeout(
        () => giveUp.abort(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)),
        TIMEOUT_MS,
      );
      signal?.addEventListener('abort', stop, { once: true });
      if (signal?.aborted) stop();
      let response: Response;
      let answer: Answer<never>;
      try {
        response = await fetcher(
          new Request(url, {
            method: 'POST',
            headers: {
              'content-type': 'application/json',
              ...(token === null ? {} : { authorization: `Bearer ${token}` }),
            },
            body: JSON.stringify({ query: document.toString(), variables }),
            signal: giveUp.signal,
          }),
        );
        answer = parse(await response.text());
      } catch (cause) {
        signal?.throwIfAborted();
        throw new ApiError('UNREACHABLE', `${url.origin} cannot be reached: ${reasonOf(cause)}`, {
          cause,
        });
      } finally {
        clearTimeout(timer);
        signal?.removeEventListener('abort', stop);
      }
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

function parse(text: string): Answer<never> {
  try {
    return (JSON.parse(text) ?? {}) as Answer<never>;
  } catch {
    return {};
  }
}

/** The innermost reason in words: fetch itself only says that it failed. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return reasonOf(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : reasonOf(error.cause);
}
