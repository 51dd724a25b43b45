/**
 * The stream behind every `xChanged` subscription: first the objects as they are, then a hint for each change.
 * It yields ids; the field reads each object again with the viewer's eyes, in one statement for a batch of the snapshot.
 */

import type { Target } from '../core/command.js';
import { delegateOf, type Entity } from '../core/entity.js';
import type { ChangeHint } from '../core/hints.js';
import { type Coalesced, latestQueue } from '../core/live.js';
import { NothingToWatchError, UnauthenticatedError } from '../errors.js';
import type { GraphQLContext } from './builder.js';
import type { Batch } from './node.js';

/** More waiting objects than this, and the subscriber is told to read afresh. */
const MAX_WAITING = 1000;
/** So much of the snapshot is read, and kept, at a time: what a subscription costs does not depend on how much it is about. */
const BATCH = 100;

export type ChangeKind = 'SNAPSHOT' | ChangeHint['kind'] | 'RESYNC';

export interface ChangeEvent {
  /** Null only for RESYNC. */
  readonly id: string | null;
  readonly kind: ChangeKind;
  readonly dropped: number;
  /** The part of the snapshot that it belongs to: read together. */
  readonly batch?: Batch;
}

export interface ChangeSelection {
  readonly entity: Entity;
  /** Which objects: a condition for the snapshot, and the same as a test of a hint. `{ id }` names one, which must be there. */
  readonly where: object;
  readonly matches: (hint: ChangeHint) => boolean;
  /** What the objects belong to, where the caller names that: it must be there. */
  readonly within?: Target;
}

/** The one object that a selection is about, or null. */
const namedId = ({ where }: ChangeSelection): string | null =>
  (where as { id?: string }).id ?? null;

/** Throws NothingToWatchError where what the caller names is absent or hidden: silence would not tell it from quiet. */
export async function requireWatchable(
  { viewer, prisma }: GraphQLContext,
  selection: ChangeSelection,
): Promise<void> {
  if (!viewer) throw new UnauthenticatedError();
  const id = namedId(selection);
  const named = id === null ? selection.within : { entity: selection.entity, id };
  if (!named) return;
  const { entity } = named;
  const found = await delegateOf(prisma, entity.model).findFirst({
    where: { AND: [{ id: named.id }, entity.visibility.where(viewer)] },
    select: { id: true },
  });
  if (!found) throw new NothingToWatchError(entity.type, named.path);
}

/** Ends by itself when the client goes (`return`) or the context's signal aborts; then nothing of it is left. */
export async function* changeStream(
  context: GraphQLContext,
  selection: ChangeSelection,
): AsyncGenerator<ChangeEvent> {
  const { services, signal } = context;
  const { entity, matches } = selection;
  // Listen before reading: what changes in between is told twice rather than never.
  const stop = services.hints.listen(
    (hint) => {
      if (hint.type === entity.type && matches(hint)) queue.push(hint.id, hint.kind);
    },
    undefined,
    () => queue.push('', 'RESYNC'),
  );
  const queue = latestQueue<ChangeKind>({
    maxKeys: MAX_WAITING,
    overflow: () => ({ key: '', value: 'RESYNC' }),
    onEnd: stop,
  });
  const abort = (): void => queue.end();
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) queue.end();
  try {
    yield* snapshot(context, selection);
    for await (const { key, value, dropped } of queue) yield eventOf(key, value, dropped);
  } finally {
    signal.removeEventListener('abort', abort);
    queue.end();
  }
}

/** What is created meanwhile has a greater id, or is told by its hint. */
async function* snapshot(
  { viewer, services, signal }: GraphQLContext,
  selection: ChangeSelection,
): AsyncGenerator<ChangeEvent> {
  const { entity, where } = selection;
  if (!viewer) throw new UnauthenticatedError();
  const delegate = delegateOf(services.data.db, entity.model);
  let last: string | null = null;
  do {
    const rows: Record<string, unknown>[] = await delegate.findMany({
      where: {
        AND: [where, entity.visibility.where(viewer), last === null ? {} : { id: { gt: last } }],
      },
      select: { id: true },
      orderBy: { id: 'asc' },
      take: BATCH,
    });
    const batch: Batch = { ids: rows.map((row) => String(row.id)), rows: new Map() };
    const named = namedId(selection);
    // It went after it was looked for.
    if (named !== null && rows.length === 0) yield eventOf(named, 'DELETED', 0);
    for (const id of batch.ids) {
      if (signal.aborted) return;
      yield { id, kind: 'SNAPSHOT', dropped: 0, batch };
    }
    last = rows.length === BATCH ? (batch.ids.at(-1) ?? null) : null;
  } while (last !== null);
}

function eventOf(
  key: string,
  kind: ChangeKind,
  dropped: Coalesced<ChangeKind>['dropped'],
): ChangeEvent {
  return { id: kind === 'RESYNC' ? null : key, kind, dropped };
}
