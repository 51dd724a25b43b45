/** Errors that end a whole request: top-level GraphQL errors with a code. */

/** The codes of top-level errors, with their meaning for the reference page. */
export const REQUEST_ERROR_CODES = {
  UNAUTHENTICATED: 'Nobody is signed in, or the token does not count any more.',
  PASSWORD_CHANGE_REQUIRED:
    'You are signed in with a password that somebody else gave you. Nothing but `changePassword` and `logout` is possible before it is your own.',
  BAD_USER_INPUT:
    'An id, a cursor, a page size or a filter is malformed; `path` names the argument.',
  NOT_FOUND:
    'A subscription names an object that does not exist, or does not exist for you; `path` names the argument.',
  SUBSCRIPTION_REVOKED:
    'The last message of a subscription, before it completes: the session or token that it began with has ended. Sign in again.',
  RIGHTS_CHANGED:
    'The last message of a subscription, before it completes: your rights have changed since it began. Subscribe again, and it tells what you may see now.',
  RATE_LIMITED:
    'You asked more often, or for more, than you may in a minute; `retryAfterMs` says how long to wait. Nothing was done.',
  UNAVAILABLE:
    'A server behind this one does not answer, this one is overloaded, or the deadline passed. Try again.',
  GRAPHQL_PARSE_FAILED: 'The document is not GraphQL.',
  GRAPHQL_VALIDATION_FAILED:
    'The document does not fit the schema, or a variable does not fit its type: the message says where in it.',
  QUERY_TOO_DEEP: 'The query is nested too deep.',
  QUERY_TOO_LARGE:
    'The query has too many fields, aliases or directives, costs too much (large pages within large pages), or a list, a text or the nesting of its values is too large.',
  INTROSPECTION_DISABLED: 'The schema is not told here: `server.introspection` says to whom.',
  PERSISTED_QUERY_NOT_FOUND:
    'No document of this hash is on the list of this server (`server.persisted_operations_file`).',
  PERSISTED_QUERY_REQUIRED:
    'This server answers only documents on its list; send the hash of one, or its exact text.',
  BAD_REQUEST: 'The HTTP request is not one of GraphQL: no JSON, no query, GET for a mutation.',
  REQUEST_ENTITY_TOO_LARGE: 'The body is larger than it may be.',
  OPERATION_RESOLUTION_FAILURE: 'The document has no operation of the name that was asked for.',
  TOO_MANY_SUBSCRIPTIONS:
    'The socket has as many operations as it may, or you have as many subscriptions.',
  INTERNAL_SERVER_ERROR: 'A bug of ours. The message names the request id to report.',
} as const;

export type RequestErrorCode = keyof typeof REQUEST_ERROR_CODES;

/** Ends a whole request: a top-level GraphQL error with `extensions.code`. */
export class RequestError extends Error {
  constructor(
    readonly code: RequestErrorCode,
    message: string,
    readonly status: number,
    readonly extensions: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
  }
}

/** The request is malformed in a way that GraphQL itself does not see (an id, a cursor, a page size). */
export class BadRequestError extends RequestError {
  constructor(message: string, path: readonly string[] = []) {
    super('BAD_USER_INPUT', message, 400, { path, retryable: false });
  }
}

/** There is nothing to subscribe to: absent and hidden are the same. Queries answer null instead, mutations NotFoundError. */
export class NothingToWatchError extends RequestError {
  constructor(resourceType: string, path: readonly string[] = ['id']) {
    const message = `No such ${resourceType}, or it is not visible to you.`;
    super('NOT_FOUND', message, 404, { path, retryable: false });
  }
}

/** Nobody is signed in, and the field needs somebody. */
export class UnauthenticatedError extends RequestError {
  constructor(message = 'Sign in first: call login, then send "Authorization: Bearer <token>".') {
    super('UNAUTHENTICATED', message, 401, { retryable: false });
  }
}

/** The caller is known, and must have another password before anything else. */
export class PasswordChangeRequiredError extends RequestError {
  constructor() {
    const message = 'Your password was given to you by somebody else. Call changePassword first.';
    super('PASSWORD_CHANGE_REQUIRED', message, 403, { retryable: false });
  }
}

/** The last message of a subscription whose credential has ended: signed out, revoked, expired, or of an account that is disabled. */
export class SubscriptionRevokedError extends RequestError {
  constructor() {
    const message =
      'The session or token that this subscription began with has ended. Sign in again, then subscribe again.';
    super('SUBSCRIPTION_REVOKED', message, 401, { retryable: false });
  }
}

/** The last message of a subscription whose caller may see other things by now, more or fewer. */
export class RightsChangedError extends RequestError {
  constructor() {
    const message =
      'Your rights have changed since this subscription began. Subscribe again: it tells what you may see now.';
    super('RIGHTS_CHANGED', message, 403, { retryable: true });
  }
}

/** The caller asked too often, or for too much. Nothing of the request was done. */
export class RateLimitedError extends RequestError {
  constructor(limit: number, retryAfterMs: number, may = `You may ask ${limit} times a minute.`) {
    const message = `${may} Wait ${Math.ceil(retryAfterMs / 1000)} s.`;
    super('RATE_LIMITED', message, 429, { retryable: true, retryAfterMs });
  }
}

/** A server behind this one does not answer, or this one is overloaded. Nothing acknowledged was lost. */
export class UnavailableError extends RequestError {
  constructor(message: string, retryAfterMs = 1000) {
    super('UNAVAILABLE', message, 503, { retryable: true, retryAfterMs });
  }
}
