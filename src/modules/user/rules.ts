/** What users are called, and what a password must be. Pure. */
import { z } from 'zod';

const MIN_PASSWORD = 12;
const MIN_DIFFERENT = 5;

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

/** Length counts, not composition: rules of composition make passwords worse. */
export const newPassword = z
  .string()
  .min(MIN_PASSWORD, `must have at least ${MIN_PASSWORD} characters`)
  .max(1024, 'must have at most 1,024 characters')
  .refine((text) => new Set(text).size >= MIN_DIFFERENT, {
    message: `must have at least ${MIN_DIFFERENT} different characters`,
  });
