/**
 * The write gate. Every write of the system is a command that `execute` takes through the same steps, in this order:
 *
 *   validate -> authorize -> prepare -> lock -> transaction[ claim key, read, rules, write, audit, answer ] -> invalidate -> announce
 *
 * - Nothing is written before the transaction, and nothing but the transaction decides: locks only order waiters.
 * - `run` is given `tx` alone. The root client inside a transaction would hang on PGlite and escape on PostgreSQL;
 *   a network call would hold rows for as long as a stranger likes. What needs time goes into `prepare`.
 * - Invalidate, then announce: whoever hears of a change must not read the old copy.
 *   A failure there is logged and counted, never returned: the change is committed.
 */
import type { z } from 'zod';
import { type Lock, LockBusyError } from '../coordination/coordination.js';
import type { Tx } from '../data/client.js';
import {
  BusyError,
  ConflictError,
  ForbiddenError,
  IdempotencyMismatchError,
  NotFoundError,
  UnauthenticatedError,
  UserError,
  ValidationError,
} from '../errors.js';
import { newId } from '../ids.js';
import { type Change, type Subject, subjectOf, writeAudit, writeRefusal } from './audit.js';

export type { Change } from './audit.js';

import { may, type Permission, type Viewer } from './authz.js';
import { bumpGenerations } from './cache.js';
import type { Call, Services } from './context.js';
import { type Entity, requireVisible } from './entity.js';
import { translate } from './failures.js';
import type { ChangeHint } from './hints.js';
import { claimKey, type KeyedRequest, keyedRequest, rememberAnswer } from './idempotency.js';
import { findUncleanText, UNCLEAN_TEXT } from './text.js';

/** A class of UserError that a command may answer with. */
export type ErrorClass = abstract new (...args: never[]) => UserError;

/** What `run` may use. `now` and `newId` are arguments, so that a run is repeatable. */
export interface RunContext<P = undefined> {
  readonly tx: Tx;
  readonly viewer: Viewer;
  readonly now: Date;
  readonly newId: () => string;
  readonly services: Pick<Services, 'config' | 'log'>;
  readonly prepared: P;
}

/** `result`: plain JSON (ids, figures), kept with the idempotency key. `changed`: every object written, the main one first. */
export interface Outcome<R> {
  readonly result: R;
  readonly changed: readonly Change[];
  /** Parts of the answer that are shown once: secrets. Never stored, so a replay answers without them. */
  readonly once?: Partial<R>;
}

export interface CommandSpec<I extends z.ZodType, R extends object, P> {
  /** `noun.verb`: audit action, log field, metric label. */
  readonly name: string;
  /** The type of object that it is about, as in the API. */
  readonly resourceType: string;
  /** Null only for commands that anybody may give (login). */
  readonly permission: Permission | null;
  /** What the command is about, found before anything else happens; absent for infrastructure that is being created. */
  subject?(input: z.output<I>): { entity: Entity; id: string; path?: readonly string[] };
  readonly input: I;
  /** Beyond the errors that every command can give. */
  readonly errors: readonly ErrorClass[];
  lock?(input: z.output<I>): readonly string[];
  /** Slow work without side effects (hashing, reading another system) that must not happen in the transaction. */
  prepare?(call: Call, input: z.output<I>): Promise<P>;
  run(context: RunContext<P>, input: z.output<I>): Promise<Outcome<R>>;
  /** Follows the commit, not a dry run: writes to what may be lost (sessions, metrics). A failure is logged, never returned. */
  after?(call: Call, result: R, prepared: P, input: z.output<I>): Promise<void>;
  /** What the audit calls the object when it is not found, or does not exist yet. */
  label?(input: z.output<I>): string;
  /** 'changes': no entry when nothing changed, for reports that come every few seconds. */
  readonly audit?: 'always' | 'changes';
}

export type Command<I extends z.ZodType = z.ZodType, R extends object = object> = CommandSpec<
  I,
  R,
  unknown
>;

/** Errors that every command can give, beside its own. */
export const COMMON_ERRORS: readonly ErrorClass[] = [
  ValidationError,
  NotFoundError,
  ForbiddenError,
  BusyError,
  ConflictError,
  IdempotencyMismatchError,
];

export function defineCommand<I extends z.ZodType, R extends object, P = undefined>(
  spec: CommandSpec<I, R, P>,
): Command<I, R> {
  return spec as unknown as Command<I, R>;
}

