/**
 * The events of a subscription, each held back until its credential was found to have the rights with which the event was made.
 * Hints of revocations can be late or lost; what is asked here is what the next request would be asked.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type ExecutionResult, GraphQLError } from 'graphql';
import { type RequestError, RightsChangedError, SubscriptionRevokedError } from '../errors.js';
import type { Session } from './request.js';
import type { Fate } from './session-watch.js';

/** When the answer cannot be had: until then nothing is pushed, and nothing is left out. */
const ASK_AGAIN_MS = 500;

export interface RecheckOptions {
  readonly session: Session;
  /** Aborted: the subscription ends, whatever the reason. */
  readonly ending: AbortSignal;
  /** What became of the credential, if that is why it ends. */
  readonly fate: () => Fate | null;
  /** Says so, and ends the subscription. */
  readonly revoke: (fate: Fate) => void;
}

export function recheckedEvents(
  source: AsyncIterableIterator<ExecutionResult>,
  { session, ending, fate, revoke }: RecheckOptions,
): AsyncIterableIterator<ExecutionResult> {
  let over = false;

  /** Asked after the event was made: what was taken before that is known by then, on whichever instance. */
  async function mayBeTold(): Promise<boolean> {
    while (fate() === null) {
      try {
        const now = await session.check();
        if (now === 'same') return fate() === null;
        revoke(now);
      } catch {
        if (ending.aborted) return false;
        await sleep(ASK_AGAIN_MS, undefined, { signal: ending }).catch(() => undefined);
      }
    }
    return false;
  }

  // No generator: it could not be told to return while it waits for the source.
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      if (over) return { done: true, value: undefined };
      const step = await source.next();
      if (!step.done && (await mayBeTold())) return step;
      over = true;
      if (!step.done) await source.return?.();
      const why = fate();
      return why ? { done: false, value: farewell(why) } : { done: true, value: undefined };
    },
    async return() {
      over = true;
      await source.return?.();
      return { done: true, value: undefined };
    },
    async throw(error) {
      over = true;
      await source.return?.();
      throw error;
    },
  };
}

/** The last message of a subscription that was taken away; who is let go by the server hears nothing but "complete". */
function farewell(fate: Fate): ExecutionResult {
  const error: RequestError =
    fate === 'over' ? new SubscriptionRevokedError() : new RightsChangedError();
  const { code, extensions, message } = error;
  const options = { originalError: error, extensions: { code, ...extensions } };
  return { errors: [new GraphQLError(message, options)] };
}
