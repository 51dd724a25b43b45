/**
 * Every error that a caller may meet, as a class with a stable code.
 * `UserError`s are expected answers of mutations: typed members of a result union.
 * `RequestError`s end a whole request: top-level GraphQL errors.
 * Anything else is a bug: masked at the edge, logged with the request's id.
 */

/** An expected refusal. `message` is for people and says what would help; `code` is for programs. */
export abstract class UserError extends Error {
  /** Stable, upper case; documented in docs/errors.md. */
  abstract readonly code: string;
  /** The input field that caused it, outermost first; empty when the whole request did. */
  readonly path: readonly string[] = [];
  /** Whether the same request may succeed later without change. */
  readonly retryable: boolean = false;
}

export interface Issue {
  readonly path: readonly string[];
  readonly message: string;
}

/** The input itself is wrong, whatever the state of the datacenter. */
export class ValidationError extends UserError {
  readonly code = 'VALIDATION';
  override readonly path: readonly string[];
  constructor(readonly issues: readonly Issue[]) {
    super(
      issues.map((i) => `${i.path.length ? `${i.path.join('.')}: ` : ''}${i.message}`).join('; '),
    );
    this.path = issues[0]?.path ?? [];
  }
  static of(path: readonly string[], message: string): ValidationError {
    return new ValidationError([{ path, message }]);
  }
}

/** The object does not exist, or does not exist for this caller: the two are never told apart. */
export class NotFoundError extends UserError {
  readonly code = 'NOT_FOUND';
  override readonly path: readonly string[];
  constructor(
    readonly resourceType: string,
    path: readonly string[] = ['id'],
    /** Only for what is no secret: the names that there are. */
    hint = '',
  ) {
    super(`No such ${resourceType}, or it is not visible to you.${hint && ` ${hint}`}`);
    this.path = path;
  }
}

/** The caller may see the object, but not do this to it. */
export class ForbiddenError extends UserError {
  readonly code = 'FORBIDDEN';
  constructor(readonly permission: string) {
    super(`You lack the permission ${permission} here. An administrator can grant it.`);
  }
}

/** The object changed after the caller read it. */
export class ConflictError extends UserError {
  readonly code = 'CONFLICT';
  constructor(
    resourceType: string,
    readonly currentVersion: number | null,
  ) {
    super(
      currentVersion === null
        ? `The ${resourceType} changed at the same moment; nothing was written. Try again.`
        : `The ${resourceType} has changed since you read it (it is at version ${currentVersion}); read it again and repeat your change.`,
    );
  }
  override readonly retryable = true;
}

/** A name or other unique value is taken. */
export class AlreadyExistsError extends UserError {
  readonly code = 'ALREADY_EXISTS';
  override readonly path: readonly string[];
  constructor(
    resourceType: string,
    readonly field: string,
    readonly value: string,
    path: readonly string[] = [field],
  ) {
    super(
      `A ${resourceType} with the ${field} "${value}" exists already. Choose another ${field}.`,
    );
    this.path = path;
  }
}

export interface Usage {
  /** What still uses the object, e.g. "VirtualMachine". */
  readonly type: string;
  readonly count: number;
  /** Some of the users' names, never of objects hidden from the caller. */
  readonly names: readonly string[];
}

/** The object is still used and therefore not removed. */
export class InUseError extends UserError {
  readonly code = 'IN_USE';
  constructor(
    resourceType: string,
    readonly usedBy: readonly Usage[],
  ) {
    const list = usedBy
      .map((u) => `${u.count} ${u.type}${u.names.length ? ` (${u.names.join(', ')})` : ''}`)
      .join(', ');
    super(`The ${resourceType} is still used by ${list}. Remove or move them first.`);
  }
}

/** The operation is not possible in the object's present state. */
export class InvalidStateError extends UserError {
  readonly code = 'INVALID_STATE';
  constructor(
    operation: string,
    readonly current: string,
    /** Operations that are possible now. */
    readonly allowed: readonly string[],
    hint = '',
  ) {
    super(
      `${operation} is not possible while the state is ${current}.${hint ? ` ${hint}` : ''} Possible now: ${allowed.join(', ') || 'nothing'}.`,
    );
  }
}

/** Somebody else is working on the object; it says who, and when to come back. */
export class BusyError extends UserError {
  readonly code = 'BUSY';
  override readonly retryable = true;
  readonly taskId: string | null;
  readonly operation: string | null;
  readonly since: Date | null;
  readonly retryAfterMs: number;
  constructor(
    message: string,
    details: { taskId?: string; operation?: string; since?: Date; retryAfterMs?: number } = {},
  ) {
    super(message);
    this.taskId = details.taskId ?? null;
    this.operation = details.operation ?? null;
    this.since = details.since ?? null;
    this.retryAfterMs = details.retryAfterMs ?? 1000;
  }
}

/** The project's quota does not allow it. All figures are in the unit that `resource` names. */
export class QuotaExceededError extends UserError {
  readonly code = 'QUOTA_EXCEEDED';
  constructor(
    readonly resource: string,
    readonly limit: number,
    readonly used: number,
    readonly requested: number,
  ) {
    super(
      `The project's quota of ${limit} ${resource} does not allow ${requested} more: ${used} are in use. Free some, or ask for a larger quota.`,
    );
  }
}

export interface NodeVerdict {
  readonly nodeId: string;
  readonly hostname: string;
  readonly fits: boolean;
  /** Why not, in words; empty when it fits. */
  readonly reasons: readonly string[];
  readonly score: number | null;
  /** What the score is the sum of; absent where nothing was scored. */
  readonly parts?: readonly ScorePart[];
}

