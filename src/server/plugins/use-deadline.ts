/**
 * How long an operation may run. Queries and mutations end when the client has gone or `server.request_timeout` has passed;
 * a transaction that has not committed by then is rolled back. Subscriptions end when the client or the server goes.
 */
import type { Plugin } from 'graphql-yoga';
import type { Config } from '../../config/model.js';
import type { GraphQLContext } from '../../graphql/builder.js';

/** The executor takes a signal that its types do not mention. */
interface Abortable {
  signal?: AbortSignal;
}
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function useDeadline(
  { server }: Pick<Config, 'server'>,
  shutdown: AbortSignal,
): Plugin<GraphQLContext> {
  return {
    onExecute({ args }) {
      const context = args.contextValue as Mutable<GraphQLContext>;
      const deadline = new AbortController();
      const late = (): void =>
        deadline.abort(new DOMException('The deadline has passed', 'TimeoutError'));
      const timer = setTimeout(late, server.requestTimeoutMs);
      context.signal = AbortSignal.any([context.signal, deadline.signal]);
      (args as Abortable).signal = context.signal;
      return { onExecuteDone: () => clearTimeout(timer) };
    },
    onSubscribe({ args }) {
      const context = args.contextValue as Mutable<GraphQLContext>;
      context.signal = AbortSignal.any([context.signal, shutdown]);
      (args as Abortable).signal = context.signal;
    },
  };
}
