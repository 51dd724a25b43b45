/**
 * A place in the change feed, as clients keep it: opaque, and complete, so that it is valid on every instance.
 * It is a window between two snapshots of the database and how far in it somebody has read: see feed.ts for why.
 */
import { createHash } from 'node:crypto';
import { BadRequestError } from '../errors.js';
import { isEverywhere, rightsText, type Viewer } from './authz.js';

/** Which transactions were committed at a moment. They are numbers below 2^53: no cluster gets further. */
export interface Snapshot {
  /** All from this one on were not, ... */
  readonly xmax: number;
  /** ... all from this one on had not even begun, ... */
  readonly next: number;
  /** ... and neither were these before `xmax`. In ascending order. */
  readonly running: readonly number[];
  /** The greatest `seq` of a committed entry. */
  readonly top: number;
}

export interface FeedCursor {
  /** The epoch and cluster that its numbers belong to. */
  readonly era: string;
  /** What its owner may see, by `rightsOf`. */
  readonly rights: string;
  readonly from: Snapshot;
  /** Null: all before `from` is read, and the next window is not begun. */
  readonly to: Snapshot | null;
  /** Within a window all up to this entry are read. */
  readonly seq: number;
}

const MAX_LENGTH = 32_768;
const MAX_RUNNING = 4_096;

/** What decides which changes somebody is told of: with other rights, other objects are there, and only a snapshot tells which. */
export function rightsOf(viewer: Viewer): string {
  if (viewer.scope) return digest(`${viewer.id} ${rightsText(viewer)}`);
  const told = isEverywhere(viewer)
    ? ['ADMIN']
    : [viewer.role, viewer.id, ...[...viewer.projects.keys()].sort()];
  return digest(told.join(' '));
}

const digest = (text: string): string =>
  createHash('sha256').update(text).digest('base64url').slice(0, 10);

// Distances instead of numbers: they are short, and there may be many.
const packed = ({ xmax, next, running, top }: Snapshot): number[] => [
  xmax,
  next - xmax,
  top,
  ...running.map((id) => xmax - id),
];

export function encodeFeedCursor({ era, rights, from, to, seq }: FeedCursor): string {
  const body = JSON.stringify([era, rights, seq, packed(from), to && packed(to)]);
  return Buffer.from(`${digest(body)}${body}`).toString('base64url');
}

/** @throws {BadRequestError} it is not one that this API made */
export function decodeFeedCursor(text: string, path: readonly string[] = ['after']): FeedCursor {
  const cursor = text.length > MAX_LENGTH ? null : parse(Buffer.from(text, 'base64url').toString());
  if (cursor && encodeFeedCursor(cursor) === text) return cursor;
  throw new BadRequestError(
    `"${path.at(-1)}" is not a cursor of the change feed: it was not made by this API, or was changed.`,
    path,
  );
}

function parse(text: string): FeedCursor | null {
  let parts: unknown;
  try {
    parts = JSON.parse(text.slice(10));
  } catch {
    return null;
  }
  if (!Array.isArray(parts) || parts.length !== 5) return null;
  const [era, rights, seq, first, last] = parts as unknown[];
  const from = unpacked(first);
  const to = last === null ? null : unpacked(last);
  if (typeof era !== 'string' || typeof rights !== 'string' || !isCount(seq)) return null;
  if (!from || (last !== null && !to)) return null;
  if (to ? to.xmax < from.xmax || to.top < from.top || seq > to.top : seq !== 0) return null;
  return { era, rights, from, to, seq };
}

function unpacked(value: unknown): Snapshot | null {
  if (!Array.isArray(value) || value.length < 3 || value.length > MAX_RUNNING + 3) return null;
  if (!value.every(isCount)) return null;
  const [xmax = 0, ahead = 0, top = 0, ...distances] = value;
  const running = distances.map((distance) => xmax - distance);
  const ordered = running.every((id, i) => id >= 0 && id < (running[i + 1] ?? xmax));
  return ordered && isCount(xmax + ahead) ? { xmax, next: xmax + ahead, running, top } : null;
}

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0;
