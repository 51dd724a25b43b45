/** Identifiers: version 7 UUIDs inside, opaque `base64url(Type:uuid)` ids at the API's edge. */
import { randomBytes } from 'node:crypto';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const GLOBAL_ID = /^[A-Za-z0-9_-]{1,128}$/;
const TYPED = /^([A-Za-z]{1,64}):(.+)$/;

/**
 * A new version 7 UUID (RFC 9562): 48 bits of milliseconds, then random bits,
 * so that rows made later sort later and index pages fill in order.
 */
export function newId(now: number = Date.now()): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(now, 0, 6);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
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