export interface ScorePart {
  readonly name: string;
  readonly value: number;
}

/** No hypervisor node can take the virtual machine, or do the job; it says why for each. */
export class NoSuitableNodeError extends UserError {
  readonly code = 'NO_SUITABLE_NODE';
  override readonly retryable = true;
  constructor(readonly verdicts: readonly NodeVerdict[]) {
    super(
      verdicts.length === 0
        ? 'There is no hypervisor node in the cluster. Register one first.'
        : `None of ${verdicts.length} hypervisor nodes can take it: ${verdicts
            .slice(0, 10)
            .map((v) => `${v.hostname} (${v.reasons.join(', ')})`)
            .join('; ')}.`,
    );
  }
}

/** A recommendation that made sense once: what it was made from has changed. */
export class StaleRecommendationError extends UserError {
  readonly code = 'STALE';
  constructor(readonly reason: string) {
    super(`The recommendation does not fit any more: ${reason}. Reject it, or wait for a new one.`);
  }
}

/** A plan that held once: what it was made from has changed, or it was made for another request. */
export class PlanStaleError extends UserError {
  readonly code = 'PLAN_STALE';
  override readonly path: readonly string[] = ['planToken'];
  constructor() {
    super('What was planned is not what would happen now. Nothing was written; plan again.');
  }
}

/** Where a network had room for machines, and how much. */
export interface SubnetUse {
  readonly network: string;
  readonly cidr: string;
  /** The first and last address that may be given. */
  readonly first: string;
  readonly last: string;
  readonly totalAddresses: bigint;
  readonly usedAddresses: bigint;
}

/** A network has no address left to give. */
export class SubnetExhaustedError extends UserError {
  readonly code = 'SUBNET_EXHAUSTED';
  override readonly retryable = true;
  constructor(
    readonly subnet: SubnetUse,
    override readonly path: readonly string[] = [],
  ) {
    const { network, cidr, first, last, totalAddresses, usedAddresses } = subnet;
    super(
      `The network ${network} (${cidr}) has no free address: of the ${totalAddresses} from ${first} to ${last}, ${usedAddresses} are in use. Free some, or use another network.`,
    );
  }
}

/** An address that was asked for is held by somebody. */
export class AddressInUseError extends UserError {
  readonly code = 'ADDRESS_IN_USE';
  /** @param holder the name of the machine that holds it; null when it is hidden from the caller */
  constructor(
    readonly address: string,
    readonly holder: string | null,
    override readonly path: readonly string[] = [],
  ) {
    super(
      `The address ${address} is held by ${holder === null ? 'another project' : `the virtual machine ${holder}`}. Ask for another one, or for none in particular.`,
    );
  }
}

/** The object is protected against deletion. */
export class ProtectedError extends UserError {
  readonly code = 'PROTECTED';
  constructor(resourceType: string) {
    super(
      `The ${resourceType} is protected against deletion. Switch its deletion protection off first.`,
    );
  }
}

/** What is asked for needs a setting that the administrator of the server has not made. */
export class NotConfiguredError extends UserError {
  readonly code = 'NOT_CONFIGURED';
  constructor(
    readonly setting: string,
    why: string,
  ) {
    super(`The server's setting ${setting} is not made. ${why}`);
  }
}

/** The storage pool has no room left to promise. All figures are in bytes. */
export class PoolExhaustedError extends UserError {
  readonly code = 'POOL_EXHAUSTED';
  override readonly retryable = true;
  constructor(
    pool: string,
    readonly capacityBytes: bigint,
    readonly claimedBytes: bigint,
    readonly requestedBytes: bigint,
  ) {
    super(
      `The storage pool ${pool} cannot set aside ${requestedBytes} bytes: ${claimedBytes} of its ${capacityBytes} are claimed. Delete volumes, extend it, or take another one.`,
    );
  }
}

/** An idempotency key came back with another request than the first time. */
export class IdempotencyMismatchError extends UserError {
  readonly code = 'IDEMPOTENCY_MISMATCH';
  override readonly path: readonly string[] = ['idempotencyKey'];
  constructor() {
    super(
      'This idempotency key was used with another request within the last 24 hours. Use a new key.',
    );
  }
}

/** Without this user nobody could administer the system any more. */
export class LastAdministratorError extends UserError {
  readonly code = 'LAST_ADMINISTRATOR';
  constructor(username: string) {
    super(`${username} is the last enabled administrator. Make another user ADMIN first.`);
  }
}

/** Unknown user, wrong password and disabled account: one answer, so that none can be told from the others. */
export class InvalidCredentialsError extends UserError {
  readonly code = 'INVALID_CREDENTIALS';
  constructor() {
    super('The user name or the password is wrong, or the account is disabled.');
  }
}

/** The codes of top-level errors, with their meaning for the reference page. */
export const REQUEST_ERROR_CODES = {
  UNAUTHENTICATED: 'Nobody is signed in, or the token does not count any more.',
  BAD_USER_INPUT:
    'An id, a cursor, a page size or a filter is malformed; `path` names the argument.',
  NOT_FOUND:
    'A subscription names an object that does not exist, or does not exist for you; `path` names the argument.',
  RATE_LIMITED:
    'You asked more often, or for more, than you may in a minute; `retryAfterMs` says how long to wait. Nothing was done.',
  UNAVAILABLE:
    'A server behind this one does not answer, this one is overloaded, or the deadline passed. Try again.',
  GRAPHQL_PARSE_FAILED: 'The document is not GraphQL.',
  GRAPHQL_VALIDATION_FAILED:
    'The document does not fit the schema, or a variable does not fit its type.',
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
