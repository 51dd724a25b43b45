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

/** `$input.spec.nics[1]: ` for a value that does not fit its variable. The rest of what graphql-js says there repeats the value, secrets included. */
function placeInVariable(error: unknown): string {
  for (let at = error; at instanceof GraphQLError; at = at.originalError) {
    const variable = /^Variable "(\$\w+)" got invalid value /.exec(at.message)?.[1];
    if (!variable || !at.originalError) continue;
    const said = at.message.slice(0, -`; ${at.originalError.message}`.length);
    return `${variable}${/ at "\w+((?:\.\w+|\[\d+\])+)"$/.exec(said)?.[1] ?? ''}: `;
  }
  return '';
}

/** Names that graphql-js guesses. That a field needs `{ ... }` is no guess. */
const SUGGESTION = / Did you mean (?!"\w* \{ \.\.\. \}"\?$).*\?$/s;

/** The same error without a guess at what the caller meant: guesses would spell the schema out to strangers, name by name. */
export function withoutSuggestion(error: GraphQLError): GraphQLError {
  const message = error.message.replace(SUGGESTION, '');
  return message === error.message
    ? error
    : new GraphQLError(message, { ...placeOf(error), extensions: error.extensions });
}

function placeOf({ nodes, source, positions, path }: GraphQLError) {
  return {
    nodes: nodes ?? null,
    source: source ?? null,
    positions: positions ?? null,
    path: path ?? null,
  };
}

/** The code of an error about the request's own text: its maker's, or what kind of fault graphql-js found. */
export function codeOf({ message, extensions }: GraphQLError): string {
  if (typeof extensions.code === 'string') return extensions.code;
  return message.startsWith('Syntax Error') ? 'GRAPHQL_PARSE_FAILED' : 'GRAPHQL_VALIDATION_FAILED';
}

/** What transports add for themselves: the parser's own words repeat the request, and HTTP must still see a bad request. */
function ownExtensions({ originalError, http, ...extensions }: GraphQLError['extensions']) {
  if (http === undefined) return extensions;
  return {
    ...extensions,
    http: originalError === undefined ? http : { ...(http as object), spec: false },
  };
}

/** Made once per app; `requestIdOf` finds the id for a bug's message. */
export function errorMasker(
  log: Logger,
): (error: unknown, requestId: string | null) => GraphQLError {
  return (error, requestId) => {
    const root = rootOf(error);
    const at = error instanceof GraphQLError ? placeOf(error) : {};
    const known = root instanceof RequestError ? root : unavailable(root);
    if (known) {
      return new GraphQLError(known.message, {
        ...at,
        extensions: { code: known.code, ...known.extensions },
      });
    }
    if (root instanceof GraphQLError) {
      // Syntax, validation, coercion: about the request's own text.
      // The same request cannot succeed later, unless whoever refused it says otherwise.
      const extensions = {
        retryable: false,
        ...ownExtensions(root.extensions),
        code: codeOf(root),
      };
      const message = `${placeInVariable(error)}${withoutSuggestion(root).message}`;
      return new GraphQLError(message, { ...at, extensions });
    }
    log.error(
      { err: root, requestId, path: error instanceof GraphQLError ? error.path : null },
      'a bug: an unexpected error reached the edge',
    );
    return new GraphQLError(
      `Something went wrong here, and it is not your fault. Please report the request id ${requestId ?? 'unknown'}.`,
      { ...at, extensions: { code: 'INTERNAL_SERVER_ERROR', requestId, retryable: false } },
    );
  };
}
