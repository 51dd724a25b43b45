/**
 * One command for many objects in one transaction: all are changed, or none.
 * After a refusal the others are still tried, so that the caller learns of everything that is in the way, and then all is undone.
 */
import { LockBusyError } from '../coordination/coordination.js';
import type { Tx } from '../data/client.js';
import { UserError, ValidationError } from '../errors.js';
import { newId } from '../ids.js';
import { fewAtOnce } from './at-once.js';
import { type EntryIds, writeAudits } from './audit.js';
import type { BulkAnswer, BulkExecution } from './bulk.js';
import { admit, type Item } from './bulk-admission.js';
import type { Outcome } from './command.js';
import { type Effects, effectsOf, NO_EFFECTS, splitEffects, withEffects } from './effects.js';
import { requireTerm } from './fencing.js';
import { claimKey, findAnswer, rememberAnswer } from './idempotency.js';
import { busy, holding, locksOf } from './locks.js';
import { assertDeclared, auditRefusal, explain } from './refusals.js';
import { announce, DryRunRollback, doubtAnswers, followUp } from './transact.js';

/** What is kept with the idempotency key. */
interface Known<R> {
  readonly ids: readonly string[];
  readonly results: readonly R[];
}

/** Thrown to roll back when something was refused. */
class Refused extends Error {}

export async function doTogether<R extends object, V>(
  execution: BulkExecution<R, V>,
): Promise<BulkAnswer<R, V>> {
  const { command, call, viewer, keyed, dryRun, view } = execution;
  const { data, clock } = call.services;
  const known = keyed && (await findAnswer(data.db, keyed, clock.now()));
  if (known) {
    await doubtAnswers(call);
    const { ids, results } = known.result as unknown as Known<R>;
    return allKnown(ids, results, (kept) => view(data.db, kept));
  }
  const { ids, beyond } = await execution.resolve(viewer);
  if (beyond > 0) {
    const message = `matches ${ids.length + beyond} objects, ${beyond} more than one call can take on. All or nothing is not possible for them: say which, or use BEST_EFFORT.`;
    throw ValidationError.of(['filter'], message);
  }
  const items = await admit(execution, ids);
  const admitted = items.filter((item) => !item.barred);
  const locks = new Map(admitted.flatMap((i) => locksOf(command, i.input).map((l) => [l, i])));
  const holder = `${viewer.name}: ${command.name}`;
  try {
    return await holding([...locks.keys()], holder, call, () => transactAll(execution, items));
  } catch (error) {
    if (error instanceof DryRunRollback) return error.answer as BulkAnswer<R, V>;
    const waitedFor = error instanceof LockBusyError ? locks.get(error.resource) : undefined;
    if (waitedFor) waitedFor.error = busy(error as LockBusyError);
    else if (!(error instanceof Refused)) throw explain(command, error, {});
  }
  const refused = items.filter((item) => item.error);
  if (!dryRun) {
    await fewAtOnce(refused.length, async (index) => {
      const { subject, error } = refused[index] as Item;
      if (error) await auditRefusal(command.name, call, subject, error);
    });
  }
  return { ids, beyond, outcomes: items.map(({ error }) => error && { error }) };
}

async function transactAll<R extends object, V>(
  execution: BulkExecution<R, V>,
  items: readonly Item[],
): Promise<BulkAnswer<R, V>> {
  const { command, call } = execution;
  const { services, signal } = call;
  // A retried transaction starts anew: what counts is what its last run returned.
  const ran = await services.data.transaction((tx) => runAll(tx, execution, items), { signal });
  if (ran.outcomes) {
    await announce(
      command.name,
      ran.outcomes.flatMap(({ changed }) => changed),
      ran.entries,
      services,
    );
    for (const [i, { input, prepared }] of items.entries())
      await followUp(command, call, (ran.outcomes[i] as Outcome<R>).result, prepared, input);
  } else await doubtAnswers(call);
  return ran.answer;
}

/** `outcomes` is null when a concurrent twin had the key: then this run only answers what the twin did. */
async function runAll<R extends object, V>(
  tx: Tx,
  { command, call, viewer, keyed, dryRun, view, inputOf }: BulkExecution<R, V>,
  items: readonly Item[],
): Promise<{ answer: BulkAnswer<R, V>; outcomes: Outcome<R>[] | null; entries: EntryIds }> {
  const { services, signal } = call;
  const now = services.clock.now();
  await requireTerm(tx, call.term);
  const known = keyed && (await claimKey(tx, keyed, now));
  if (known) {
    const { ids, results } = known.result as unknown as Known<R>;
    const answer = await allKnown(ids, results, (kept) => view(tx, kept));
    return { answer, outcomes: null, entries: new Map() };
  }
  const admitted = items.filter((item) => !item.barred);
  for (const item of admitted) item.error = null;
  const outcomes: Outcome<R>[] = [];
  const effects: Effects[] = [];
  for (const item of admitted) {
    signal.throwIfAborted();
    const { input, prepared } = item;
    try {
      const outcome = await command.run({ tx, viewer, now, newId, services, prepared }, input);
      outcomes.push(outcome);
      effects.push(effectsOf(tx, outcome.changed, viewer));
    } catch (cause) {
      const error = explain(command, cause, inputOf(item.id));
      if (!(error instanceof UserError)) throw cause; // as it is: a deadlock is tried again
      assertDeclared(command, error);
      item.error = error;
      // The database itself refused a statement: this transaction cannot try anything more.
      if (error !== cause) break;
    }
  }
  const ids = items.map(({ id }) => id);
  if (outcomes.length < items.length) throw new Refused();
  const results = outcomes.map(({ result }, i) => withEffects(result, effects[i] ?? NO_EFFECTS));
  if (keyed) await rememberAnswer(tx, keyed, { ids, results } satisfies Known<R>);
  let entries: EntryIds = new Map();
  if (!dryRun) {
    const done = outcomes.map(({ changed }, i) => ({
      changes: changed,
      unchanged: command.audit === 'changes' ? null : (items[i] as Item).subject,
    }));
    entries = await writeAudits(tx, call, command.name, done);
  }
  const shown = outcomes.map(({ result, once }) => ({ ...result, ...once }));
  const answer = allDone(ids, shown, await view(tx, shown), effects);
  if (dryRun) throw new DryRunRollback(answer);
  return { answer, outcomes, entries };
}

/** The answer of a call before, from what was kept of it. */
async function allKnown<R extends object, V>(
  ids: readonly string[],
  kept: readonly R[],
  view: (results: readonly R[]) => Promise<readonly V[]>,
): Promise<BulkAnswer<R, V>> {
  const known = kept.map((result) => splitEffects<R>(result));
  const results = known.map(({ result }) => result);
  const effects = known.map((one) => one.effects);
  return allDone(ids, results, await view(results), effects);
}

function allDone<R, V>(
  ids: readonly string[],
  results: readonly R[],
  views: readonly V[],
  effects: readonly Effects[],
): BulkAnswer<R, V> {
  const outcomes = results.map((result, i) => ({
    answer: { result, view: views[i] as V, effects: effects[i] ?? NO_EFFECTS },
  }));
  return { ids, beyond: 0, outcomes };
}
