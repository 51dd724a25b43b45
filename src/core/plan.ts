/**
 * Plan tokens: a dry run names what it did, and a run that is given the name does exactly that or nothing.
 *
 * A token is a digest of the request and of what `run` wrote for it, so nothing is kept: whatever instance applies it runs the
 * command, and looks in its own transaction whether it came to the same. Another version of an object, another node or another address
 * is another token; what others use of a quota meanwhile is not, as long as this claim fits in.
 */
import { createHash } from 'node:crypto';
import { PlanStaleError } from '../errors.js';
import { type Change, difference } from './audit.js';
import type { Call } from './context.js';
import { type Effects, kindOf } from './effects.js';
import { keyedRequest } from './idempotency.js';
import type { Json } from './json.js';

/** What a run is asked for or held to. */
export interface Plan {
  /** Who asks, and a digest of what for. */
  readonly request: string;
  /** The token that the caller gave; null: it only wants to know one. */
  readonly expected: string | null;
}

/** What was done about one object, or why it was refused. */
export type PlanPart =
  | { readonly changed: readonly Change[]; readonly effects: Effects }
  | { readonly id: string; readonly refused: string };

/**
 * Null for runs that have nothing to do with plans. Slow where the input has a secret: see idempotency.ts.
 * @param command its name
 */
export async function planOf(
  command: string,
  rawInput: unknown,
  { viewer }: Call,
  { dryRun, planToken = null }: { dryRun?: boolean; planToken?: string | null },
): Promise<Plan | null> {
  if (!dryRun && planToken === null) return null;
  const who = viewer?.id ?? 'anonymous'; // rows name who asked, so a plan could be another's for some commands alone
  const { hash } = await keyedRequest(who, 'plan', command, rawInput);
  return { request: `${who} ${hash}`, expected: planToken };
}

/**
 * The token of what was done: by one command, or for each object of a bulk call in turn.
 * @param newIds made during the run, so they are others the next time
 * @throws PlanStaleError when the caller expected another one
 */
export function settlePlan(
  { request, expected }: Plan,
  parts: readonly PlanPart[],
  newIds: readonly string[],
): string {
  const born = parts.flatMap((part) => ('changed' in part ? bornIn(part.changed) : []));
  const ordinals = new Map([...new Set([...newIds, ...born])].map((id, i) => [id, `#${i}`]));
  const facts = masked([request, ...parts.flatMap(factsOfPart)], ordinals);
  const token = createHash('sha256').update(JSON.stringify(facts)).digest('base64url');
  if (expected !== null && expected !== token) throw new PlanStaleError();
  return token;
}

const bornIn = (changed: readonly Change[]): string[] =>
  changed.filter(({ before }) => before === null).map(({ id }) => id);

function factsOfPart(part: PlanPart): Json[] {
  if (!('changed' in part)) return [part.id, part.refused];
  const done = part.changed.filter((change) => !change.derived && change.before !== change.after);
  const { quotaChanges } = part.effects;
  return [done.map(factsOf), quotaChanges.map((c) => [c.projectId, c.resource, c.change])];
}

/** Of a deletion the version says what is lost; its row has figures that agents report. */
function factsOf(change: Change): Json {
  const { type, id, before, after } = change;
  const { version = null } = (before ?? {}) as { readonly version?: number };
  return [type, id, kindOf(change), version, after && difference(before, after)];
}

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;
const MAC_ADDRESS = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i;
const TOKEN_PREFIX = /^qx[a-z]_[\w-]{8}$/;
const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

/** Without what is made up anew by each run. What of it the caller chose is in the request. */
function masked(value: Json, ordinals: ReadonlyMap<string, string>): Json {
  if (typeof value === 'string') {
    if (MOMENT.test(value)) return '(moment)';
    if (MAC_ADDRESS.test(value)) return '(address)';
    if (TOKEN_PREFIX.test(value)) return '(token)';
    return value.replace(UUID, (id) => ordinals.get(id) ?? id);
  }
  if (Array.isArray(value)) return value.map((item) => masked(item, ordinals));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [
      String(masked(key, ordinals)),
      masked(part, ordinals),
    ]),
  );
}
