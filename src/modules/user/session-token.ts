/** The token of a session: a signed statement "session S of user U until T". Whether the session still counts, it does not say. */
import { decodeProtectedHeader, jwtVerify, SignJWT } from 'jose';
import { LRUCache } from 'lru-cache';
import type { Services } from '../../core/context.js';
import type { SessionKeys } from '../../core/session-keys.js';
import { hashToken } from '../../core/tokens.js';

/** Longer is no token of ours, and not worth a look. */
export const MAX_TOKEN = 2048;
const ISSUER = 'quantix-vdc';
const ALGORITHM = 'HS256';

export interface SessionClaims {
  readonly sessionId: string;
  readonly userId: string;
  readonly expiresAt: Date;
}

type TokenServices = Pick<Services, 'config' | 'sessionKeys' | 'clock'>;

export async function signSession(
  services: TokenServices,
  sessionId: string,
  userId: string,
): Promise<{ token: string; expiresAt: Date }> {
  const { newest } = services.sessionKeys;
  const now = services.clock.now();
  const expiresAt = new Date(now.getTime() + services.config.auth.sessionTtlMs);
  const token = await new SignJWT()
    .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT', kid: newest.id })
    .setIssuer(ISSUER)
    .setAudience(ISSUER)
    .setSubject(userId)
    .setJti(sessionId)
    .setIssuedAt(now)
    .setExpirationTime(expiresAt)
    .sign(newest.bytes);
  return { token, expiresAt };
}

/**
 * What tokens were found to say, by their hash: a signature that was good once stays so for as long as its key counts, and
 * verifying it costs more than the rest of a cached answer.
 */
const verified = new WeakMap<SessionKeys, LRUCache<string, SessionClaims & { keyId: string }>>();
const MAX_VERIFIED = 10_000;

/** Null for every token that is not ours, is changed, has expired, or was signed with a key that counts no more. */
export async function claimsOf(
  { sessionKeys, clock }: TokenServices,
  token: string,
): Promise<SessionClaims | null> {
  const known = verified.get(sessionKeys) ?? new LRUCache({ max: MAX_VERIFIED });
  verified.set(sessionKeys, known);
  const hash = hashToken(token);
  const before = known.get(hash);
  if (before && sessionKeys.find(before.keyId))
    return before.expiresAt > clock.now() ? before : null;
  try {
    const { kid } = decodeProtectedHeader(token);
    const key = typeof kid === 'string' ? sessionKeys.find(kid) : undefined;
    if (!key) return null;
    const { payload } = await jwtVerify(token, key.bytes, {
      algorithms: [ALGORITHM],
      issuer: ISSUER,
      audience: ISSUER,
      requiredClaims: ['sub', 'jti', 'exp'],
      currentDate: clock.now(),
    });
    const claims = {
      sessionId: payload.jti ?? '',
      userId: payload.sub ?? '',
      expiresAt: new Date((payload.exp ?? 0) * 1000),
      keyId: key.id,
    };
    known.set(hash, claims);
    return claims;
  } catch {
    return null;
  }
}
