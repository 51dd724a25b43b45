/** Generations: one counter per type, raised after every commit. What was made under an older one is stale. */
import type { Ephemeral } from '../ephemeral/ephemeral.js';
import { ephemeralKeys, ephemeralTtlMs } from '../ephemeral/keys.js';

export async function bumpGenerations(
  ephemeral: Ephemeral,
  types: ReadonlySet<string>,
): Promise<void> {
  await Promise.all(
    [...types].map((type) =>
      ephemeral.increment(ephemeralKeys.generation(type), ephemeralTtlMs.generation),
    ),
  );
}