export interface ExecuteOptions<R, V> {
  readonly dryRun?: boolean;
  readonly idempotencyKey?: string | null;
  /** Reads the answer inside the transaction, so that a dry run can show what would be. */
  readonly view?: (tx: Tx, result: R) => Promise<V>;
}

/** Thrown to roll a dry run back after its answer has been read. */
class DryRunRollback<V> extends Error {
  constructor(readonly answer: V) {
    super('dry run');
  }
}

/** Runs a command. Throws a UserError that the command declares, a RequestError, or a bug. */
export async function execute<I extends z.ZodType, R extends object, V = undefined>(
  command: Command<I, R>,
  rawInput: unknown,
  call: Call,
  options: ExecuteOptions<R, V> = {},
): Promise<{ result: R; view: V }> {
  const { metrics, clock, log } = call.services;
  const started = clock.monotonic();
  const done = (outcome: string): void =>
    metrics.commands.observe(
      { command: command.name, outcome },
      (clock.monotonic() - started) / 1000,
    );
  let subject: Subject = { type: command.resourceType, id: null, name: '', projectId: null };
  try {
    const viewer = call.viewer ?? (command.permission === null ? ANONYMOUS : null);
    if (!viewer) throw new UnauthenticatedError();
    const input = parse(command, rawInput);
    subject = { ...subject, name: command.label?.(input) ?? '' };
    subject = await authorize(command, input, call, viewer, subject);
    const prepared = await command.prepare?.(call, input);
    const answer = await locked(command, input, call, viewer, () =>
      transact(command, input, rawInput, call, viewer, subject, prepared, options),
    );
    done('ok');
    return answer;
  } catch (cause) {
    const error = translate(cause, subject.type, rawInput);
    done(error instanceof UserError ? error.code : 'bug');
    if (error instanceof UserError) {
      assertDeclared(command, error);
      if (!options.dryRun) await refused(command.name, call, subject, error, log);
    }
    throw error;
  }
}

const ANONYMOUS: Viewer = {
  id: 'anonymous',
  userId: null,
  name: 'anonymous',
  role: 'VIEWER',
  projects: new Map(),
  credentialId: '',
};

function parse<I extends z.ZodType>(command: Command<I>, rawInput: unknown): z.output<I> {
  const unclean = findUncleanText(rawInput);
  if (unclean) throw ValidationError.of(unclean, UNCLEAN_TEXT);
  const parsed = command.input.safeParse(rawInput);
  if (parsed.success) return parsed.data;
  throw new ValidationError(
    parsed.error.issues.map((issue) => ({ path: issue.path.map(String), message: issue.message })),
  );
}

/** Hidden is NotFound; visible but not permitted is Forbidden. */
async function authorize<I extends z.ZodType>(
  command: Command<I>,
  input: z.output<I>,
  call: Call,
  viewer: Viewer,
  fallback: Subject,
): Promise<Subject> {
  const target = command.subject?.(input);
  if (!target) {
    if (command.permission && !may(viewer, command.permission, null))
      throw new ForbiddenError(command.permission);
    return fallback;
  }
  const { entity, id, path = ['id'] } = target;
  const reporter = viewer.role === 'AGENT' && entity.type === 'HypervisorNode' && id === viewer.id;
  const select = {
    id: true,
    [entity.label]: true,
    ...(entity.projectColumn ? { [entity.projectColumn]: true } : {}),
  };
  const row = reporter
    ? { id, [entity.label]: viewer.name }
    : await requireVisible(call.services.data.db, entity, viewer, id, select, path);
  const subject = subjectOf({ type: entity.type, id, before: row, after: row });
  if (command.permission && !may(viewer, command.permission, subject.projectId)) {
    throw new ForbiddenError(command.permission);
  }
  return subject;
}

