/**
 * How long a query or mutation may run: until its client has gone or `server.request_timeout` has passed; a transaction that has
 * not committed by then is rolled back, and what PostgreSQL is still at is cancelled. A stop of the server lets it finish. What ends subscriptions, see use-subscription-end.
 */
import type { Plugin } from 'graphql-yoga';
import type { Config } from '../../config/model.js';
import { whileWanted } from '../../data/cancel.js';
import { UnavailableError } from '../../errors.js';
import type { GraphQLContext } from '../../graphql/builder.js';
import { linkSignals } from '../link-signals.js';

/** The executor takes a signal that its types do not mention. */
interface Abortable {
  signal?: AbortSignal;
}
const TOO_LATE =
  'The request took too long and was given up. Try again, with the same idempotency key.';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function useDeadline({ server }: Pick<Config, 'server'>): Plugin<GraphQLContext> {
  return {
    onExecute({ args, executeFn, setExecuteFn }) {
      const context = args.contextValue as Mutable<GraphQLContext>;
      const linked = linkSignals([context.signal]);
      // Not a DOMException: the library answers those with an empty list of errors.
      const late = () => linked.abort(new UnavailableError(TOO_LATE));
      const timer = setTimeout(late, server.requestTimeoutMs);
      context.signal = linked.signal;
      (args as Abortable).signal = linked.signal;
      setExecuteFn(((given) =>
        whileWanted(linked.signal, () => executeFn(given))) as typeof executeFn);
      return {
        onExecuteDone() {
          clearTimeout(timer);
          linked.unlink();
        },
      };
    },
  };
}
