/** Ids and moments of the demo data: ids are the same at every start, moments are relative to the start. */
import { createHash } from 'node:crypto';

/** The moment that all demo ids carry. It has passed, so whatever is made later sorts after the demo. */
const MADE_AT_MS = Date.UTC(2026, 0, 1);

/**
 * The version 7 UUID of a demo object. It follows from the type and the key alone, not from a position in a table:
 * bookmarks survive both a restart and a demo that has grown in between.
 */
export function demoId(type: string, key: string): string {
  const bytes = createHash('sha256').update(`${type}/${key}`).digest().subarray(0, 16);
  bytes.writeUIntBE(MADE_AT_MS, 0, 6);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** A MAC address that follows from the key. `prefix` has three bytes, e.g. `52:54:00`. */
export function demoMac(prefix: string, key: string): string {
  const tail = createHash('sha256').update(key).digest('hex').slice(0, 6);
  return [prefix, tail.slice(0, 2), tail.slice(2, 4), tail.slice(4)].join(':');
}

/** A moment so many days (fractions allowed) before the start. */
export type Ago = (days: number) => Date;

const DAY_MS = 86_400_000;

export function agoFrom(now: Date): Ago {
  return (days) => new Date(now.getTime() - Math.round(days * DAY_MS));
}
