/** What users are called, what a password must be, and how long to wait after attempts that failed. Pure. */
import { z } from 'zod';

export const MIN_PASSWORD = 12;
const MAX_PASSWORD = 1024;

export const username = z
  .string()
  .regex(
    /^[a-z][a-z0-9._-]{0,62}$/,
    'must begin with a lower-case letter and go on with at most 62 of a-z, 0-9, ".", "_", "-"',
  );

/** Kept in lower case, so that uniqueness ignores case. */
export const email = z
  .string()
  .max(254)
  .regex(/^[^\s@]+@[^\s@]+$/, 'must be an e-mail address')
  .transform((text) => text.toLowerCase());

/** Length counts, not composition: rules of composition make passwords worse. Whether it is easy to guess: see guessable.ts. */
export const newPassword = z
  .string()
  .min(MIN_PASSWORD, `must have at least ${MIN_PASSWORD} characters`)
  .max(MAX_PASSWORD, 'must have at most 1,024 characters');

/** One that is to be compared. */
export const givenPassword = z.string().max(MAX_PASSWORD, 'must have at most 1,024 characters');

/** A hash is no part of what happened: it is neither audited nor answered. */
export function shown<T extends { readonly passwordHash: string }>({
  passwordHash: _,
  ...user
}: T): Omit<T, 'passwordHash'> {
  return user;
}

/** How attempts are slowed down: so many are free, then each waits twice as long as the one before it. */
export interface Pace {
  readonly free: number;
  readonly firstMs: number;
  readonly longestMs: number;
}

/** One account from one network. */
export const PAIR: Pace = { free: 5, firstMs: 1_000, longestMs: 15 * 60_000 };
/** The same while many networks try the account: a network that never got in has one attempt, and its owner needs no more. */
export const PAIR_UNDER_ATTACK: Pace = { free: 1, firstMs: 30_000, longestMs: 15 * 60_000 };
/** Failures on one account, from networks that never got in, that are called an attack. */
export const ATTACK = 20;
/** All accounts from one network that never got into the one it tries. Short, for many people may be behind one address. */
export const NETWORK: Pace = { free: 30, firstMs: 500, longestMs: 5_000 };

/** How long to wait between this attempt, the `count`th within the hour, and the next one; 0: not at all. */
export function waitMs(count: number, { free, firstMs, longestMs }: Pace): number {
  if (count <= free) return 0;
  return Math.min(firstMs * 2 ** Math.min(count - free - 1, 30), longestMs);
}
