/** Identifiers: version 7 UUIDs inside, opaque `base64url(Type:uuid)` ids at the API's edge. */
import { randomUUID } from 'node:crypto';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const GLOBAL_ID = /^[A-Za-z0-9_-]{1,128}$/;
const TYPED = /^([A-Za-z]{1,64}):(.+)$/;

/**
 * A new version 7 UUID (RFC 9562): 48 bits of milliseconds, then random bits,
 * so that rows made later sort later and index pages fill in order.
 */
export function newId(now: number = Date.now()): string {
  const time = now.toString(16).padStart(12, '0');
  // Node.js makes these from a store of random bytes; asking the kernel for each shows in a profile.
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}

/** Whether `value` is a UUID in the canonical lower-case form that the database prints. */
export function isUuid(value: string): boolean {
  return UUID.test(value);
}

/** The public id of a row: opaque to clients, and naming its type so that a wrong one is noticed. */
export function encodeGlobalId(type: string, id: string): string {
  return Buffer.from(`${type}:${id}`).toString('base64url');
}

/** The parts of a public id, or null when it is not one (wrong alphabet, no type, no UUID). */
export function decodeGlobalId(globalId: string): { type: string; id: string } | null {
  if (!GLOBAL_ID.test(globalId)) return null;
  const match = TYPED.exec(Buffer.from(globalId, 'base64url').toString('latin1'));
  const [, type, id] = match ?? [];
  if (type === undefined || id === undefined || !isUuid(id)) return null;
  return { type, id };
}
