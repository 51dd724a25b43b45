/**
 * Every error that a caller may meet, as a class with a stable code.
 * `UserError`s are expected answers of mutations: typed members of a result union.
 * `RequestError`s end a whole request: top-level GraphQL errors.
 * Anything else is a bug: masked at the edge, logged with the request's id.
 */
import { UserError, withArticle } from './user-error.js';

export * from './capacity-errors.js';
export * from './request-errors.js';
export { UserError, withArticle } from './user-error.js';

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

/** What is missing, and how to get it. */
const LACKS = {
  ROLE: (permission: string) =>
    `You lack the permission ${permission} here. An administrator can grant it.`,
  PROJECT_ROLE: (permission: string) =>
    `You lack the permission ${permission} here: it takes the role OPERATOR in the project. An administrator can grant it.`,
  TOKEN: (permission: string) =>
    `Your token lacks the permission ${permission} here. Its owner can make one that has it, if the owner has it.`,
  SESSION: () => 'No token may do this. Sign in with your password.',
} as const;

/** The caller may see the object, but not do this to it. */
export class ForbiddenError extends UserError {
  readonly code = 'FORBIDDEN';
  constructor(
    readonly permission: string,
    readonly lacking: keyof typeof LACKS = 'ROLE',
  ) {
    super(LACKS[lacking](permission));
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
      `${withArticle(resourceType).replace('a', 'A')} with the ${field} "${value}" exists already. Choose another ${field}.`,
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
    /** What helps, where that is not to remove them. */
    remedy = '',
  ) {
    const total = usedBy.reduce((sum, { count }) => sum + count, 0);
    const usual = `Remove or move ${total === 1 ? 'it' : 'them'} first.`;
    super(
      `The ${resourceType} is still used by ${usedBy.map(inWords).join(', ')}. ${remedy || usual}`,
    );
  }
}

function inWords({ type, count, names }: Usage): string {
  const rest = count - names.length;
  const list = `${names.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
  return `${count} ${type}${count === 1 ? '' : 's'}${names.length > 0 ? ` (${list})` : ''}`;
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
  constructor(
    override readonly path: readonly string[] = [],
    message = 'The user name or the password is wrong, or the account is disabled.',
  ) {
    super(message);
  }
}

/** Too many attempts to sign in failed. What was tried was not looked at. */
export class TooManyAttemptsError extends UserError {
  readonly code = 'TOO_MANY_ATTEMPTS';
  override readonly retryable = true;
  constructor(readonly retryAfterMs: number) {
    super(
      `Too many attempts to sign in have failed. Try again in ${Math.ceil(retryAfterMs / 1000)} s. If you forgot the password, an administrator can set a new one.`,
    );
  }
}

const ENROLMENT_FAULTS = {
  UNKNOWN: 'There is no such enrolment token.',
  EXPIRED: 'The time of the enrolment token is over.',
  REVOKED: 'The enrolment token was revoked.',
  USED_UP: 'The enrolment token has let in as many nodes as it may.',
} as const;

/** A new node is not let in. Whoever has the token itself may know why. */
export class EnrolmentRefusedError extends UserError {
  readonly code = 'ENROLMENT_REFUSED';
  override readonly path: readonly string[] = ['token'];
  constructor(reason: keyof typeof ENROLMENT_FAULTS) {
    super(`${ENROLMENT_FAULTS[reason]} Make another one with createEnrolmentToken.`);
  }
}
