/** What PostgreSQL cannot keep as it was sent: NUL characters and lone surrogates. */

/**
 * The path to the first unclean string in `value` (strings, arrays and plain objects, keys included), or null.
 * NUL is refused by PostgreSQL; a lone surrogate would silently be stored as another character.
 */
export function findUncleanText(
  value: unknown,
  path: readonly string[] = [],
): readonly string[] | null {
  if (typeof value === 'string') {
    return value.includes('\0') || !isWellFormed(value) ? path : null;
  }
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, item] of Object.entries(value)) {
    if (findUncleanText(key) !== null) return path;
    const found = findUncleanText(item, [...path, key]);
    if (found) return found;
  }
  return null;
}

export const UNCLEAN_TEXT =
  'The text holds a NUL character or half of a surrogate pair, which cannot be stored.';

const LONE_SURROGATE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

function isWellFormed(text: string): boolean {
  return !LONE_SURROGATE.test(text);
}
