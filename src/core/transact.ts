/** The gate's transaction, and what follows its commit. */
import type { z } from 'zod';
import type { Tx } from '../data/client.js';
import { newId } from '../ids.js';
import { type Change, type EntryIds, subjectOf, writeAudit } from './audit.js';
import type { Command } from './command.js';
import type { Call, Services } from './context.js';
import { effectsOf, kindOf, splitEffects, withEffects } from './effects.js';
import type { Answer, Execution } from './execute.js';
import { requireTerm } from './fencing.js';
import type { ChangeHint } from './hints.js';
import { claimKey, rememberAnswer } from './idempotency.js';
import { settlePlan } from './plan.js';
import { TYPES_WITH_TABLES } from './tables.js';

const NONE: EntryIds = new Map();

/** Thrown to roll a dry run back after its answer has been read. */
export class DryRunRollback extends Error {
  constructor(readonly answer: unknown) {
    super('dry run');
  }
}

export async function transact<I extends z.ZodType, R extends object, V>(
  execution: Execution<I, R, V>,
): Promise<Answer<R, V>> {
  const { command, input, call, prepared } = execution;
  const { services, signal } = call;
  // A retried transaction starts anew: what counts is what its last run returned.
  let changed: readonly Change[] | null = null;
  let entries: EntryIds = NONE;
  try {
    const answer = await services.data.transaction(
      async (tx) => {
        const ran = await runOnce(tx, execution);
        changed = ran.changed;
        entries = ran.entries;
        return ran.answer;
      },
      { signal },
    );
    if (changed) {
      await announce(command.name, changed, entries, services);
      await followUp(command, call, answer.result, prepared, input);
    } else await doubtAnswers(call);
    return answer;
  } catch (error) {
    if (error instanceof DryRunRollback) return error.answer as Answer<R, V>;
    throw error;
  }
}

/** `changed` is null when a concurrent twin had the key: then this run only answers what the twin did. */
async function runOnce<I extends z.ZodType, R extends object, V>(
  tx: Tx,
  { command, input, call, viewer, subject, keyed, prepared, plan, options }: Execution<I, R, V>,
): Promise<{ answer: Answer<R, V>; changed: readonly Change[] | null; entries: EntryIds }> {
  const { services } = call;
  const { dryRun, view } = options;
  const now = services.clock.now();
  const answerOf = async (result: R) => ({ result, view: (await view?.(tx, result)) as V });

  await requireTerm(tx, call.term);
  const known = keyed && (await claimKey(tx, keyed, now));
  if (known) {
    const { result, effects } = splitEffects<R>(known.result);
    return { answer: { ...(await answerOf(result)), effects }, changed: null, entries: NONE };
  }

  const newIds: string[] = [];
  const context = { tx, viewer, now, newId: noting(newIds), services, prepared };
  const outcome = await command.run(context, input);
  const written = writtenOf(outcome.changed);
  const effects = effectsOf(tx, outcome.changed, viewer);
  const token = plan && settlePlan(plan, [{ changed: outcome.changed, effects }], newIds);
  if (keyed) await rememberAnswer(tx, keyed, withEffects(outcome.result, effects));
  let entries: EntryIds = NONE;
  if (!dryRun) {
    const unchanged = command.audit === 'changes' ? null : subject;
    entries = await writeAudit(tx, call, command.name, written, unchanged, outcome.actor);
  }
  const answer = { ...(await answerOf({ ...outcome.result, ...outcome.once })), effects };
  if (dryRun) throw new DryRunRollback({ ...answer, planToken: token });
  return { answer, changed: written, entries };
}

/** An edit that changed nothing gives the row back that it was given: see updateVersioned. */
export const writtenOf = (changed: readonly Change[]): readonly Change[] =>
  changed.filter(({ before, after, derived }) => derived || before !== after);

/** Makes ids, and notes them: a plan masks what it made up. */
export const noting = (made: string[]) => (): string => {
  const id = newId();
  made.push(id);
  return id;
};

/**
 * Before a first answer is repeated: whoever committed it may have died, or be frozen, before it told the cache. Then it is this
 * answer that acknowledges the change, and none that was kept may be older.
 */
export const doubtAnswers = ({ services }: Call): Promise<void> =>
  services.generations.raise(TYPES_WITH_TABLES);

/** What a command wants done after its commit. Never throws: the change is committed. */
export async function followUp<I extends z.ZodType, R extends object>(
  command: Command<I, R>,
  call: Call,
  result: R,
  prepared: unknown,
  input: z.output<I>,
): Promise<void> {
  const { metrics, log } = call.services;
  await command.after?.(call, result, prepared, input).catch((err: unknown) => {
    metrics.afterCommitFailures.inc();
    log.error({ err, action: command.name }, 'what follows a commit failed');
  });
}

/** The commit itself has replaced the generations: whoever hears of a change must not read the old copy. Never throws: the change is committed. */
export async function announce(
  action: string,
  changed: readonly Change[],
  entries: EntryIds,
  services: Services,
): Promise<void> {
  if (changed.length === 0) return;
  const hints = changed.map(
    (change): ChangeHint => ({
      type: change.type,
      id: change.id,
      projectId: subjectOf(change).projectId,
      kind: kindOf(change),
      entry: entries.get(change),
    }),
  );
  try {
    await services.hints.announce(hints);
  } catch (err) {
    services.metrics.afterCommitFailures.inc();
    services.log.error({ err, action }, 'a committed change could not be announced');
  }
}
