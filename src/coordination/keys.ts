/** Every etcd key, built here and nowhere else. */
const PREFIX = '/quantix';
/** Behind a resource's name: no name contains it, so nobody's line is part of another's, as vm/1/disk would be of vm/1. */
const LINE = '\0';

export const coordinationKeys = {
  leader: `${PREFIX}/leader`,
  /** Made once, at random: tells an etcd that was wiped and rebuilt from the one before. */
  epoch: `${PREFIX}/epoch`,
  lock: (resource: string) => `${PREFIX}/locks/${resource}`,
  /** A place in the line for the lock. */
  waiter: (resource: string, id: string) => `${PREFIX}/locks/${resource}${LINE}${id}`,
  member: (id: string) => `${PREFIX}/members/${id}`,
  config: (key: string) => `${PREFIX}/config/${key}`,
} as const;

/** Keys from `key` on, up to but not including `end`. */
export interface KeyRange {
  readonly key: Buffer;
  readonly end?: Buffer;
}

export const one = (key: string): KeyRange => ({ key: Buffer.from(key) });

/** All keys that begin so. */
export function under(prefix: string): KeyRange {
  const end = Buffer.from(prefix);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1; // prefixes end with "/" or NUL, never with 0xff
  return { key: Buffer.from(prefix), end };
}

/** A lock with everybody in its line. */
export function lineOf(resource: string): KeyRange {
  const key = coordinationKeys.lock(resource);
  return { key: Buffer.from(key), end: Buffer.from(`${key}\u0001`) };
}
