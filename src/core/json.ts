/** JSON of what the database holds: bigints as decimal strings, dates as ISO 8601, keys in a stable order. */

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

export function toJson(value: unknown): Json {
  if (value === null || value === undefined) return null;
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(toJson);
  if (value instanceof Map) return toJson(Object.fromEntries(value));
  if (typeof value === 'object') {
    const entries = Object.entries(value)
      .filter(([, v]) => v !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return Object.fromEntries(entries.map(([k, v]) => [k, toJson(v)]));
  }
  return value as Json;
}

/** The same text for the same value, however its keys were ordered. */
export function stableStringify(value: unknown): string {
  return JSON.stringify(toJson(value));
}
