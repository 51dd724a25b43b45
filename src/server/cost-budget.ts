/**
 * What a caller may spend in a minute, in the points of cost.ts: counted for a user or an agent, wherever they ask from, by all instances
 * together through Redis, by each for itself without it. An operation that does not fit into what is left takes nothing of it, so that
 * smaller ones still go on.
 */
import type { Viewer } from '../core/authz.js';
import type { Services } from '../core/context.js';
import { ephemeralKeys, ephemeralTtlMs } from '../ephemeral/keys.js';

/** As it stands in `extensions.cost`. */
export interface Bill {
  readonly requested: number;
  readonly limit: number;
  readonly remaining: number;
  /** Until the minute is over. */
  readonly resetMs: number;
}

export interface Charge {
  readonly bill: Bill;
  readonly granted: boolean;
}

/** Null: no limit applies. Callers without a name have the limit of requests of their address, and can ask for little. */
export async function charge(
  { config, ephemeral, metrics }: Pick<Services, 'config' | 'ephemeral' | 'metrics'>,
  viewer: Viewer | null,
  requested: number,
): Promise<Charge | null> {
  const limit = config.limits.costPerMinutePrincipal;
  if (limit === 0 || viewer === null) return null;
  const key = ephemeralKeys.costLimit(viewer.id);
  const spending = { by: requested, most: limit };
  const { count, remainingMs, granted } = await ephemeral.count(
    key,
    ephemeralTtlMs.rateLimit,
    spending,
  );
  if (!granted) metrics.rateLimited.inc({ kind: 'cost' });
  const remaining = Math.max(0, limit - count);
  return { bill: { requested, limit, remaining, resetMs: remainingMs }, granted };
}
