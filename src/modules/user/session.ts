/**
 * Sessions. A token is a signed statement "session S of user U until T"; the session itself is an ephemeral record.
 * Deleting the record ends the session; when the ephemeral store does not answer, the signature alone counts.
 */
import { jwtVerify, SignJWT } from 'jose';
import { LRUCache } from 'lru-cache';
import type { Services } from '../../core/context.js';
import { hashToken } from '../../core/tokens.js';
import { EphemeralUnavailableError } from '../../ephemeral/errors.js';
import { ephemeralKeys } from '../../ephemeral/keys.js';

const ISSUER = 'quantix-vdc';
const ALGORITHM = 'HS256';

export interface SessionClaims {
  readonly sessionId: string;
  readonly userId: string;
  readonly expiresAt: Date;
  /** The generations of the types that were asked for; null when they are not to be had. */
  readonly marks: readonly string[] | null;
}

type SessionServices = Pick<
  Services,
  'config' | 'sessionKey' | 'ephemeral' | 'generations' | 'clock' | 'log'
>;

/** Makes the token of a new session; `openSession` makes it live. */
export async function signSession(
  services: SessionServices,
  sessionId: string,
  userId: string,
): Promise<{ token: string; expiresAt: Date }> {
  const now = services.clock.now();
  const expiresAt = new Date(now.getTime() + services.config.auth.sessionTtlMs);
  const token = await new SignJWT()
    .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' })
    .setIssuer(ISSUER)
    .setAudience(ISSUER)
    .setSubject(userId)
    .setJti(sessionId)
    .setIssuedAt(now)
    .setExpirationTime(expiresAt)
    .sign(services.sessionKey);
  return { token, expiresAt };
}

export async function openSession(
  services: SessionServices,
  sessionId: string,
  userId: string,
): Promise<void> {
  const record = JSON.stringify({ userId, createdAt: services.clock.now() });
  await services.ephemeral.set(
    ephemeralKeys.session(sessionId),
    record,
    services.config.auth.sessionTtlMs,
  );
}

export async function endSession(services: SessionServices, sessionId: string): Promise<void> {
  try {
    await services.ephemeral.delete(ephemeralKeys.session(sessionId));
  } catch (err) {
    // It has ended here, and Redis is told when it is back; until then other instances go by the signature.
    if (!(err instanceof EphemeralUnavailableError)) throw err;
  }
}

type Claims = Omit<SessionClaims, 'marks'>;

/**
 * What tokens were found to say, by their hash and by the key that verified them: a signature that was good once stays so, and
 * verifying it costs more than the rest of a cached answer. Whether the session still counts is asked every time.
 */
const verified = new WeakMap<Uint8Array, LRUCache<string, Claims>>();
const MAX_VERIFIED = 10_000;

async function claimsOf(
  { sessionKey, clock }: SessionServices,
  token: string,
): Promise<Claims | null> {
  const known = verified.get(sessionKey) ?? new LRUCache<string, Claims>({ max: MAX_VERIFIED });
  verified.set(sessionKey, known);
  const hash = hashToken(token);
  const before = known.get(hash);
  if (before) return before.expiresAt > clock.now() ? before : null;
  try {
    const { payload } = await jwtVerify(token, sessionKey, {
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
    };
    known.set(hash, claims);
    return claims;
  } catch {
    return null;
  }
}

/** The session that a token speaks for, or null when it is forged, expired or ended. `types`: whose generations to bring along. */
export async function verifySession(
  services: SessionServices,
  token: string,
  types: readonly string[],
): Promise<SessionClaims | null> {
  const claims = await claimsOf(services, token);
  if (!claims) return null;
  try {
    const key = ephemeralKeys.session(claims.sessionId);
    const { marks, values } = await services.generations.read(types, [key]);
    return values[0] === null ? null : { ...claims, marks };
  } catch (err) {
    if (!(err instanceof EphemeralUnavailableError)) throw err;
    return withoutMarks(services, claims);
  }
}

/** While Redis is away: what ended here has ended, whatever the signature says. */
async function withoutMarks(
  { ephemeral }: SessionServices,
  claims: Claims,
): Promise<SessionClaims | null> {
  try {
    const record = await ephemeral.get(ephemeralKeys.session(claims.sessionId));
    return record === null ? null : { ...claims, marks: null };
  } catch (err) {
    if (!(err instanceof EphemeralUnavailableError)) throw err;
    return { ...claims, marks: null };
  }
}
