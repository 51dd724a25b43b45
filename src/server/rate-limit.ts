/**
 * Who may ask now. Whoever is signed in is counted for themselves, so that people behind one address do not starve each other; all others by
 * their address, and credentials that nobody has proven yet by their address too, but apart: a crowd that shows none does not keep anybody
 * from signing in, and trying out tokens costs no more than the limit. Fixed windows of a minute, shared by all instances through Redis,
 * local without it.
 */
import { LRUCache } from 'lru-cache';
import { networkOf } from '../core/client-network.js';
import type { Services } from '../core/context.js';
import { hashToken } from '../core/tokens.js';
import { ephemeralKeys, ephemeralTtlMs } from '../ephemeral/keys.js';
import { RateLimitedError } from '../errors.js';
import { isUuid, newId } from '../ids.js';

/** What is left of a caller's minute. */
export interface Admission {
  readonly limit: number;
  /** 0 when it is refused, and when it was the last. */
  readonly remaining: number;
  /** Until the minute is over. */
  readonly resetMs: number;
  readonly refused: boolean;
}

/** Whom a count is about, as far as it is known. */
interface Asking {
  readonly address: string | null;
  readonly principal: string | null;
}

/** A token that is not used for so long has to be proven again; one that is revoked, at its next use. */
const PROVEN_MS = 10 * 60_000;
const MAX_PROVEN = 10_000;

const KEYS = { address: ephemeralKeys.rateLimit, credential: ephemeralKeys.credentialLimit };

export class RateLimiter {
  /** Whose token it is, by its hash, for tokens that counted lately. */
  readonly #proven = new LRUCache<string, string>({
    max: MAX_PROVEN,
    ttl: PROVEN_MS,
    updateAgeOnGet: true,
  });

  constructor(
    private readonly services: Pick<
      Services,
      'config' | 'ephemeral' | 'metrics' | 'audit' | 'clock'
    >,
  ) {}

  /**
   * Before the caller is known: nothing is read from the database. A token that nobody has proven here counts against the address.
   * Null: no limit applies.
   */
  admit(address: string | null, token: string | null): Promise<Admission | null> {
    if (token === null) return this.#countAddress(address, 'address');
    const principal = this.#proven.get(hashToken(token));
    if (principal === undefined) return this.#countAddress(address, 'credential');
    return this.#countPrincipal(principal);
  }

  /** Once it is known whose the token is; null: nobody's. What counts from now on, or null: what `admit` said. */
  async settle(
    address: string | null,
    token: string,
    principal: string | null,
  ): Promise<Admission | null> {
    const hash = hashToken(token);
    const known = this.#proven.get(hash);
    if (principal === null) {
      if (known === undefined) return null;
      this.#proven.delete(hash);
      return this.#countAddress(address, 'credential');
    }
    this.#proven.set(hash, principal);
    return known === undefined ? this.#countPrincipal(principal) : null;
  }

  /** @param address null: not known, as when the app is embedded */
  async #countAddress(address: string | null, kind: 'address' | 'credential') {
    if (address === null) return null;
    const { requestsPerMinuteAddress } = this.services.config.limits;
    const key = KEYS[kind](networkOf(address));
    return this.#count(kind, key, requestsPerMinuteAddress, { address, principal: null });
  }

  async #countPrincipal(id: string): Promise<Admission | null> {
    const { requestsPerMinutePrincipal } = this.services.config.limits;
    const key = ephemeralKeys.principalLimit(id);
    return this.#count('principal', key, requestsPerMinutePrincipal, {
      address: null,
      principal: id,
    });
  }

  async #count(kind: string, key: string, limit: number, who: Asking): Promise<Admission | null> {
    if (limit === 0) return null;
    const { ephemeral, metrics } = this.services;
    const { count, remainingMs } = await ephemeral.count(key, ephemeralTtlMs.rateLimit);
    const refused = count > limit;
    if (refused) {
      metrics.rateLimited.inc({ kind });
      this.#audit(kind, key, limit, who);
    }
    return { limit, remaining: Math.max(0, limit - count), resetMs: remainingMs, refused };
  }

  /** One entry a minute: nothing of what was refused is read, so it is not known what it was. */
  #audit(kind: string, key: string, limit: number, { address, principal }: Asking): void {
    const { audit, clock } = this.services;
    const isRow = principal !== null && isUuid(principal);
    audit.tally(`limit ${key}`, {
      ...{ id: newId(), createdAt: clock.now(), status: 'DENIED', action: 'request.limit' },
      ...{ resourceType: 'Request', resourceName: kind, ipAddress: address },
      username: principal ?? 'anonymous',
      actorId: isRow ? principal : null,
      details: {
        error: { code: 'RATE_LIMITED', message: `More than ${limit} requests a minute.` },
      },
    });
  }
}

/** Throws RateLimitedError for a caller who has to wait. */
export function requireAdmission(admission: Admission | null): void {
  if (admission?.refused) throw new RateLimitedError(admission.limit, admission.resetMs);
}
