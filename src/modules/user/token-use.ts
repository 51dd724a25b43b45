/** When a token was used last: written at most once a minute for each token, and nobody waits for it. */
import { LRUCache } from 'lru-cache';
import type { Services } from '../../core/context.js';

const EVERY_MS = 60_000;
const MAX_REMEMBERED = 10_000;

/**
 * One small statement, which makes no kept answer stale (unseen: see data/writes.ts; what shows the column is not cacheable).
 * Of several instances the first writes: the condition stands in the statement.
 */
export function useRecorder({ data, clock, log }: Services): (tokenId: string) => void {
  const recorded = new LRUCache<string, number>({ max: MAX_REMEMBERED });
  return (tokenId) => {
    const at = clock.monotonic();
    const before = recorded.get(tokenId);
    if (before !== undefined && at - before < EVERY_MS) return;
    recorded.set(tokenId, at);
    const now = clock.now();
    const since = new Date(now.getTime() - EVERY_MS);
    data.db.$executeRaw`
      UPDATE api_tokens SET /* unseen */ last_used_at = ${now}
      WHERE id = ${tokenId}::uuid AND (last_used_at IS NULL OR last_used_at <= ${since})`.catch(
      (err: unknown) => log.debug({ err }, 'the use of a token could not be recorded'),
    );
  };
}
