/**
 * Reading JSON columns: one table of zod types serves the strict input of a command and the tolerant reading here.
 * Rows outlive releases, so a part that is absent or has another shape reads as null and never fails a query. Pure.
 */
import type { z } from 'zod';

export type Shape = Readonly<Record<string, z.ZodType>>;

/** The values of a shape, each null when the column does not hold it. */
export type Part<S extends Shape> = { readonly [K in keyof S]: z.output<S[K]> | null };

/** The fields of `shape` in `json`, whatever `json` is. Keys that the shape does not name are left out: secrets stay behind. */
export function readPart<S extends Shape>(shape: S, json: unknown): Part<S> {
  const values = Object.entries(shape).map(([key, type]) => {
    const parsed = type.safeParse(readKey(json, key));
    return [key, parsed.success ? (parsed.data ?? null) : null];
  });
  return Object.fromEntries(values) as Part<S>;
}

/** One key of a JSON object; undefined when `json` is no object or does not have it. */
export function readKey(json: unknown, key: string): unknown {
  if (typeof json !== 'object' || json === null || !Object.hasOwn(json, key)) return undefined;
  return (json as Record<string, unknown>)[key];
}
