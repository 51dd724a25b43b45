/**
 * The audit log: made from what a command changed, never by hand, and written in the command's own transaction.
 * One entry for each object that changed (they share the request's id), or one for a command that changed nothing or was refused.
 */

import type { Tx } from '../data/client.js';
import { isUuid, newId } from '../ids.js';
import { SECRET_NAMES } from '../log.js';
import { insertEntries, type NewEntry } from './audit-rows.js';
import { credentialOf, type Viewer } from './authz.js';
import { type Audiences, audiencesOf } from './change-audience.js';
import type { Call } from './context.js';
import { findEntity } from './entity.js';
import { type Json, stableStringify, toJson } from './json.js';

type Row = Readonly<Record<string, unknown>>;

/** One object that a command created (`before` null), changed, or deleted (`after` null). Rows as the database has them. */
export interface Change {
  readonly type: string;
  readonly id: string;
  readonly before: object | null;
  readonly after: object | null;
  /** The owning project, for parts whose rows do not name it. */
  readonly projectId?: string;
  /** For objects without a row: what they are called. Their `id` is not in the audit. */
  readonly name?: string;
  /** True for figures that follow from another change (usage, capacity): announced, not audited. */
  readonly derived?: boolean;
}

/** Columns that say nothing to a reader of the history. */
const NOISE = new Set(['updatedAt', 'createdAt', 'txId', 'seq']);
const MAX_TEXT = 4096;

/** What differs between two rows, with secrets replaced and long texts cut. Whole rows for creations and deletions. */
export function difference(from: object | null, to: object | null): { before: Json; after: Json } {
  const before = from as Row | null;
  const after = to as Row | null;
  const keys = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})]);
  const was: Record<string, Json> = {};
  const is: Record<string, Json> = {};
  for (const key of keys) {
    if (NOISE.has(key)) continue;
    const a = before?.[key];
    const b = after?.[key];
    if (before && after && stableStringify(a) === stableStringify(b)) continue;
    if (before) was[key] = redact(key, toJson(a));
    if (after) is[key] = redact(key, toJson(b));
  }
  return { before: before && was, after: after && is };
}

/** That there is none is no secret, nor is yes or no: `mustChangePassword`. */
function redact(key: string, value: Json): Json {
  if (
    value !== null &&
    typeof value !== 'boolean' &&
    (SECRET_NAMES.test(key) || key === 'userData')
  )
    return '***';
  if (Array.isArray(value)) return value.map((item) => redact('', item));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, redact(k, v)]));
  }
  return typeof value === 'string' && value.length > MAX_TEXT
    ? `${value.slice(0, MAX_TEXT)}…`
    : value;
}

/** The object a command is about, for entries without a change. */
export interface Subject {
  readonly type: string;
  readonly id: string | null;
  readonly name: string;
  readonly projectId: string | null;
}

export function subjectOf(change: Change): Subject {
  if (change.name !== undefined)
    return { type: change.type, id: null, name: change.name, projectId: null };
  const row = (change.after ?? change.before ?? {}) as Row;
  const entity = findEntity(change.type);
  const label = entity ? row[entity.label] : undefined;
  const project = change.projectId ?? (entity?.projectColumn ? row[entity.projectColumn] : null);
  return {
    type: change.type,
    id: change.id,
    name: label === undefined ? '' : String(label),
    projectId: typeof project === 'string' ? project : null,
  };
}

/** Whom an entry names as having acted, where it is not the viewer; `session`: what they got to prove it with. */
type Actor = Pick<Viewer, 'userId' | 'name'> & { readonly session?: string };
export type Status = 'SUCCEEDED' | 'DENIED' | 'FAILED';

/** What an entry says of its request. */
export type Caller = Pick<Call, 'viewer' | 'ipAddress' | 'userAgent' | 'requestId'> & {
  readonly services: Pick<Call['services'], 'clock'>;
};

export function entry(
  call: Caller,
  action: string,
  subject: Subject,
  status: Status,
  details: object,
  actor?: Actor,
): NewEntry {
  const { viewer } = call;
  const shown = actor?.session
    ? ({ kind: 'SESSION', id: actor.session } as const)
    : viewer && credentialOf(viewer);
  const { userId = null, name = 'anonymous' } = actor ?? viewer ?? {};
  // Users and agents are known by the id of their row; the program itself by its name.
  const actorId = actor || !viewer || !isUuid(viewer.id) ? userId : viewer.id;
  return {
    id: newId(),
    userId,
    actorId,
    username: name,
    credentialKind: shown?.kind ?? null,
    credentialId: shown?.id.slice(0, 63) ?? null,
    action,
    resourceType: subject.type,
    resourceId: subject.id,
    resourceName: subject.name.slice(0, 253),
    projectId: subject.projectId,
    details: toJson(details),
    ipAddress: call.ipAddress,
    userAgent: call.userAgent.slice(0, 255),
    requestId: call.requestId,
    status,
    createdAt: call.services.clock.now(),
  };
}

/** The task of this object that was begun, moved on or ended along with its change. */
function taskOf({ id }: Change, changes: readonly Change[]): string | undefined {
  const isOfIt = ({ type, before, after }: Change): boolean =>
    type === 'Task' && ((after ?? before ?? {}) as Row).resourceId === id;
  return changes.find(isOfIt)?.id;
}

/** The id of the entry that tells of each change; a derived one has none. */
export type EntryIds = ReadonlyMap<Change, string>;

/** Writes the entries of a command that succeeded; one statement for all of them. */
export async function writeAudit(
  tx: Tx,
  call: Call,
  action: string,
  changes: readonly Change[],
  unchanged: Subject | null,
  actor?: Actor,
): Promise<EntryIds> {
  return writeAudits(tx, call, action, [{ changes, unchanged, actor }]);
}

/** The same for a command that succeeded for several objects in one transaction. */
export async function writeAudits(
  tx: Tx,
  call: Call,
  action: string,
  done: readonly {
    changes: readonly Change[];
    unchanged: Subject | null;
    actor?: Actor | undefined;
  }[],
): Promise<EntryIds> {
  const ids = new Map<Change, string>();
  const told = done.flatMap(({ changes }) => changes.filter((change) => !change.derived));
  const audiences: Audiences = await audiencesOf(tx, told);
  const data = done.flatMap(({ changes, unchanged, actor }) => {
    const entries = changes
      .filter((change) => !change.derived)
      .map((change) => {
        const task = taskOf(change, changes);
        const details = { ...difference(change.before, change.after), ...(task ? { task } : {}) };
        const made = entry(call, action, subjectOf(change), 'SUCCEEDED', details, actor);
        ids.set(change, made.id);
        return { ...made, ...audiences.get(change) };
      });
    if (entries.length > 0 || !unchanged) return entries;
    return [entry(call, action, unchanged, 'SUCCEEDED', { unchanged: true }, actor)];
  });
  await insertEntries(tx, data);
  return ids;
}
