/**
 * What is hashed, to the byte: docs/audit.md tells it to whoever writes a verifier of their own. A change here is another format, and needs another
 * name in `SEAL_FORMAT`; seals that are there must go on to fit.
 */
import { createHash } from 'node:crypto';

/** An entry as it is exported and hashed. `userId` is not among it: that link goes with its user, `actorId` stays. */
export interface SealedEntry {
  readonly id: string;
  /** Its position: decimal, as it may be beyond 2^53. */
  readonly seq: string;
  readonly txId: string;
  readonly createdAt: string;
  readonly status: string;
  readonly action: string;
  readonly actorId: string | null;
  readonly username: string;
  readonly credentialKind: string | null;
  readonly credentialId: string | null;
  readonly ipAddress: string | null;
  readonly userAgent: string;
  readonly requestId: string;
  readonly resourceType: string;
  readonly resourceId: string | null;
  readonly resourceName: string;
  readonly projectId: string | null;
  readonly seenBefore: readonly string[];
  readonly seenAfter: readonly string[];
  readonly details: unknown;
}

export interface Seal {
  readonly number: string;
  /** Its range of positions, both inclusive. */
  readonly fromSeq: string;
  readonly toSeq: string;
  readonly entries: number;
  readonly sealedAt: string;
  /** A line for each entry: `seq id hash`. Null: the entries were removed for their age. */
  readonly manifest: string | null;
  readonly manifestHash: string;
  readonly previous: string;
  readonly hash: string;
  readonly removedAt: string | null;
}

const SEAL_FORMAT = 'quantix audit seal 1';
/** What comes before the first seal. */
export const NO_SEAL = '0'.repeat(64);

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** RFC 8785: no spaces, keys in the order of their UTF-16 code units, numbers as ECMAScript writes them. */
export function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${entries.map(([key, part]) => `${JSON.stringify(key)}:${canonicalJson(part)}`).join(',')}}`;
}

export const hashOfEntry = (entry: SealedEntry): string => sha256(canonicalJson(entry));

export const manifestLine = (entry: SealedEntry): string =>
  `${entry.seq} ${entry.id} ${hashOfEntry(entry)}\n`;

/** With the manifest's hash in its stead, so that the chain holds when entries and manifest are gone. */
export function hashOfSeal(seal: Omit<Seal, 'manifest' | 'hash' | 'removedAt'>): string {
  const { number, fromSeq, toSeq, entries, sealedAt, manifestHash, previous } = seal;
  const lines = [SEAL_FORMAT, number, fromSeq, toSeq, entries, sealedAt, manifestHash, previous];
  return sha256(lines.map((line) => `${line}\n`).join(''));
}
