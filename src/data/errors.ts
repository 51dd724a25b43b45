/**
 * What can go wrong in the database, told apart the same way on both adapters.
 * Prisma's own codes differ between model calls and raw SQL, and the adapters name a violated constraint
 * differently; SQLSTATE and the server's own message do not, so everything here goes by those.
 */
import { UNIQUE_FIELDS } from './constraints.js';

export type UnavailableReason = 'queue-full' | 'queue-timeout' | 'connection';

/**
 * The database does not answer, or there is no turn to be had. Nothing acknowledged was lost; try again later.
 * It must never get a property `code`: Prisma re-wraps errors that have one.
 */
export class DataUnavailableError extends Error {
  override readonly name = 'DataUnavailableError';
  constructor(
    readonly reason: UnavailableReason,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A statement failed inside a transaction and the code went on: nothing was written. A bug in the caller. */
export class TransactionAbortedError extends Error {
  override readonly name = 'TransactionAbortedError';
  constructor(options?: ErrorOptions) {
    super(
      'A statement of this transaction failed and the failure was ignored; nothing was written.',
      options,
    );
  }
}

export interface ConstraintViolation {
  /** The constraint's or index's name in the database. */
  readonly constraint: string;
}

export interface UniqueViolation extends ConstraintViolation {
  /** The model's fields that must be unique together, e.g. ['projectId', 'name']. */
  readonly fields: readonly string[];
}

interface ServerError {
  readonly state: string;
  readonly message: string;
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** All classes of SQLSTATE, and neither Prisma's codes (P2002) nor those of sockets (EPIPE). */
const SQLSTATE = /^(\d[0-9A-Z]|F0|HV|P0|XX)[0-9A-Z]{3}$/;

/** SQLSTATE and message of the server, from whatever the driver, the adapter or Prisma made of them. */
function serverError(error: unknown): ServerError | undefined {
  const outer = record(error);
  const mapped = record(record(record(outer.meta).driverAdapterError).cause ?? outer.cause);
  for (const [state, message] of [
    [mapped.originalCode, mapped.originalMessage],
    [mapped.code, mapped.message],
    [outer.code, outer.message],
  ]) {
    if (typeof state === 'string' && SQLSTATE.test(state)) {
      return { state, message: String(message) };
    }
  }
  return undefined;
}

function violated(error: unknown, states: readonly string[], quoted: RegExp): string | undefined {
  const server = serverError(error);
  if (!server || !states.includes(server.state)) return undefined;
  return quoted.exec(server.message)?.[1] ?? '';
}

/** Which unique constraint or index refused the row, or undefined when it was something else. */
export function isUniqueViolation(error: unknown): UniqueViolation | undefined {
  const constraint = violated(error, ['23505'], /unique constraint "([^"]+)"/);
  return constraint === undefined
    ? undefined
    : { constraint, fields: UNIQUE_FIELDS[constraint] ?? [] };
}

/** Which foreign key refused: a parent that is still used, or one that does not exist. */
export function isForeignKeyViolation(error: unknown): ConstraintViolation | undefined {
  const constraint = violated(error, ['23503', '23001'], /foreign key constraint "([^"]+)"/);
  return constraint === undefined ? undefined : { constraint };
}

/** Which CHECK refused the row. The rules above should have refused first. */
export function isCheckViolation(error: unknown): ConstraintViolation | undefined {
  const constraint = violated(error, ['23514'], /check constraint "([^"]+)"/);
  return constraint === undefined ? undefined : { constraint };
}

/** A number outgrew its column, or its type on the way. The rules above should have refused first. */
export function isOutOfRange(error: unknown): boolean {
  return serverError(error)?.state === '22003';
}

/** A serialization failure or a deadlock: the same transaction may succeed when it runs again. */
export function isSerializationFailure(error: unknown): boolean {
  const state = serverError(error)?.state;
  return state === '40001' || state === '40P01' || record(error).code === 'P2034';
}

/** Connection exceptions, lack of resources, a session ended by an administrator or a timeout, a shutdown. */
const LOST_CONNECTION_STATE = /^(08|53|57P|25P03|28|3D)/;
const LOST_CONNECTION_KIND = new Set([
  'AuthenticationFailed',
  'ConnectionClosed',
  'DatabaseAccessDenied',
  'DatabaseDoesNotExist',
  'DatabaseNotReachable',
  'SocketTimeout',
  'TlsConnectionError',
  'TooManyConnections',
]);
const SOCKET_CODE =
  /^(ECONN(REFUSED|RESET|ABORTED)|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENOENT)$/;
const DRIVER_MESSAGE =
  /timeout exceeded when trying to connect|^timeout expired$|^Connection terminated|not queryable$|^Query read timeout|after calling end on the pool|PGlite is clos/;

/** Whether a driver's error means that the connection, rather than the statement, failed. */
export function isConnectionFailure(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isConnectionFailure);
  const { code, cause, message } = record(error);
  const kind = record(cause).kind;
  if (typeof kind === 'string' && LOST_CONNECTION_KIND.has(kind)) return true;
  const state = serverError(error)?.state;
  if (state !== undefined) return LOST_CONNECTION_STATE.test(state);
  return (
    (typeof code === 'string' && SOCKET_CODE.test(code)) ||
    DRIVER_MESSAGE.test(String(message ?? ''))
  );
}

/** A session that ended under us, as opposed to a server that does not answer or takes nobody. */
const ENDED_SESSION_STATE = /^(08006|57P0[12])$/;
const ENDED_SESSION =
  /^Connection terminated unexpectedly|ECONNRESET|EPIPE|has closed the connection/;

/**
 * Whether the statement met a connection whose session had ended before, which a pool learns only by using it.
 * On another connection the same statement may succeed at once.
 */
export function isEndedSession(error: unknown): boolean {
  const state = serverError(error)?.state;
  if (state !== undefined) return ENDED_SESSION_STATE.test(state);
  const { cause, message } = record(error);
  return record(cause).kind === 'ConnectionClosed' || ENDED_SESSION.test(String(message ?? ''));
}

/** Whether the server answered and turned us away: a wrong password, user or database. Waiting does not help. */
export function isRefusal(error: unknown): boolean {
  return /^(28|3D)/.test(serverError(error)?.state ?? '');
}

/** Prisma: not reachable, timed out, closed, no connection in time, transaction not started or expired in time. */
const PRISMA_UNAVAILABLE = /^(P1000|P1001|P1002|P1003|P1008|P1010|P1011|P1017|P2024|P2028|P2037)$/;
const LOCK_TIMEOUT = '55P03';
/** After too long, or because somebody had it cancelled. */
const CANCELLED = '57014';

/** Whether another transaction kept a row for longer than this one may wait. */
export function isLockTimeout(error: unknown): boolean {
  return serverError(error)?.state === LOCK_TIMEOUT;
}

/** Whether the statement was ended before it was through. */
export function isCancelled(error: unknown): boolean {
  return serverError(error)?.state === CANCELLED;
}

/** Whether the database, rather than the request, is the problem, so that the same request may succeed later. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof DataUnavailableError) return true;
  const { code } = record(error);
  if (typeof code === 'string' && PRISMA_UNAVAILABLE.test(code)) return true;
  const state = serverError(error)?.state;
  return state === LOCK_TIMEOUT || state === CANCELLED || isConnectionFailure(error);
}
