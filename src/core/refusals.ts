/** When a command does not do what was asked: what the caller is told of it, and what the audit keeps. */
import { AlreadyExistsError, ForbiddenError, NotFoundError, type UserError } from '../errors.js';
import { type Subject, writeRefusal } from './audit.js';
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

export async function auditRefusal(
  action: string,
  call: Call,
  subject: Subject,
  error: UserError,
): Promise<void> {
  const { data, log } = call.services;
  const denied = error instanceof ForbiddenError || error instanceof NotFoundError;
  try {
    const status = denied ? 'DENIED' : 'FAILED';
    if (!call.term) return await writeRefusal(data.db, call, action, subject, status, error);
    await data.transaction(async (tx) => {
      await requireTerm(tx, call.term);
      await writeRefusal(tx, call, action, subject, status, error);
    });
  } catch (err) {
    log.error({ err, action, requestId: call.requestId }, 'a refusal could not be audited');
  }
}
