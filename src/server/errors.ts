/** What of an error reaches the client: our own words with a code, or a request id and nothing else. */
import { GraphQLError } from 'graphql';
import { unavailable } from '../core/failures.js';
import { RequestError } from '../errors.js';
import type { Logger } from '../log.js';

/** The error that was thrown, below the wrappers that graphql-js and its tools put around it. */
function rootOf(error: unknown): unknown {
  let current = error;
  while (current instanceof GraphQLError && current.originalError) current = current.originalError;
  return current;
}

/** Made once per app; `requestIdOf` finds the id for a bug's message. */
export function errorMasker(
  log: Logger,
): (error: unknown, requestId: string | null) => GraphQLError {
  return (error, requestId) => {
    const root = rootOf(error);
    const at =
      error instanceof GraphQLError
        ? {
            nodes: error.nodes ?? null,
            source: error.source ?? null,
            positions: error.positions ?? null,
            path: error.path ?? null,
          }
        : {};
    const known = root instanceof RequestError ? root : unavailable(root);
    if (known) {
      return new GraphQLError(known.message, {
        ...at,
        extensions: { code: known.code, ...known.extensions },
      });
    }
    if (root instanceof GraphQLError) {
      // Syntax, validation, coercion: about the request's own text. Suggestions would show the schema to strangers.
      const code = root.extensions.code ?? 'GRAPHQL_VALIDATION_FAILED';
      return new GraphQLError(root.message, { ...at, extensions: { ...root.extensions, code } });
    }
    log.error(
      { err: root, requestId, path: at.path },
      'a bug: an unexpected error reached the edge',
    );
    return new GraphQLError(
      `Something went wrong here, and it is not your fault. Please report the request id ${requestId ?? 'unknown'}.`,
      { ...at, extensions: { code: 'INTERNAL_SERVER_ERROR', requestId, retryable: false } },
    );
  };
}
