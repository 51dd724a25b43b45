/** The vocabulary of inputs: zod pieces that every command's input is made of. */

import { isIP } from 'node:net';
import { z } from 'zod';
import { withArticle } from '../errors.js';
import { decodeGlobalId } from '../ids.js';

/** An API id of the given type; comes out as the row's UUID. */
export function idOf(type: string) {
  return z.string().transform((value, context) => {
    const decoded = decodeGlobalId(value);
    if (decoded?.type === type) return decoded.id;
    context.addIssue({
      code: 'custom',
      message: decoded
        ? `This is the id of ${withArticle(decoded.type)}; the id of ${withArticle(type)} is needed.`
        : `This is not an id of this API. Use the "id" field of ${withArticle(type)}.`,
    });
    return z.NEVER;
  });
}

const NAME_RULE =
  'must begin with a lower-case letter and go on with at most 62 lower-case letters, digits or hyphens';

export const name = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, NAME_RULE);
export const description = z.string().max(1000, 'must have at most 1,000 characters');
export const version = z.number().int().min(1).nullish();

const LABEL_KEY = /^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$/;

/** Labels that one object may have. */
export const MAX_LABELS = 50;

/** Up to 50 labels: key up to 63 characters, value up to 255. */
export const labels = z
  .record(z.string(), z.string().max(255, 'must have at most 255 characters'))
  .superRefine((value, context) => {
    const keys = Object.keys(value);
    if (keys.length > MAX_LABELS)
      context.addIssue({ code: 'custom', message: `at most ${MAX_LABELS} labels` });
    for (const key of keys) {
      if (LABEL_KEY.test(key)) continue;
      context.addIssue({
        code: 'custom',
        path: [key.slice(0, 63)],
        message:
          'a label key has 1 to 63 letters, digits, ".", "_", "/" or "-", and begins and ends with a letter or digit',
      });
    }
  });

const HOSTNAME =
  /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;
export const hostname = z
  .string()
  .regex(HOSTNAME, 'must be a host name of RFC 1123, in lower case');

export const ipAddress = z
  .string()
  .refine((value) => isIP(value) !== 0, 'must be an IPv4 or IPv6 address');

/** A field that may be left out; null is the same as leaving it out. */
export function optional<S extends z.ZodType>(schema: S) {
  return schema
    .nullish()
    .transform((value) => value ?? undefined)
    .optional();
}

/** Only the keys that the caller sent: an absent field is left alone, null clears where null is a value. */
export function present<T extends object>(
  value: T,
): Partial<{ [K in keyof T]: Exclude<T[K], undefined> }> {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as never;
}
