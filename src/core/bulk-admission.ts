/** What the gate asks of each object before the one transaction of a bulk call may begin. */
import type { z } from 'zod';
import { UserError } from '../errors.js';
import { fewAtOnce } from './at-once.js';
import type { Subject } from './audit.js';
import { findSubject, requirePermission } from './authorize.js';
import type { BulkExecution } from './bulk.js';
import { parse } from './execute.js';
import { assertDeclared, explain } from './refusals.js';

/** One object, and what stands against it. */
export interface Item {
  readonly id: string;
  readonly input: z.output<z.ZodType>;
  subject: Subject;
  prepared: unknown;
  /** Refused before the transaction: it is not tried there. */
  barred: boolean;
  error: UserError | null;
}

/** An error of one is no matter to the others: the caller is to hear of all. */
export async function admit<R extends object, V>(
  { command, call, viewer, dryRun, inputOf }: BulkExecution<R, V>,
  ids: readonly string[],
): Promise<Item[]> {
  const items = ids.map((id): Item => {
    const input = parse(command, inputOf(id));
    const subject = { type: command.resourceType, id, name: '', projectId: null };
    return { id, input, subject, prepared: undefined, barred: false, error: null };
  });
  await fewAtOnce(
    items.length,
    async (index) => {
      const item = items[index] as Item;
      try {
        item.subject = await findSubject(command, item.input, call, viewer, item.subject);
        requirePermission(command, viewer, item.subject);
        item.prepared = await command.prepare?.(call, item.input, dryRun);
      } catch (cause) {
        item.error = refusal(explain(command, cause, inputOf(item.id)));
        assertDeclared(command, item.error);
        item.barred = true;
      }
    },
    () => !call.signal.aborted,
  );
  call.signal.throwIfAborted();
  return items;
}

/** The error, if it is a refusal; else it is thrown. */
function refusal(error: unknown): UserError {
  if (error instanceof UserError) return error;
  throw error;
}
