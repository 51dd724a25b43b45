/** A seeded source of choices (mulberry32): the same seed makes the same choices, as far as the order of answers allows. */
export interface Random {
  /** A whole number from 0 to `count - 1`. */
  below(count: number): number;
  /** True once in `times`. */
  once(times: number): boolean;
  /** One of `items`; undefined when there are none. */
  of<T>(items: readonly T[]): T | undefined;
}

export function randomFrom(seed: number): Random {
  let state = seed;
  const below = (count: number): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % count;
  };
  return {
    below,
    once: (times) => below(times) === 0,
    of: (items) => items[below(items.length || 1)],
  };
}

/** MODEL_SEED repeats a run that failed, or tries new ones: `MODEL_SEED=$(date +%s)`. */
export function seeds(): number[] {
  const asked = process.env.MODEL_SEED;
  return asked ? asked.split(',').map(Number) : [20_260_504];
}

/** How many commands a seed's run gives: MODEL_COMMANDS makes it longer. */
export const COMMANDS = Number(process.env.MODEL_COMMANDS ?? 200);
