/**
 * One execution among all instances: whoever begins to find an answer claims it in Redis, and the others look for what it keeps there.
 * They wait for a moment only; without Redis, or when the one who claimed it is gone, each instance finds the answer alone.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Services } from '../../core/context.js';
import { ephemeralKeys, ephemeralTtlMs } from '../../ephemeral/keys.js';
import type { Flight } from './flights.js';

/** Longer than nearly every answer takes; then asking once more costs less than waiting. */
const PATIENCE_MS = 2_000;
const PAUSE_MS = 25;

/**
 * Resolves to null for the one who is to find the answer, or to what `look` found of another's. Never rejects.
 * @param look undefined as long as there is nothing to be seen
 * @param isKept whether others will find this answer
 */
export async function claimOrFind<T>(
  { ephemeral, clock, log }: Pick<Services, 'ephemeral' | 'clock' | 'log'>,
  question: string,
  flight: Flight,
  signal: AbortSignal,
  look: () => Promise<T | undefined>,
  isKept: (data: string) => boolean,
): Promise<T | null> {
  if (ephemeral.kind !== 'redis') return null;
  const key = ephemeralKeys.flight(createHash('sha256').update(question).digest('hex'));
  const end = clock.monotonic() + PATIENCE_MS;
  try {
    while (!(await ephemeral.claim(key, '', ephemeralTtlMs.flight))) {
      const found = await look();
      if (found !== undefined) return found;
      if (signal.aborted || clock.monotonic() >= end) return null;
      await sleep(PAUSE_MS);
    }
    // What was found stays claimed for a while: who looked before it was there, and claims it now, is to look again.
    flight.landed
      .then(async (data) => {
        if (data === null || !isKept(data)) await ephemeral.delete(key);
      })
      .catch((err: unknown) => log.warn({ err }, 'other instances wait for an answer in vain'));
  } catch (err) {
    log.warn({ err }, 'other instances cannot be asked for an answer');
  }
  return null;
}
