/**
 * Durations and byte sizes as people write them: `10s`, `256KiB`.
 *
 * One number and one unit, no fractions and no sums (`1h30m` is `90m`), so that a value has one
 * reading. Inside the program they are integers: milliseconds and bytes.
 */

const MILLISECONDS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
const BYTES = { B: 1, KiB: 1_024, MiB: 1_048_576, GiB: 1_073_741_824 } as const;

/** Milliseconds of `500ms`, `5s`, `10m` or `24h`; null when the text is not a duration. */
export function parseDuration(text: string): number | null {
  return parse(text, /^(\d{1,16})(ms|s|m|h)$/, MILLISECONDS);
}

/** The shortest exact way to write a whole, non-negative number of milliseconds: 90000 is `90s`. */
export function formatDuration(milliseconds: number): string {
  return format(milliseconds, MILLISECONDS);
}

/** Bytes of `262144`, `512B`, `256KiB`, `4MiB` or `1GiB`; null when the text is not a size. */
export function parseBytes(text: string): number | null {
  return parse(text, /^(\d{1,16})(B|KiB|MiB|GiB)?$/, BYTES);
}

/** The shortest exact way to write a whole, non-negative number of bytes: 262144 is `256KiB`. */
export function formatBytes(bytes: number): string {
  return format(bytes, BYTES);
}

function parse(text: string, form: RegExp, units: Readonly<Record<string, number>>): number | null {
  const match = form.exec(text);
  if (!match) return null;
  const amount = Number(match[1]) * (units[match[2] ?? 'B'] ?? Number.NaN);
  // Beyond 2^53 the product would be rounded: a value nobody wrote.
  return Number.isSafeInteger(amount) ? amount : null;
}

function format(amount: number, units: Readonly<Record<string, number>>): string {
  if (!Number.isSafeInteger(amount) || amount < 0) {
    throw new RangeError(`not a whole, non-negative amount: ${amount}`);
  }
  let written = '';
  // Units are in ascending order: the last one that divides the amount is the largest.
  for (const [unit, size] of Object.entries(units)) {
    if (written === '' || (amount > 0 && amount % size === 0)) written = `${amount / size}${unit}`;
  }
  return written;
}
