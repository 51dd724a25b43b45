/** What becomes of a credential while something lasts that it began: a subscription, a socket. */
import type { Session } from './request.js';

/** How often a session is asked for again, beside when a hint says so: hints can be lost. */
const RECHECK_MS = 5_000;
/** A timer cannot wait for longer: it would not wait at all. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export type Fate = 'over' | 'changed';

/**
 * Calls `end` when one of these has become of the session: somebody signed out, or lost the account or a role. Returns how to stop watching.
 */
export function watchSession(
  session: Session | null,
  what: readonly Fate[],
  end: (fate: Fate) => void,
): () => void {
  if (!session) return () => {};
  const { expiresAt } = session;
  let expiry: NodeJS.Timeout | undefined;
  const awaitExpiry = (at: number): void => {
    const left = at - Date.now();
    if (left <= 0) end('over');
    else expiry = setTimeout(() => awaitExpiry(at), Math.min(left, MAX_TIMER_MS)).unref();
  };
  // Not at once: whoever asks gets the way to stop first.
  if (expiresAt) expiry = setTimeout(() => awaitExpiry(expiresAt.getTime()), 0).unref();
  const check = (): void => {
    session.check().then(
      (now) => {
        if (now !== 'same' && what.includes(now)) end(now);
      },
      () => {}, // the database does not answer: that says nothing about the session
    );
  };
  const recheck = setInterval(check, RECHECK_MS).unref();
  const stopListening = session.onHint(check);
  return () => {
    stopListening();
    clearTimeout(expiry);
    clearInterval(recheck);
  };
}
