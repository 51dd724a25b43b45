/**
 * One command for many objects in one transaction. ATOMIC: all are changed, or none; after a refusal the others are still tried, so
 * that the caller learns of everything that is in the way, and then all is undone. BEST_EFFORT, where a plan is made or held to:
 * what is refused is undone alone.
 */
import { LockBusyError } from '../coordination/coordination.js';
import { UserError, ValidationError } from '../errors.js';
import { fewAtOnce } from './at-once.js';
import type { BulkAnswer, BulkExecution } from './bulk.js';
import { admit, type Item } from './bulk-admission.js';
import { answerOfKnown, type Ran, Refused, runAll } from './bulk-transaction.js';
import { findAnswer } from './idempotency.js';
import { busy, holding, locksOf } from './locks.js';
import { auditRefusal, explain } from './refusals.js';
import { announce, DryRunRollback, doubtAnswers, followUp } from './transact.js';

/** What an attempt came to. `undone`: nothing was changed, and the items say why. */
interface Attempt<R, V> {
  readonly answer: BulkAnswer<R, V>;
  readonly items: readonly Item[];
  readonly undone: boolean;
}

export async function doTogether<R extends object, V>(
  execution: BulkExecution<R, V>,
): Promise<BulkAnswer<R, V>> {
  const { command, call, keyed, dryRun, view } = execution;
  const { data, clock } = call.services;
  /** The first answer to this key, if there is one. */
  const known = async (): Promise<BulkAnswer<R, V> | null> => {
    const found = keyed && (await findAnswer(data.db, keyed, clock.now()));
    if (!found) return null;
    await doubtAnswers(call);
    return answerOfKnown<R, V>(found.result, (kept) => view(data.db, kept));
  };
  const before = await known();
  if (before) return before;
  let attempt: Attempt<R, V>;
  try {
    attempt = await tryTogether(execution);
  } catch (error) {
    // The first request ended after we looked for its answer, and what we met was its work.
    const meanwhile = error instanceof UserError && (await known().catch(() => null));
    if (meanwhile) return meanwhile;
    throw error;
  }
  const meanwhile = attempt.undone && (await known());
  if (meanwhile) return meanwhile;
  const refused = attempt.items.filter((item) => item.error);
  if (!dryRun) {
    await fewAtOnce(refused.length, async (index) => {
      const { subject, error } = refused[index] as Item;
      if (error) await auditRefusal(command.name, call, subject, error);
    });
  }
  return attempt.answer;
}

async function tryTogether<R extends object, V>(
  execution: BulkExecution<R, V>,
): Promise<Attempt<R, V>> {
  const { command, viewer, mode } = execution;
  const targets = await execution.resolve(viewer);
  const { ids, beyond } = targets;
  if (mode === 'ATOMIC' && beyond > 0) {
    const message = `matches ${ids.length + beyond} objects, ${beyond} more than one call can take on. All or nothing is not possible for them: say which, or use BEST_EFFORT.`;
    throw ValidationError.of(['filter'], message);
  }
  const items = await admit(execution, ids);
  try {
    return { answer: await transactLocked(execution, items, beyond), items, undone: false };
  } catch (error) {
    if (error instanceof DryRunRollback)
      return { answer: error.answer as BulkAnswer<R, V>, items, undone: false };
    if (!(error instanceof Refused)) throw explain(command, error, {});
  }
  const outcomes = items.map(({ error }) => error && { error });
  return { answer: { ids, beyond, outcomes }, items, undone: true };
}

/** One whose lock is not to be had is refused, which in BEST_EFFORT is no matter to the others. */
async function transactLocked<R extends object, V>(
  execution: BulkExecution<R, V>,
  items: readonly Item[],
  beyond: number,
): Promise<BulkAnswer<R, V>> {
  const { command, call, viewer, mode } = execution;
  const holder = `${viewer.name}: ${command.name}`;
  for (;;) {
    const admitted = items.filter((item) => !item.barred);
    const locks = new Map(admitted.flatMap((i) => locksOf(command, i.input).map((l) => [l, i])));
    try {
      const work = () => transactAll(execution, items, beyond);
      return await holding([...locks.keys()], holder, call, work);
    } catch (error) {
      const waitedFor = error instanceof LockBusyError ? locks.get(error.resource) : undefined;
      if (!waitedFor) throw error;
      waitedFor.error = busy(error as LockBusyError, command, viewer);
      waitedFor.barred = true;
      if (mode === 'ATOMIC') throw new Refused();
    }
  }
}

async function transactAll<R extends object, V>(
  execution: BulkExecution<R, V>,
  items: readonly Item[],
  beyond: number,
): Promise<BulkAnswer<R, V>> {
  const { command, call } = execution;
  const { services, signal } = call;
  // A retried transaction starts anew: what counts is what its last run returned.
  const run = (tx: Parameters<typeof runAll>[0]): Promise<Ran<R, V>> =>
    runAll(tx, execution, items, beyond);
  const ran = await services.data.transaction(run, { signal });
  if (ran.done) {
    const changed = ran.done.flatMap((one) => one.written);
    await announce(command.name, changed, ran.entries, services);
    for (const { item, outcome } of ran.done)
      await followUp(command, call, outcome.result, item.prepared, item.input);
  } else {
    for (const item of items) item.error = null; // what they met was their twin's work
    await doubtAnswers(call);
  }
  return ran.answer;
}
