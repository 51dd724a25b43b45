/** Edits carry the version they were made from: a lost update is impossible, whoever else writes. */
import type { Tx } from '../data/client.js';
import { ConflictError } from '../errors.js';
import { delegateOf, type Entity, isOnSide, notFound } from './entity.js';
import { stableStringify } from './json.js';

interface Versioned {
  readonly id: string;
  readonly version: number;
}

interface Writable {
  updateManyAndReturn(args: object): Promise<Record<string, unknown>[]>;
  findUnique(args: object): Promise<Versioned | null>;
  deleteMany(args: object): Promise<{ count: number }>;
}

const writable = (tx: Tx, entity: Entity): Writable =>
  delegateOf(tx, entity.model) as unknown as Writable;

/** The whole row, for rules and for the audit's "before". Throws NotFoundError when it has gone meanwhile. */
export async function readForEdit<T>(
  tx: Tx,
  entity: Entity,
  id: string,
  expectedVersion?: number | null,
): Promise<T & Versioned> {
  const row = await writable(tx, entity).findUnique({ where: { id } });
  if (!row || !isOnSide(entity, { ...row })) throw notFound(entity);
  if (expectedVersion != null && row.version !== expectedVersion) {
    throw new ConflictError(entity.type, row.version);
  }
  return row as T & Versioned;
}

/**
 * Writes `data` over `before` and raises the version; the row must still be as it was read. Returns the row as it now is.
 * Where nothing would differ nothing is written, and `before` itself is returned: the gate takes that for no change.
 */
export async function updateVersioned<T extends Versioned>(
  tx: Tx,
  entity: Entity,
  before: T,
  data: object,
): Promise<T> {
  const known = before as Readonly<Record<string, unknown>>;
  const differs = Object.entries(data).some(
    ([column, value]) =>
      value !== undefined && stableStringify(value) !== stableStringify(known[column]),
  );
  return differs ? raiseVersion(tx, entity, before, data) : before;
}

/** The same where parts of the object changed that have rows of their own: `data` may be empty. */
export async function raiseVersion<T extends Versioned>(
  tx: Tx,
  entity: Entity,
  before: T,
  data: object = {},
): Promise<T> {
  const [after] = await writable(tx, entity).updateManyAndReturn({
    where: { id: before.id, version: before.version },
    data: { ...data, version: { increment: 1 } },
  });
  if (!after) throw new ConflictError(entity.type, null);
  return written(before, after as unknown as T, { ...data, version: true });
}

/**
 * The row as this write has left it. In columns that it did not write others may have written since `before` was read:
 * that is theirs to tell, and the audit would tell it twice.
 */
export function written<T extends object>(before: T, after: T, data: object): T {
  const columns = Object.entries(data).filter(([, value]) => value !== undefined);
  const own = columns.map(([key]) => [key, (after as Record<string, unknown>)[key]]);
  return { ...before, ...Object.fromEntries(own) };
}

export async function deleteVersioned(tx: Tx, entity: Entity, before: Versioned): Promise<void> {
  const { count } = await writable(tx, entity).deleteMany({
    where: { id: before.id, version: before.version },
  });
  if (count === 0) throw new ConflictError(entity.type, null);
}
