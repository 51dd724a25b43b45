/** What is asked of a database while something is done. */
import type { Data } from '../../src/data/client.js';

/**
 * Does it several times, and returns the least that was asked. What a program asks by itself (its controllers, the change feed, the audit of what was
 * answered just now) falls into some of the tries, and not into all.
 */
export async function leastAsked(
  data: Pick<Data, 'onStatement'>,
  work: () => Promise<unknown>,
): Promise<readonly string[]> {
  let least: readonly string[] | null = null;
  for (let tries = 0; tries < 8 && least?.length !== 0; tries += 1) {
    const asked: string[] = [];
    const stop = data.onStatement((sql) => asked.push(sql));
    await work().finally(stop);
    if (!least || asked.length < least.length) least = asked;
  }
  return least ?? [];
}
