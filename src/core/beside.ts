/** The gate's transaction with what is written beside it, outside of the database: first that, so that a refusal there writes nothing here. */
import type { z } from 'zod';
import type { Answer, Execution } from './execute.js';
import { findAnswer } from './idempotency.js';
import { transact } from './transact.js';

export async function transactBeside<I extends z.ZodType, R extends object, V>(
  execution: Execution<I, R, V>,
): Promise<Answer<R, V>> {
  const { command, call, input, keyed, plan, options } = execution;
  const { beside } = command;
  const { services } = call;
  if (!beside) return transact(execution);
  // A twin with the same key, which was here first, has written already: the transaction answers as it did.
  if (keyed && (await findAnswer(services.data.db, keyed, services.clock.now())))
    return transact(execution);
  // A plan that does not hold is found out before anything is written here: others read that at once.
  if (plan?.expected && !options.dryRun) {
    const rehearsed = await beside.write(call, input, true);
    const dry = { ...options, dryRun: true };
    await transact({ ...execution, prepared: rehearsed, keyed: null, options: dry });
  }
  const prepared = await beside.write(call, input, options.dryRun === true);
  try {
    return await transact({ ...execution, prepared });
  } catch (cause) {
    if (!options.dryRun) {
      await beside.undo(call, prepared).catch((err: unknown) => {
        services.log.error(
          { err, action: command.name },
          'a write beside the database was not undone',
        );
      });
    }
    throw cause;
  }
}
