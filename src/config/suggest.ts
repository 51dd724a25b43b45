/** Finds the known name that a misspelled one was probably meant to be. */

/** The nearest of `known`, or null when none is near enough to be worth saying. */
export function nearest(name: string, known: Iterable<string>): string | null {
  // A third of the letters may differ: `max_conections` is recognised, `colour` is not a `host`.
  let limit = Math.max(1, Math.floor(name.length / 3));
  let best: string | null = null;
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) > limit) continue;
    const apart = distance(name, candidate);
    if (apart <= limit) {
      best = candidate;
      limit = apart - 1;
    }
  }
  return best;
}

/** Edits between two texts: insert, delete, replace, or swap two neighbours. */
function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1];
      const swapped = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      current[column] = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
        swapped && row > 1 && column > 1 ? (beforeLast[column - 2] ?? 0) + 1 : Infinity,
      );
    }
    beforeLast = last;
    last = current;
  }
  return last[b.length] ?? 0;
}
