/**
 * One command for many objects, each through the write gate. Two modes:
 *
 * - BEST_EFFORT: each object by itself; a refusal of one is no matter to the others. See bulk-each.ts.
 * - ATOMIC: all in one transaction, or none. See bulk-together.ts.
 *
 * A dry run, and a run that is held to the plan of one, is one transaction in both modes: what fits alone may not fit together,
 * and a plan is done as a whole or not at all. In BEST_EFFORT each object has a savepoint there.
 */
import type { z } from 'zod';
import type { Db, Tx } from '../data/client.js';
import { RequestError, UnauthenticatedError, UserError } from '../errors.js';
import { encodeGlobalId } from '../ids.js';
import { principalOf, type Viewer } from './authz.js';
import { doEach } from './bulk-each.js';
import { doTogether } from './bulk-together.js';
import type { Command } from './command.js';
import type { Call } from './context.js';
import { type Answer, parse } from './execute.js';
import { type KeyedRequest, keyedRequest } from './idempotency.js';
import { type Plan, planOf } from './plan.js';
import { auditFailure, auditRefusal } from './refusals.js';

/** Most objects of one call. */
export const MAX_BULK = 1000;

export type BulkMode = 'ATOMIC' | 'BEST_EFFORT';

/** `ids`: UUIDs, each once. `beyond`: how many more there are that this call does not take on. */
export interface Targets {
  readonly ids: readonly string[];
  readonly beyond: number;
}

/** Null: nothing was done to it, and nothing was found that speaks against it. */
export type ItemOutcome<R, V> = { readonly answer: Answer<R, V> } | { readonly error: UserError };

export interface BulkAnswer<R, V> extends Targets {
  /** In the order of `ids`. */
  readonly outcomes: readonly (ItemOutcome<R, V> | null)[];
  /** Of a dry run that came to its end. */
  readonly planToken?: string | null;
}

export interface BulkRequest<R, V> {
  readonly mode: BulkMode;
  readonly dryRun: boolean;
  readonly idempotencyKey: string | null;
  /** Of a dry run before: do what that one did, or nothing. */
  readonly planToken: string | null;
  /** All that the caller said: what the idempotency key stands for. */
  readonly asked: unknown;
  /** Where the command's input names the object, and the API type of that. */
  readonly target: { readonly field: string; readonly type: string };
  /** The command's input, but for the id. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Finds the targets; not called for a repeat. Throws a UserError when they are not well said. */
  readonly resolve: (viewer: Viewer) => Promise<Targets>;
  /** Reads what the answers show, in few statements however many there are. In the order of `results`. */
  readonly view: (db: Db | Tx, results: readonly R[]) => Promise<V[]>;
}

/** A bulk call on its way through the gate. */
export interface BulkExecution<R extends object, V> extends BulkRequest<R, V> {
  readonly command: Command<z.ZodType, R>;
  readonly call: Call;
  readonly viewer: Viewer;
  readonly keyed: KeyedRequest | null;
  readonly plan: Plan | null;
  readonly inputOf: (id: string) => Record<string, unknown>;
}

/** Throws a UserError when the call as a whole is wrong; what is wrong with one object is in its outcome. */
export async function executeBulk<R extends object, V>(
  // biome-ignore lint/suspicious/noExplicitAny: the input's type is the command's own affair
  command: Command<any, R>,
  call: Call,
  request: BulkRequest<R, V>,
): Promise<BulkAnswer<R, V>> {
  const { viewer } = call;
  if (!viewer) throw new UnauthenticatedError();
  const { mode, dryRun, idempotencyKey: key, planToken, target, fields } = request;
  const asked = planToken === null ? request.asked : [request.asked, planToken];
  const { clock, metrics } = call.services;
  const started = clock.monotonic();
  let outcome = 'ok';
  const inputOf = (id: string) => ({ ...fields, [target.field]: encodeGlobalId(target.type, id) });
  try {
    parse(command, inputOf('00000000-0000-0000-0000-000000000000')); // said once, instead of for each
    const name = `bulk ${command.name}`;
    const keyed = key && !dryRun ? await keyedRequest(principalOf(viewer), key, name, asked) : null;
    const plan = await planOf(name, request.asked, call, { dryRun, planToken });
    const execution = { ...request, command, call, viewer, keyed, plan, inputOf };
    return mode === 'ATOMIC' || plan ? await doTogether(execution) : await doEach(execution);
  } catch (error) {
    outcome = error instanceof UserError || error instanceof RequestError ? error.code : 'bug';
    if (!dryRun) {
      const subject = { type: command.resourceType, id: null, name: '', projectId: null };
      if (error instanceof UserError) await auditRefusal(command.name, call, subject, error);
      else await auditFailure(command.name, call, subject, error);
    }
    throw error;
  } finally {
    const seconds = (clock.monotonic() - started) / 1000;
    metrics.commands.observe({ command: `${command.name}.bulk`, outcome }, seconds);
  }
}
