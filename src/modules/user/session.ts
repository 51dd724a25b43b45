/**
 * Sessions. That one exists, its row says: deleting the row ends it, on every instance and for good, also while Redis is away
 * (authenticate.ts reads it, and hears of its end). When it was seen last, its ephemeral record says, and that record goes with
 * what goes: a session that nobody used for `auth.session_idle_timeout` has none any more. Without Redis, idle time is not told.
 */
import { LRUCache } from 'lru-cache';
import type { Services } from '../../core/context.js';
import { EphemeralUnavailableError } from '../../ephemeral/errors.js';
import { ephemeralKeys } from '../../ephemeral/keys.js';
import { claimsOf, type SessionClaims } from './session-token.js';

type SessionServices = Pick<
  Services,
  'config' | 'sessionKeys' | 'ephemeral' | 'generations' | 'clock' | 'log'
>;

/** What the ephemeral store keeps of a session. Milliseconds since 1970. */
interface SessionRecord {
  readonly userId: string;
  readonly createdAt: number;
  readonly lastSeenAt: number;
}

export interface LiveSession extends SessionClaims {
  /** The generations of the types that were asked for; null when they are not to be had. */
  readonly marks: readonly string[] | null;
}

/** That a session is used is written down at most so often. */
const SEEN_MS = 60_000;

const idleMs = ({ config }: Pick<Services, 'config'>): number =>
  Math.min(config.auth.sessionIdleTimeoutMs, config.auth.sessionTtlMs);

const intervalMs = (services: Pick<Services, 'config'>): number =>
  Math.min(SEEN_MS, idleMs(services) / 10);

/** Makes a session whose row was written one that counts. */
export function openSession(
  services: SessionServices,
  sessionId: string,
  userId: string,
): Promise<void> {
  const now = services.clock.now().getTime();
  return write(services, sessionId, { userId, createdAt: now, lastSeenAt: now });
}

/** Kept for a little longer than it counts: when it was seen is written late. */
function write(services: SessionServices, id: string, record: SessionRecord): Promise<void> {
  const ttl = idleMs(services) + intervalMs(services);
  return services.ephemeral.set(ephemeralKeys.session(id), JSON.stringify(record), ttl);
}

/** To follow the end of their rows, which alone decides: where this fails, the records are of sessions that there are not. */
export async function forgetSessions(
  { ephemeral }: Pick<Services, 'ephemeral'>,
  ids: readonly string[],
): Promise<void> {
  for (const id of ids) {
    try {
      await ephemeral.delete(ephemeralKeys.session(id));
    } catch (err) {
      // Redis is told when it is back.
      if (!(err instanceof EphemeralUnavailableError)) throw err;
    }
  }
}

/** The session that a token speaks for, or null when it is forged, expired or idle. Its row is not looked at. `types`: whose generations to bring along. */
export async function verifySession(
  services: SessionServices,
  token: string,
  types: readonly string[],
): Promise<LiveSession | null> {
  const claims = await claimsOf(services, token);
  if (!claims) return null;
  const key = ephemeralKeys.session(claims.sessionId);
  try {
    const { marks, values } = await services.generations.read(types, [key]);
    const record = liveRecord(services, values[0] ?? null);
    if (!record) return null;
    noteUse(services, claims.sessionId, record);
    return { ...claims, marks };
  } catch (err) {
    if (!(err instanceof EphemeralUnavailableError)) throw err;
    return withoutMarks(services, claims);
  }
}

/** While Redis is away: what ended here has ended; of all others the row decides. */
async function withoutMarks(
  { ephemeral }: SessionServices,
  claims: SessionClaims,
): Promise<LiveSession | null> {
  try {
    const record = await ephemeral.get(ephemeralKeys.session(claims.sessionId));
    return record === null ? null : { ...claims, marks: null };
  } catch (err) {
    if (!(err instanceof EphemeralUnavailableError)) throw err;
    return { ...claims, marks: null };
  }
}

function liveRecord(services: SessionServices, text: string | null): SessionRecord | null {
  const record = readRecord(text);
  if (!record) return null;
  return services.clock.now().getTime() - record.lastSeenAt < idleMs(services) ? record : null;
}

/** Null for what is none. */
function readRecord(text: string | null): SessionRecord | null {
  if (text === null) return null;
  try {
    const record = JSON.parse(text) as Partial<SessionRecord> | null;
    return typeof record?.lastSeenAt === 'number' ? (record as SessionRecord) : null;
  } catch {
    return null;
  }
}

/** When this process wrote that a session is used: requests come in crowds, and the first is to write for all. */
const noted = new LRUCache<string, number>({ max: 10_000 });

function noteUse(services: SessionServices, id: string, record: SessionRecord): void {
  const now = services.clock.now().getTime();
  const seen = Math.max(record.lastSeenAt, noted.get(id) ?? 0);
  if (now - seen < intervalMs(services) || services.ephemeral.degraded) return;
  noted.set(id, now);
  write(services, id, { ...record, lastSeenAt: now }).catch((err: unknown) =>
    services.log.warn({ err }, 'that a session is used could not be written down'),
  );
}

/** When each was seen last, to the minute; null where it is not known: Redis is away, or the session was idle for too long. */
export async function lastSeen(
  services: SessionServices,
  ids: readonly string[],
): Promise<(Date | null)[]> {
  const texts = await services.ephemeral.getMany(ids.map((id) => ephemeralKeys.session(id)));
  return texts.map((text) => {
    const record = liveRecord(services, text);
    return record && new Date(record.lastSeenAt);
  });
}