/** Holds the command's locks, taken in one order everywhere so that two commands cannot wait for each other. */
async function locked<I extends z.ZodType, T>(
  command: Command<I>,
  input: z.output<I>,
  call: Call,
  viewer: Viewer,
  work: () => Promise<T>,
): Promise<T> {
  const resources = [...new Set(command.lock?.(input) ?? [])].sort();
  const { coordination, config, log } = call.services;
  const held: Lock[] = [];
  try {
    for (const resource of resources) {
      held.push(
        await coordination.lock(resource, {
          holder: `${viewer.name}: ${command.name}`,
          waitMs: config.limits.lockWaitMs,
          signal: call.signal,
        }),
      );
    }
    return await work();
  } catch (error) {
    if (!(error instanceof LockBusyError)) throw error;
    throw new BusyError(
      `Another operation is at work on it (${error.holder}). Try again in a moment.`,
      {
        operation: error.holder,
        since: error.since,
      },
    );
  } finally {
    for (const lock of held.reverse()) {
      await lock
        .release()
        .catch((err: unknown) => log.warn({ err }, 'a lock could not be released'));
    }
  }
}

async function transact<I extends z.ZodType, R extends object, V>(
  command: Command<I, R>,
  input: z.output<I>,
  rawInput: unknown,
  call: Call,
  viewer: Viewer,
  subject: Subject,
  prepared: unknown,
  options: ExecuteOptions<R, V>,
): Promise<{ result: R; view: V }> {
  const { services } = call;
  const { dryRun = false, idempotencyKey, view } = options;
  // Not for anonymous callers: they share no name, and what they send may be a password.
  const keyed: KeyedRequest | null =
    idempotencyKey && !dryRun && call.viewer
      ? keyedRequest(viewer.id, idempotencyKey, command.name, rawInput)
      : null;
  let changed: readonly Change[] = [];
  const answerOf = async (tx: Tx, result: R) => ({ result, view: (await view?.(tx, result)) as V });
  try {
    const answer = await services.data.transaction(
      async (tx) => {
        changed = []; // a retried transaction starts anew
        const now = services.clock.now();
        const known = keyed && (await claimKey(tx, keyed, now));
        if (known) return answerOf(tx, known.result as R);
        const outcome = await command.run({ tx, viewer, now, newId, services, prepared }, input);
        if (keyed) await rememberAnswer(tx, keyed, outcome.result);
        if (!dryRun)
          await writeAudit(
            tx,
            call,
            command.name,
            outcome.changed,
            command.audit === 'changes' ? null : subject,
          );
        const answered = await answerOf(tx, { ...outcome.result, ...outcome.once });
        if (dryRun) throw new DryRunRollback(answered);
        changed = outcome.changed;
        return answered;
      },
      { signal: call.signal },
    );
    await afterCommit(command.name, changed, services);
    await command.after?.(call, answer.result, prepared, input).catch((err: unknown) => {
      services.metrics.afterCommitFailures.inc();
      services.log.error({ err, action: command.name }, 'what follows a commit failed');
    });
    return answer;
  } catch (error) {
    if (error instanceof DryRunRollback) return error.answer as { result: R; view: V };
    throw error;
  }
}

/** Exported for controllers' own writes; everybody else comes through `execute`. */
export async function afterCommit(
  action: string,
  changed: readonly Change[],
  services: Services,
): Promise<void> {
  if (changed.length === 0) return;
  const hints = changed.map(
    (change): ChangeHint => ({
      type: change.type,
      id: change.id,
      projectId: subjectOf(change).projectId,
      kind: change.before === null ? 'CREATED' : change.after === null ? 'DELETED' : 'UPDATED',
    }),
  );
  try {
    await bumpGenerations(services.ephemeral, new Set(hints.map((hint) => hint.type)));
    await services.hints.announce(hints);
  } catch (err) {
    services.metrics.afterCommitFailures.inc();
    services.log.error({ err, action }, 'a committed change could not be announced');
  }
}

/** An error that the field does not list could not be shown to the caller: that is a bug of the command's declaration. */
function assertDeclared(command: Command, error: UserError): void {
  const declared = [...COMMON_ERRORS, ...command.errors];
  if (declared.some((known) => error instanceof known)) return;
  throw new Error(`${command.name} does not declare ${error.constructor.name}`, { cause: error });
}

async function refused(
  action: string,
  call: Call,
  subject: Subject,
  error: UserError,
  log: Services['log'],
): Promise<void> {
  const denied = error instanceof ForbiddenError || error instanceof NotFoundError;
  try {
    await writeRefusal(
      call.services.data.db,
      call,
      action,
      subject,
      denied ? 'DENIED' : 'FAILED',
      error,
    );
  } catch (err) {
    log.error({ err, action, requestId: call.requestId }, 'a refusal could not be audited');
  }
}
