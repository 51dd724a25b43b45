/**
 * What ends a subscription: its client has gone, its session has ended or has other rights by now, or the server lets all of them go.
 * But for the first the client is told "complete" instead of losing the connection; and before that, why, if it is about the client:
 * what it may ask again, and with which rights, is not the same.
 */
import type { ExecutionResult } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { UnavailableError } from '../../errors.js';
import { linkSignals } from '../link-signals.js';
import { recheckedEvents } from '../rechecked-events.js';
import { type Fate, watchSession } from '../session-watch.js';
import type { ServerContext } from '../yoga.js';

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
      let fate: Fate | null = null;
      const revoke = (found: Fate): void => {
        fate ??= found;
        life.abort(null);
      };
      const { session } = context;
      const stopWatching = watchSession(session, ['over', 'changed'], revoke);
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
        onSubscribeResult({ result, setResult }) {
          // Refused: there is no stream.
          if (!(Symbol.asyncIterator in (result as object))) return over();
          const events = result as AsyncIterableIterator<ExecutionResult>;
          const options = { ending: life.signal, fate: () => fate, revoke };
          if (session) setResult(recheckedEvents(events, { session, ...options }));
          return { onEnd: over };
        },
      };
    },
  };
}
