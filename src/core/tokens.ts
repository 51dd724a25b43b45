/** Opaque tokens: long random texts of which only a hash is kept. */
import { createHash, randomBytes } from 'node:crypto';

/** How tokens begin, so that each kind is told from the others and from a session's, and leak scanners can find one. */
const PREFIX = { agent: 'qxa_', script: 'qxt_', enrolment: 'qxe_' } as const;
export type TokenKind = keyof typeof PREFIX;

/** So much of a token is shown for good: enough to know it by, and 208 secret bits are left. */
const SHOWN = 12;

export function newToken(kind: TokenKind): string {
  return `${PREFIX[kind]}${randomBytes(32).toString('base64url')}`;
}

/** Null for what is none, such as a session's. */
export function kindOfToken(token: string): TokenKind | null {
  const kinds = Object.keys(PREFIX) as TokenKind[];
  return kinds.find((kind) => token.startsWith(PREFIX[kind])) ?? null;
}

export const prefixOfToken = (token: string): string => token.slice(0, SHOWN);

/** The token has 256 random bits: a plain hash cannot be searched backwards. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
