/** The one transaction of a bulk call: see bulk-together.ts. */
import type { Tx } from '../data/client.js';
import { withSavepoint } from '../data/savepoint.js';
import { UserError } from '../errors.js';
import { type EntryIds, writeAudits } from './audit.js';
import type { BulkAnswer, BulkExecution, ItemOutcome } from './bulk.js';
import type { Item } from './bulk-admission.js';
import { timeToBegin } from './bulk-each.js';
import type { Change, Outcome } from './command.js';
import { type Effects, effectsOf, forgetQuota, splitEffects, withEffects } from './effects.js';
import { requireTerm } from './fencing.js';
import { claimKey, rememberAnswer } from './idempotency.js';
import type { Json } from './json.js';
import { settlePlan } from './plan.js';
import { assertDeclared, explain } from './refusals.js';
import { DryRunRollback, noting, writtenOf } from './transact.js';

/** Thrown to roll back when something was refused. */
export class Refused extends Error {}

/** One object for which the command was run. */
interface Done<R> {
  readonly item: Item;
  readonly outcome: Outcome<R>;
  readonly effects: Effects;
  readonly written: readonly Change[];
}

/** `done` is null when a concurrent twin had the key: then this run only answers what the twin did. */
export interface Ran<R, V> {
  readonly answer: BulkAnswer<R, V>;
  readonly done: readonly Done<R>[] | null;
  readonly entries: EntryIds;
}

/** What is kept with the idempotency key; null: it was refused. */
interface Known<R> {
  readonly ids: readonly string[];
  readonly results: readonly (R | null)[];
  readonly beyond?: number;
}

export async function runAll<R extends object, V>(
  tx: Tx,
  execution: BulkExecution<R, V>,
  items: readonly Item[],
  beyond: number,
): Promise<Ran<R, V>> {
  const { command, call, mode, keyed, plan, dryRun, view } = execution;
  await requireTerm(tx, call.term);
  const known = keyed && (await claimKey(tx, keyed, call.services.clock.now()));
  if (known) {
    const answer = await answerOfKnown<R, V>(known.result, (kept) => view(tx, kept));
    return { answer, done: null, entries: new Map() };
  }
  const newIds: string[] = [];
  const done = await runEach(tx, execution, items, newIds);
  if (mode === 'ATOMIC' && done.size < items.length) throw new Refused();

  const ids = items.map(({ id }) => id);
  const all = [...done.values()];
  const whole = items.every((item) => item.error || done.has(item));
  const parts = items.map((item) => {
    const one = done.get(item);
    if (one) return { changed: one.outcome.changed, effects: one.effects };
    return { id: item.id, refused: item.error?.code ?? '' };
  });
  if (beyond > 0) parts.push({ id: `${beyond} beyond`, refused: '' });
  const planToken = plan && whole ? settlePlan(plan, parts, newIds) : null;
  if (keyed) {
    const results = items.map((item) => {
      const one = done.get(item);
      return one ? withEffects(one.outcome.result, one.effects) : null;
    });
    await rememberAnswer(tx, keyed, { ids, results, beyond } satisfies Known<R>);
  }
  let entries: EntryIds = new Map();
  if (!dryRun) {
    const told = all.map(({ item, written }) => ({
      changes: written,
      unchanged: command.audit === 'changes' ? null : item.subject,
    }));
    entries = await writeAudits(tx, call, command.name, told);
  }
  const shown = all.map(({ outcome }) => ({ ...outcome.result, ...outcome.once }));
  const views = await view(tx, shown);
  const answers = new Map(
    all.map(({ item, effects }, i) => [
      item,
      { result: shown[i] as R, view: views[i] as V, effects },
    ]),
  );
  const outcomes = items.map((item): ItemOutcome<R, V> | null => {
    const answer = answers.get(item);
    return answer ? { answer } : item.error && { error: item.error };
  });
  const answer = { ids, beyond, outcomes };
  if (dryRun) throw new DryRunRollback({ ...answer, planToken });
  return { answer, done: all, entries };
}

/** Runs the command for one after the other; what speaks against one is written into its item. */
async function runEach<R extends object, V>(
  tx: Tx,
  { command, call, viewer, mode, dryRun, inputOf }: BulkExecution<R, V>,
  items: readonly Item[],
  newIds: string[],
): Promise<Map<Item, Done<R>>> {
  const { services, signal } = call;
  const now = services.clock.now();
  const alone = mode === 'BEST_EFFORT';
  const inTime = dryRun && alone ? timeToBegin(call) : () => true;
  const admitted = items.filter((item) => !item.barred);
  for (const item of admitted) item.error = null;
  const done = new Map<Item, Done<R>>();
  const context = { tx, viewer, now, newId: noting(newIds), services };
  for (const item of admitted) {
    signal.throwIfAborted();
    if (!inTime()) break;
    const run = () => command.run({ ...context, prepared: item.prepared }, item.input);
    try {
      const outcome = await (alone ? withSavepoint(tx, run) : run());
      const effects = effectsOf(tx, outcome.changed, viewer);
      done.set(item, { item, outcome, effects, written: writtenOf(outcome.changed) });
    } catch (cause) {
      const error = explain(command, cause, inputOf(item.id));
      if (!(error instanceof UserError)) throw cause; // as it is: a deadlock is tried again
      assertDeclared(command, error);
      item.error = error;
      forgetQuota(tx);
      // The database itself refused a statement: without a savepoint this transaction cannot try anything more.
      if (!alone && error !== cause) break;
    }
  }
  return done;
}

/** The answer of a call before, from what was kept of it. */
export async function answerOfKnown<R extends object, V>(
  kept: Json,
  view: (results: readonly R[]) => Promise<readonly V[]>,
): Promise<BulkAnswer<R, V>> {
  const { ids, results, beyond = 0 } = kept as unknown as Known<R>;
  const known = results.map((result) => result && splitEffects<R>(result));
  const views = await view(known.flatMap((one) => (one ? [one.result] : [])));
  const next = views[Symbol.iterator]();
  const outcomes = known.map((one) => one && { answer: { ...one, view: next.next().value as V } });
  return { ids, beyond, outcomes };
}
