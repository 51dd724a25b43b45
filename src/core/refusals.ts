/** When a command does not do what was asked: what the caller is told of it, and what the audit keeps. */
import {
  AlreadyExistsError,
  ForbiddenError,
  NotFoundError,
  RequestError,
  UnauthenticatedError,
  UnavailableError,
  UserError,
} from '../errors.js';
import { entry, type Subject } from './audit.js';
import { insertEntries, type NewEntry } from './audit-rows.js';
import { type Command, errorsOf } from './command.js';
import type { Call } from './context.js';
import { translate } from './failures.js';
import { requireTerm } from './fencing.js';

/** What a failure of this command is to its caller: a UserError, a RequestError, or the cause itself: a bug. */
export function explain(command: Command, cause: unknown, rawInput: unknown): unknown {
  const declaresTaken = command.errors.includes(AlreadyExistsError);
  return translate(cause, command.resourceType, rawInput, declaresTaken);
}

/** An error that the field does not list could not be shown to the caller: that is a bug of the command's declaration. */
export function assertDeclared(command: Command, error: UserError): void {
  for (const known of errorsOf(command)) if (error instanceof known) return;
  throw new Error(`${command.name} does not declare ${error.constructor.name}`, { cause: error });
}

/** What an entry says of a failure: codes and our own words, never what a server or a library said. */
interface Reason {
  readonly code: string;
  readonly message: string;
  /** Why it was given up: its client had gone, or its time was over. */
  readonly gaveUp?: 'CLIENT_GONE' | 'DEADLINE';
}

const BUG = 'A bug: the log has more under the request id.';

/** The entry of a command that was refused or could not be done. It follows the transaction, which has gone by then. */
export async function auditRefusal(
  action: string,
  call: Call,
  subject: Subject,
  error: UserError,
): Promise<void> {
  const denied = error instanceof ForbiddenError || error instanceof NotFoundError;
  const { code, message } = error;
  const details = { error: { code, message } satisfies Reason };
  await write(call, entry(call, action, subject, denied ? 'DENIED' : 'FAILED', details));
}

/**
 * The same for what ended the whole request: a server that was away, a deadline, a client that had gone, a malformed id, a bug.
 * Where there may be no database, or nobody who listens, it is not waited for; what strangers do is tallied.
 * Rounds of controllers are tried again and again, and are in the log.
 */
export async function auditFailure(
  action: string,
  call: Call,
  subject: Subject,
  error: unknown,
): Promise<void> {
  if (call.term) return;
  const { audit } = call.services;
  const status = error instanceof UnauthenticatedError ? 'DENIED' : 'FAILED';
  const reason = reasonOf(error, call.signal);
  const made = entry(call, action, subject, status, { error: reason });
  if (!call.viewer) audit.tally(`${action} ${reason.code} ${call.ipAddress}`, made);
  else if (error instanceof UnavailableError) audit.add(made);
  else await write(call, made);
}

async function write(call: Call, made: NewEntry): Promise<void> {
  const { data, log, audit } = call.services;
  try {
    await data.transaction(async (tx) => {
      await requireTerm(tx, call.term);
      await insertEntries(tx, [made]);
    });
  } catch (err) {
    log.warn(
      { err, action: made.action, requestId: call.requestId },
      'a refusal is not audited yet',
    );
    if (!call.term) audit.add(made);
  }
}

function reasonOf(error: unknown, signal: AbortSignal): Reason {
  const { code, message } =
    error instanceof RequestError ? error : { code: 'INTERNAL_SERVER_ERROR', message: BUG };
  if (!signal.aborted || !(error instanceof UnavailableError)) return { code, message };
  const late = signal.reason instanceof UnavailableError;
  return { code, message, gaveUp: late ? 'DEADLINE' : 'CLIENT_GONE' };
}

/** Runs a check of what came along with a command's input; a refusal has its entry, as one of the command itself has. */
export async function audited<T>(
  command: Command,
  call: Call,
  dryRun: boolean,
  check: () => T,
): Promise<T> {
  try {
    return check();
  } catch (error) {
    const subject = { type: command.resourceType, id: null, name: '', projectId: null };
    if (error instanceof UserError && !dryRun)
      await auditRefusal(command.name, call, subject, error);
    throw error;
  }
}
