/**
 * What a command does beyond the object that it is about: the objects that it takes along, and what projects use from then on.
 * Made from what the command says it changed and from the quota that was claimed in its transaction, never by hand; a dry run
 * shows it before it happens, and a repeat with its key shows what the first run did.
 */
import type { Tx } from '../data/client.js';
import { type Change, subjectOf } from './audit.js';
import { isEverywhere, isWithin, type Viewer } from './authz.js';
import { findEntity, isOnSide, mayRead } from './entity.js';
import type { ChangeHint } from './hints.js';
import type { Json } from './json.js';

/** An object that was changed along with the main one. */
export interface Cascade {
  readonly type: string;
  /** UUID. */
  readonly id: string;
  readonly name: string;
  readonly projectId: string | null;
  readonly effect: ChangeHint['kind'];
}

/** `used` counts this change already; `limit` null: unlimited. Units are in the resource's name. */
export interface QuotaChange {
  readonly projectId: string;
  readonly resource: string;
  readonly change: number;
  readonly used: number;
  readonly limit: number | null;
}

export interface Effects {
  readonly cascades: readonly Cascade[];
  readonly quotaChanges: readonly QuotaChange[];
}

export const NO_EFFECTS: Effects = { cascades: [], quotaChanges: [] };

/** Claims of the transactions that are under way; a retried one is another, and begins with none. */
const claims = new WeakMap<Tx, QuotaChange[]>();

/** Called where quota is claimed or given back, which is one place. */
export function noteQuota(tx: Tx, changes: readonly QuotaChange[]): void {
  const known = claims.get(tx);
  if (known) known.push(...changes);
  else claims.set(tx, [...changes]);
}

/** Of a part of the transaction that was undone. */
export function forgetQuota(tx: Tx): void {
  claims.delete(tx);
}

/** The sums for each project and resource since the last call; what was taken and given back at once is none. */
function takeQuota(tx: Tx): QuotaChange[] {
  const sums = new Map<string, QuotaChange>();
  for (const claim of claims.get(tx) ?? []) {
    const key = `${claim.projectId} ${claim.resource}`;
    sums.set(key, { ...claim, change: claim.change + (sums.get(key)?.change ?? 0) });
  }
  claims.delete(tx);
  return [...sums.values()].filter(({ change }) => change !== 0);
}

/** What goes into the bin is gone for all who follow it, and what comes out of it is new. */
export function kindOf({ type, before, after }: Change): ChangeHint['kind'] {
  const entity = findEntity(type) ?? {};
  const was = before !== null && isOnSide(entity, { ...before });
  const is = after !== null && isOnSide(entity, { ...after });
  return is ? (was ? 'UPDATED' : 'CREATED') : 'DELETED';
}

/** `changed`: as the command returned it, the main object first. Tasks are answered by themselves. */
export function effectsOf(tx: Tx, changed: readonly Change[], viewer: Viewer): Effects {
  const [main, ...others] = changed;
  const isOther = ({ type, id, before, after, derived }: Change) =>
    !derived && before !== after && type !== 'Task' && (type !== main?.type || id !== main.id);
  const cascades = others
    .filter((change) => isOther(change) && seesChange(viewer, change))
    .map((change): Cascade => {
      const { type, name, projectId } = subjectOf(change);
      return { type, id: change.id, name, projectId, effect: kindOf(change) };
    });
  return visibleEffects(viewer, { cascades, quotaChanges: takeQuota(tx) });
}

/** Of what has no project, the row itself must say who sees it. */
function seesChange(viewer: Viewer, change: Change): boolean {
  if (isEverywhere(viewer) || subjectOf(change).projectId !== null) return true;
  const row = { ...(change.after ?? change.before) };
  const visibility = findEntity(change.type)?.visibility;
  return (
    visibility !== undefined &&
    Object.keys(visibility.needs).every((column) => column in row) &&
    visibility.sees(viewer, row)
  );
}

/** Without what is in projects that the viewer is no member of (any more), and what its token may not read. */
export function visibleEffects(viewer: Viewer | null, effects: Effects): Effects {
  const isIn = (projectId: string | null): boolean =>
    projectId === null || (viewer !== null && isWithin(viewer, projectId));
  return {
    cascades: effects.cascades.filter(
      ({ type, projectId }) => isIn(projectId) && readsType(viewer, type),
    ),
    quotaChanges: effects.quotaChanges.filter(
      ({ projectId }) => isIn(projectId) && readsType(viewer, 'Project'),
    ),
  };
}

/** Parts that have no entity are read with their whole. */
function readsType(viewer: Viewer | null, type: string): boolean {
  const entity = findEntity(type);
  return !viewer?.scope || !entity || mayRead(viewer, entity.visibility);
}

const KEY = '$effects';

/** What is kept with an idempotency key. */
export function withEffects<R extends object>(result: R, effects: Effects): R {
  const none = effects.cascades.length + effects.quotaChanges.length === 0;
  return none ? result : { ...result, [KEY]: effects };
}

/** The other way round. */
export function splitEffects<R extends object>(kept: Json | R): { result: R; effects: Effects } {
  const { [KEY]: effects = NO_EFFECTS, ...result } = kept as { [KEY]?: Effects };
  return { result: result as R, effects };
}
