/** Waiting for what happens soon: asked again and again until a deadline, never by a sleep that is hoped to be long enough. */
import { setTimeout as sleep } from 'node:timers/promises';

const PAUSE_MS = 5;

/**
 * The first value of `probe` that is not null, undefined or false.
 * @throws Error naming `what`, with the last value or error, after `timeoutMs`
 */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  timeoutMs = 15_000,
): Promise<Exclude<T, null | undefined | false>> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value !== null && value !== undefined && value !== false) return value as never;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() >= deadline) {
      throw new Error(`not within ${timeoutMs} ms: ${what} (last: ${String(last)})`);
    }
    await sleep(PAUSE_MS);
  }
}
