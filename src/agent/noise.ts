/**
 * Repeatable randomness for simulations: the same seed and the same moment always give the same value, so a
 * simulated datacenter can be replayed and tested. Not for secrets.
 */

/** Hashes text to an unsigned 32-bit integer, evenly spread. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return scramble(hash);
}

/** Hashes text to a fraction in [0, 1). */
export function fractionOf(text: string): number {
  return hash32(text) / 2 ** 32;
}

/**
 * A value in [0, 1) that wanders smoothly with time: about one independent value every `periodMs`, eased between.
 *
 * @param seed - an unsigned 32-bit integer, such as `hash32` gives
 */
export function wander(seed: number, atMs: number, periodMs: number): number {
  const position = atMs / periodMs;
  const index = Math.floor(position);
  const offset = position - index;
  const eased = offset * offset * (3 - 2 * offset);
  const from = latticeValue(seed, index);
  return from + (latticeValue(seed, index + 1) - from) * eased;
}

const DAY_MS = 86_400_000;

/**
 * How busy a working day is, 0 to 1: lowest at night, highest in the early afternoon (UTC).
 *
 * @param shiftMs - moves the peak later, for places and people that keep other hours
 */
export function dayCurve(atMs: number, shiftMs = 0): number {
  const fractionOfDay = (((atMs - shiftMs) % DAY_MS) + DAY_MS) / DAY_MS;
  const peakAt = 14 / 24;
  return (1 + Math.cos(2 * Math.PI * (fractionOfDay - peakAt))) / 2;
}

function latticeValue(seed: number, index: number): number {
  return scramble(seed ^ Math.imul(index | 0, 0x9e3779b1)) / 2 ** 32;
}

/** Spreads a change of any input bit over all output bits (shift-multiply rounds). */
function scramble(value: number): number {
  let mixed = value | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
