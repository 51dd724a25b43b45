/**
 * The write gate. Every write of the system is a command, declared here, that `execute` (execute.ts) takes through the same steps:
 *
 *   validate -> replay a known key -> authorize -> prepare -> lock -> write beside
 *     -> transaction[ claim key, read, rules, write, compare with the plan, audit, answer ] -> invalidate -> announce
 *
 * - Nothing is written before the transaction, and nothing but the transaction decides: locks only order waiters.
 * - `run` is given `tx` alone. The root client inside a transaction would hang on PGlite and escape on PostgreSQL;
 *   a network call would hold rows for as long as a stranger likes. What needs time goes into `prepare`.
 * - Invalidate, then announce: whoever hears of a change must not read the old copy.
 *   A failure there is logged and counted, never returned: the change is committed.
 */
import type { z } from 'zod';
import type { Tx } from '../data/client.js';
import {
  BusyError,
  ConflictError,
  ForbiddenError,
  IdempotencyMismatchError,
  NotFoundError,
  PlanStaleError,
  type UserError,
  ValidationError,
} from '../errors.js';
import type { Change } from './audit.js';
import type { Permission, Viewer } from './authz.js';
import type { Call, Services } from './context.js';
import type { Entity } from './entity.js';

export type { Change } from './audit.js';

/** A class of UserError that a command may answer with. */
export type ErrorClass = abstract new (...args: never[]) => UserError;

/** What `run` may use. `now` and `newId` are arguments, so that a run is repeatable. */
export interface RunContext<P = undefined> {
  readonly tx: Tx;
  readonly viewer: Viewer;
  readonly now: Date;
  readonly newId: () => string;
  readonly services: Pick<Services, 'config' | 'log' | 'secrets'>;
  readonly prepared: P;
}

/** `result`: plain JSON (ids, figures), kept with the idempotency key. `changed`: every object written, the main one first. */
export interface Outcome<R> {
  readonly result: R;
  readonly changed: readonly Change[];
  /** Parts of the answer that are shown once: secrets. Never stored, so a replay answers without them. */
  readonly once?: Partial<R>;
  /** Who acted, where that shows only now: the user of a sign-in, the token of an enrolment. The audit names this one instead of the viewer. */
  readonly actor?: {
    readonly userId: string | null;
    readonly name: string;
    readonly session?: string;
  };
}

/** An object that a command names; `path`: the input field that names it. */
export interface Target {
  readonly entity: Entity;
  readonly id: string;
  readonly path?: readonly string[];
}

/**
 * A write outside of the database (shared settings in etcd), which the transaction then only audits. Under the command's locks.
 * A crash between the two, or an `undo` that fails, leaves a change without its audit entry: somebody has to notice (controllers/settings-audit.ts).
 */
export interface Beside<I, P> {
  /** Decides and writes; a dry run only decides. What it returns is `prepared` to `run`. */
  write(call: Call, input: I, dryRun: boolean): Promise<P>;
  /** Takes back what `write` did, when the transaction did not commit. */
  undo(call: Call, prepared: P): Promise<void>;
}

export interface CommandSpec<I extends z.ZodType, R extends object, P> {
  /** `noun.verb`: audit action, log field, metric label. */
  readonly name: string;
  /** The type of object that it is about, as in the API. */
  readonly resourceType: string;
  /** Null only for commands that anybody may give (login). */
  readonly permission: Permission | null;
  /** True for what whoever must change the password may do before that, and for nothing else. */
  readonly beforePasswordChange?: boolean;
  /**
   * What the command is about (or what it creates something in), found before anything else happens.
   * Absent or null for infrastructure that is being created.
   */
  subject?(input: z.output<I>): Target | null;
  readonly input: I;
  /** Beyond the errors that its other parts bring about: see `errorsOf`. */
  readonly errors: readonly ErrorClass[];
  /**
   * What to lock, where that is not the subject: creations lock the name that they claim (`nameLock` in locks.ts).
   * A command that locks nothing says why in `unlocked`.
   */
  lock?(input: z.output<I>): readonly string[];
  readonly unlocked?: string;
  /** Slow work (hashing, reading another system) that must not happen in the transaction. Without side effects, at least in a dry run. */
  prepare?(call: Call, input: z.output<I>, dryRun: boolean): Promise<P>;
  /** For what is kept outside of the database; instead of `prepare`. */
  readonly beside?: Beside<z.output<I>, P>;
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

/** Errors that the gate itself can give, whatever the command. */
export const GATE_ERRORS: readonly ErrorClass[] = [
  ValidationError,
  ConflictError,
  IdempotencyMismatchError,
  PlanStaleError,
];

/** All errors that a command can give: those of the gate, those that what it declares brings about, and its own. */
export function errorsOf(command: Command): ReadonlySet<ErrorClass> {
  return new Set([
    ...GATE_ERRORS,
    ...(command.subject ? [NotFoundError] : []),
    ...(command.permission === null ? [] : [ForbiddenError]),
    ...(command.unlocked === undefined ? [BusyError] : []),
    ...command.errors,
  ]);
}

export function defineCommand<I extends z.ZodType, R extends object, P = undefined>(
  spec: CommandSpec<I, R, P>,
): Command<I, R> {
  const { name, subject, lock, unlocked } = spec;
  if (!subject && !lock && unlocked === undefined)
    throw new Error(`${name} locks nothing, and does not say why`);
  if (lock && unlocked !== undefined) throw new Error(`${name} locks something, or it does not`);
  return spec as unknown as Command<I, R>;
}
