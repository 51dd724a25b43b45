/**
 * What ends a subscription: its client has gone, its session has ended or has other rights by now, or the server lets all of them go.
 * But for the first it ends like one that has nothing more to say: the client is told "complete" instead of losing the connection.
 */
import type { Plugin } from 'graphql-yoga';
import { UnavailableError } from '../../errors.js';
import { linkSignals } from '../link-signals.js';
import type { Session } from '../request.js';
import type { ServerContext } from '../yoga.js';

/** How often a session is asked for again, beside when a hint says so: hints can be lost. */
const RECHECK_MS = 5_000;

/** The open subscriptions of one app, on all transports. */
export class Subscriptions {
  readonly #open = new Set<() => void>();
  #closed = false;

  /** Ends all that are open now. */
  endAll(): void {
    for (const end of [...this.#open]) end();
  }

  /** Ends all, and refuses every further one. */
  close(): void {
    this.#closed = true;
    this.endAll();
  }

  /** @returns how to forget it */
  add(end: () => void): () => void {
    if (this.#closed) throw new UnavailableError('This instance is stopping. Ask another one.');
    this.#open.add(end);
    return () => this.#open.delete(end);
  }
}

/** The executor takes a signal that its types do not mention. */
interface Abortable {
  signal?: AbortSignal;
}
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** To be the last plugin: one that refuses after it would leave the subscription on the list. */
export function useSubscriptionEnd(subscriptions: Subscriptions): Plugin<ServerContext> {
  return {
    onSubscribe({ args }) {
      const context = args.contextValue as Mutable<ServerContext>;
      const life = linkSignals([context.signal]);
      const forget = subscriptions.add(() => life.abort(null));
      const stopWatching = watchSession(context.session, ['over', 'changed'], () =>
        life.abort(null),
      );
      // The executor ends with an error when its signal is aborted, the source of the events without one.
      (args as Abortable).signal = context.signal;
      context.signal = life.signal;
      const over = (): void => {
        forget();
        stopWatching();
        life.unlink();
      };
      return {
        onSubscribeError: over,
        onSubscribeResult({ result }) {
          if (!(Symbol.asyncIterator in (result as object))) over(); // refused: there is no stream
          return { onEnd: over };
        },
      };
    },
  };
}

/**
 * Calls `end` when one of these has become of the session: somebody signed out, or lost the account or a role. Returns how to stop watching.
 */
export function watchSession(
  session: Session | null,
  what: readonly ('over' | 'changed')[],
  end: () => void,
): () => void {
  if (!session) return () => {};
  const { expiresAt } = session;
  const expiry =
    expiresAt && setTimeout(end, Math.max(0, expiresAt.getTime() - Date.now())).unref();
  const check = (): void => {
    session.check().then(
      (now) => {
        if (now !== 'same' && what.includes(now)) end();
      },
      () => {}, // the database does not answer: that says nothing about the session
    );
  };
  const recheck = setInterval(check, RECHECK_MS).unref();
  const stopListening = session.onHint(check);
  return () => {
    stopListening();
    if (expiry) clearTimeout(expiry);
    clearInterval(recheck);
  };
}
