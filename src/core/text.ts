/** What cannot be kept as it was sent: NUL characters, lone surrogates, and the one key that JavaScript objects lose. */

/**
 * The path to the first unclean string in `value` (strings, arrays and plain objects, keys included), or null.
 * NUL is refused by PostgreSQL; a lone surrogate would silently be stored as another character,
 * and a key "__proto__" would silently be dropped on the way.
 */
export function findUncleanText(
  value: unknown,
  path: readonly string[] = [],
): readonly string[] | null {
  if (typeof value === 'string') {
    return value.includes('\0') || !value.isWellFormed() ? path : null;
  }
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, item] of Object.entries(value)) {
    if (key === '__proto__' || findUncleanText(key) !== null) return path;
    const found = findUncleanText(item, [...path, key]);
    if (found) return found;
  }
  return null;
}

export const UNCLEAN_TEXT =
  'The text holds a NUL character or half of a surrogate pair, or a key is "__proto__": these cannot be stored.';
