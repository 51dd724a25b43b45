/** Takes a command through the write gate. The steps and their reasons stand in command.ts. */
import type { z } from 'zod';
import type { Tx } from '../data/client.js';
import {
  PasswordChangeRequiredError,
  RequestError,
  UnauthenticatedError,
  UserError,
  ValidationError,
} from '../errors.js';
import type { Subject } from './audit.js';
import { findSubject, requirePermission } from './authorize.js';
import { principalOf, type Viewer } from './authz.js';
import { transactBeside } from './beside.js';
import type { Command } from './command.js';
import type { Call } from './context.js';
import { type Effects, splitEffects } from './effects.js';
import { findAnswer, type KeyedRequest, keyedRequest } from './idempotency.js';
import { faultsOf } from './input-faults.js';
import type { Json } from './json.js';
import { withLocks } from './locks.js';
import { type Plan, planOf } from './plan.js';
import { assertDeclared, auditFailure, auditRefusal, explain } from './refusals.js';
import { findUncleanText, UNCLEAN_TEXT } from './text.js';
import { doubtAnswers } from './transact.js';

export interface ExecuteOptions<R, V> {
  readonly dryRun?: boolean;
  readonly idempotencyKey?: string | null;
  /** Of a dry run before: do what that one did, or nothing. */
  readonly planToken?: string | null;
  /** Reads the answer inside the transaction, so that a dry run can show what would be. */
  readonly view?: (tx: Tx, result: R) => Promise<V>;
}

export interface Answer<R, V> {
  readonly result: R;
  readonly view: V;
  readonly effects: Effects;
  /** Of a dry run alone. */
  readonly planToken?: string | null;
}

/** One run of a command: what the steps hand on to each other. */
export interface Execution<I extends z.ZodType, R extends object, V> {
  readonly command: Command<I, R>;
  readonly input: z.output<I>;
  readonly call: Call;
  readonly viewer: Viewer;
  readonly subject: Subject;
  readonly keyed: KeyedRequest | null;
  readonly prepared: unknown;
  readonly plan: Plan | null;
  readonly options: ExecuteOptions<R, V>;
}

const ANONYMOUS: Viewer = {
  id: 'anonymous',
  userId: null,
  name: 'anonymous',
  role: 'VIEWER',
  projects: new Map(),
  credentialId: '',
};

/** Runs a command. Throws a UserError that the command declares, a RequestError, or a bug. */
export async function execute<I extends z.ZodType, R extends object, V = undefined>(
  command: Command<I, R>,
  rawInput: unknown,
  call: Call,
  options: ExecuteOptions<R, V> = {},
): Promise<Answer<R, V>> {
  const { metrics, clock } = call.services;
  const started = clock.monotonic();
  const done = (outcome: string): void =>
    metrics.commands.observe(
      { command: command.name, outcome },
      (clock.monotonic() - started) / 1000,
    );
  let keyed: KeyedRequest | null = null;
  /** The first answer to this key as this caller may see it now, if there is one. */
  const known = async (): Promise<Answer<R, V> | null> => {
    const found = keyed && (await findAnswer(call.services.data.db, keyed, clock.now()));
    if (!found) return null;
    await doubtAnswers(call);
    return replay<R, V>(found.result, call, options);
  };
  let subject: Subject = { type: command.resourceType, id: null, name: '', projectId: null };
  try {
    const viewer = call.viewer ?? (command.permission === null ? ANONYMOUS : null);
    if (!viewer) throw new UnauthenticatedError();
    if (viewer.mustChangePassword && !command.beforePasswordChange)
      throw new PasswordChangeRequiredError();
    const input = parse(command, rawInput);
    subject = { ...subject, name: command.label?.(input) ?? '' };
    keyed = await keyOf(command, rawInput, call, options);
    const before = await known();
    if (before) {
      done('replayed');
      return before;
    }
    const target = command.subject?.(input);
    // Until it is found: whoever reads of the refusal wants to know what was tried.
    if (target) subject = { ...subject, type: target.entity.type, id: target.id };
    subject = await findSubject(command, input, call, viewer, subject);
    requirePermission(command, viewer, subject);
    const plan = await planOf(command.name, rawInput, call, options);
    const prepared = await command.prepare?.(call, input, options.dryRun === true);
    const execution = { command, input, call, viewer, subject, keyed, prepared, plan, options };
    const answer = await withLocks(execution, () => transactBeside(execution));
    done('ok');
    return answer;
  } catch (cause) {
    const error = explain(command, cause, rawInput);
    // The first request ended after we looked for its answer, and what we met was its work: the object is gone, say.
    const meanwhile = error instanceof UserError && (await known().catch(() => null));
    if (meanwhile) {
      done('replayed');
      return meanwhile;
    }
    done(error instanceof UserError || error instanceof RequestError ? error.code : 'bug');
    if (error instanceof UserError) {
      assertDeclared(command, error);
      // A dry run leaves no trace, unless it could be a way to try passwords unseen.
      if (!options.dryRun || command.permission === null)
        await auditRefusal(command.name, call, subject, error);
    } else if (!options.dryRun && !(command.audit === 'changes' && error instanceof RequestError))
      await auditFailure(command.name, call, subject, error);
    throw error;
  }
}

/** The input as the command wants it. Throws ValidationError with every fault. */
export function parse<I extends z.ZodType>(command: Command<I>, rawInput: unknown): z.output<I> {
  const unclean = findUncleanText(rawInput);
  if (unclean) throw ValidationError.of(unclean, UNCLEAN_TEXT);
  const parsed = command.input.safeParse(rawInput, { error: faultsOf });
  if (parsed.success) return parsed.data;
  throw new ValidationError(
    parsed.error.issues.map((issue) => ({ path: issue.path.map(String), message: issue.message })),
  );
}

/** Not for anonymous callers: they share no name, and what they send may be a password. Not for dry runs: they do nothing to repeat. */
async function keyOf<R extends object, V>(
  command: Command<z.ZodType, R>,
  rawInput: unknown,
  { viewer }: Call,
  { idempotencyKey, dryRun, planToken }: ExecuteOptions<R, V>,
): Promise<KeyedRequest | null> {
  if (!idempotencyKey || dryRun || !viewer) return null;
  const asked = planToken ? [rawInput, planToken] : rawInput;
  return keyedRequest(principalOf(viewer), idempotencyKey, command.name, asked);
}

/**
 * Before anything is authorized again: what a first request deleted is not found any more, and its repeat must hear what the first one did.
 * Only the caller's own answers are found; the objects in them are read anew, with the caller's eyes.
 */
async function replay<R extends object, V>(
  known: Json,
  call: Call,
  { view }: ExecuteOptions<R, V>,
): Promise<Answer<R, V>> {
  const { result, effects } = splitEffects<R>(known);
  if (!view) return { result, view: undefined as V, effects };
  return call.services.data.transaction(
    async (tx) => ({ result, view: await view(tx, result), effects }),
    { signal: call.signal },
  );
}
