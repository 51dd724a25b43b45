/**
 * Slows down who tries out passwords, and locks nobody out. Attempts are counted before the password is looked at, each for itself: many in
 * one request are many. What counts is the pair of an account and a network; a network that got into the account within the last month
 * is looked at by nothing else, so that no stranger's failures keep anybody out. One that never did is slowed down further while
 * it fails with many accounts, or while many networks fail with this one. Whether there is such an account makes no difference.
 */
import { createHash } from 'node:crypto';
import { networkOf } from '../../core/client-network.js';
import type { Services } from '../../core/context.js';
import { EphemeralUnavailableError } from '../../ephemeral/errors.js';
import { ephemeralKeys, ephemeralTtlMs } from '../../ephemeral/keys.js';
import { TooManyAttemptsError } from '../../errors.js';
import { ATTACK, NETWORK, PAIR, PAIR_UNDER_ATTACK, type Pace, waitMs } from './rules.js';

type ThrottleServices = Pick<Services, 'ephemeral' | 'log'>;

export interface Attempt {
  /** The password was right: what failed before it is forgotten. */
  succeeded(): Promise<void>;
  /** It was not even looked at. */
  withdraw(): Promise<void>;
}

/** @param address null: not known, as when the app is embedded. Throws TooManyAttemptsError. */
export async function beginAttempt(
  { ephemeral, log }: ThrottleServices,
  username: string,
  address: string | null,
): Promise<Attempt> {
  const account = digest(username.toLowerCase());
  const place = address === null ? 'unknown' : networkOf(address);
  const pair = digest(`${account} ${place}`);
  const counted = new Map<string, number>();

  async function count(of: string): Promise<number> {
    const { count } = await ephemeral.count(
      ephemeralKeys.signInLimit(of),
      ephemeralTtlMs.signInLimit,
    );
    counted.set(of, count);
    return count;
  }

  /** Takes back what was counted; `all` of it where it is not of this attempt alone. */
  async function forget(of: string, all = false): Promise<void> {
    const by = -(all ? (counted.get(of) ?? 0) : 1);
    if (by !== 0)
      await ephemeral.count(ephemeralKeys.signInLimit(of), ephemeralTtlMs.signInLimit, { by });
  }

  const withdraw = async (): Promise<void> => {
    for (const of of counted.keys()) await forget(of);
  };

  /** After the free attempts one comes through at a time: it holds the way for as long as the next one has to wait. */
  async function pass(of: string, pace: Pace): Promise<void> {
    const wait = waitMs(await count(of), pace);
    if (wait === 0) return;
    const { count: turn, remainingMs } = await ephemeral.count(
      ephemeralKeys.signInWaitLimit(of),
      wait,
    );
    if (turn === 1) return;
    await withdraw(); // refused attempts are none: who is impatient does not wait longer
    throw new TooManyAttemptsError(remainingMs);
  }

  const known = await isKnown(ephemeral, pair);
  if (!known && address !== null) await pass(`network:${place}`, NETWORK);
  const attacked = !known && (await count(`account:${account}`)) > ATTACK;
  await pass(`pair:${pair}`, attacked ? PAIR_UNDER_ATTACK : PAIR);

  return {
    withdraw,
    async succeeded() {
      for (const of of counted.keys()) await forget(of, of.startsWith('pair:'));
      if (known) return;
      await ephemeral
        .set(ephemeralKeys.signInKnown(pair), '1', ephemeralTtlMs.signInKnown)
        .catch((err: unknown) => log.warn({ err }, 'a known address could not be written down'));
    },
  };
}

/** Not while Redis is away: then everybody is a stranger. */
async function isKnown(ephemeral: Services['ephemeral'], pair: string): Promise<boolean> {
  try {
    return (await ephemeral.get(ephemeralKeys.signInKnown(pair))) !== null;
  } catch (error) {
    if (error instanceof EphemeralUnavailableError) return false;
    throw error;
  }
}

/** Names are as long as anybody likes, and none of Redis' business. */
const digest = (text: string): string =>
  createHash('sha256').update(text).digest('hex').slice(0, 32);
