/** Turns what the database says into what a caller can act on. The one place that reads database errors. */
import { CoordinationUnavailableError } from '../coordination/coordination.js';
import {
  DataUnavailableError,
  isForeignKeyViolation,
  isOutOfRange,
  isUnavailable,
  isUniqueViolation,
} from '../data/errors.js';
import { EphemeralUnavailableError } from '../ephemeral/errors.js';
import {
  AlreadyExistsError,
  ConflictError,
  RequestError,
  UnavailableError,
  UserError,
  ValidationError,
} from '../errors.js';

const TOO_LARGE =
  'With this a figure would become larger than can be counted; nothing was written.';

/**
 * @param input what the caller sent, to name the value that is taken
 * @param declaresTaken whether the command can say so; else it is a conflict that may be gone at the next try
 * @returns a UserError or RequestError where the cause is known, else the cause itself: a bug
 */
export function translate(
  cause: unknown,
  resourceType: string,
  input: unknown,
  declaresTaken: boolean,
): unknown {
  if (cause instanceof UserError || cause instanceof RequestError) return cause;
  const unique = isUniqueViolation(cause);
  if (unique) {
    const field = unique.fields.at(-1) ?? 'name';
    const value = (input as Record<string, unknown> | null)?.[field];
    const named = typeof value === 'string' || typeof value === 'number';
    return named && declaresTaken
      ? new AlreadyExistsError(resourceType, field, String(value))
      : new ConflictError(resourceType, null);
  }
  if (isForeignKeyViolation(cause)) return new ConflictError(resourceType, null);
  if (isOutOfRange(cause)) return ValidationError.of([], TOO_LARGE);
  return unavailable(cause) ?? cause;
}

/** The same for a row that comes along with what a command is about: its name is not in the input, and is not the command's own. */
export function translateTaken(
  cause: unknown,
  resourceType: string,
  field: string,
  value: string,
): unknown {
  return isUniqueViolation(cause)?.fields.at(-1) === field
    ? new AlreadyExistsError(resourceType, field, value)
    : cause;
}

/** The UnavailableError for a server behind this one that does not answer or has no turn to give, or undefined. */
export function unavailable(cause: unknown): UnavailableError | undefined {
  if (cause instanceof DataUnavailableError && cause.reason !== 'connection') {
    return new UnavailableError(
      'Too many operations are waiting; this one was not started. Try again shortly.',
    );
  }
  if (cause instanceof CoordinationUnavailableError) {
    return new UnavailableError(
      'What orders changes to one object (etcd) does not answer at the moment; this one was not started. Try again shortly.',
    );
  }
  if (isUnavailable(cause)) {
    return new UnavailableError(
      'The database does not answer at the moment. Try again shortly, with the same idempotency key.',
    );
  }
  if (cause instanceof EphemeralUnavailableError)
    return new UnavailableError('Redis does not answer at the moment. Try again shortly.');
  if (cause instanceof Error && (cause.name === 'AbortError' || cause.name === 'TimeoutError')) {
    return new UnavailableError(
      'The request took too long and was given up. Try again, with the same idempotency key.',
    );
  }
  return undefined;
}
