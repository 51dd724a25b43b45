/** Opaque tokens: long random texts of which only a hash is kept. */
import { createHash, randomBytes } from 'node:crypto';

/** How an agent's token begins, so that it is told from a session's, and leak scanners can find one. */
const AGENT_PREFIX = 'qxa_';

export function newAgentToken(): string {
  return `${AGENT_PREFIX}${randomBytes(32).toString('base64url')}`;
}

export function isAgentToken(token: string): boolean {
  return token.startsWith(AGENT_PREFIX);
}

/** The token has 256 random bits: a plain hash cannot be searched backwards. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
