/**
 * The stream behind every `xChanged` subscription: first the objects as they are, then a hint for each change.
 * It yields ids; the field reads each object again with the viewer's eyes, in one statement.
 */

import { delegateOf, type Entity } from '../core/entity.js';
import type { ChangeHint } from '../core/hints.js';
import { type Coalesced, latestQueue } from '../core/live.js';
import { BadRequestError, UnauthenticatedError } from '../errors.js';
import type { GraphQLContext } from './builder.js';

/** More waiting objects than this, and the subscriber is told to read afresh. */
const MAX_WAITING = 1000;
/** The snapshot at the beginning; more than this is for a list query. */
const MAX_SNAPSHOT = 500;

export type ChangeKind = 'SNAPSHOT' | ChangeHint['kind'] | 'RESYNC';

export interface ChangeEvent {
  /** Null only for RESYNC. */
  readonly id: string | null;
  readonly kind: ChangeKind;
  readonly dropped: number;
}

export interface ChangeSelection {
  readonly entity: Entity;
  /** Which objects: a condition for the snapshot, and the same as a test of a hint. */
  readonly where: object;
  readonly matches: (hint: ChangeHint) => boolean;
}

/** Ends by itself when the client goes (`return`) or the context's signal aborts; then nothing of it is left. */
export async function* changeStream(
  context: GraphQLContext,
  { entity, where, matches }: ChangeSelection,
): AsyncGenerator<ChangeEvent> {
  const { viewer, services, signal } = context;
  if (!viewer) throw new UnauthenticatedError();
  // Listen before reading: what changes in between is told twice rather than never.
  const stop = services.hints.listen((hint) => {
    if (hint.type === entity.type && matches(hint)) queue.push(hint.id, hint.kind);
  });
  const queue = latestQueue<ChangeKind>({
    maxKeys: MAX_WAITING,
    overflow: () => ({ key: '', value: 'RESYNC' }),
    onEnd: stop,
  });
  const abort = (): void => queue.end();
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) queue.end();
  try {
    const rows = await delegateOf(services.data.db, entity.model).findMany({
      where: { AND: [where, entity.visibility.where(viewer)] },
      select: { id: true },
      orderBy: { id: 'asc' },
      take: MAX_SNAPSHOT + 1,
    });
    if (rows.length > MAX_SNAPSHOT) {
      throw new BadRequestError(`More than ${MAX_SNAPSHOT} objects match; subscribe to fewer.`);
    }
    for (const row of rows) yield { id: String(row.id), kind: 'SNAPSHOT', dropped: 0 };
    for await (const { key, value, dropped } of queue) yield eventOf(key, value, dropped);
  } finally {
    signal.removeEventListener('abort', abort);
    queue.end();
  }
}

function eventOf(
  key: string,
  kind: ChangeKind,
  dropped: Coalesced<ChangeKind>['dropped'],
): ChangeEvent {
  return { id: kind === 'RESYNC' ? null : key, kind, dropped };
}
