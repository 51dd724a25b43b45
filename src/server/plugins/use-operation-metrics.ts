/** Measures operations and counts subscribers. Labels come from the schema, never from the caller, so their number is bounded. */
import { type DocumentNode, type ExecutionResult, GraphQLError, getOperationAST } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { OperationFacts, Services } from '../../core/context.js';
import { RequestError, UnavailableError } from '../../errors.js';
import type { GraphQLContext } from '../../graphql/builder.js';
import { Counted } from '../counted.js';

/** The kind and first root field of an operation; validation has made sure that the field exists. */
export function describeOperation(
  document: DocumentNode,
  operationName: string | null | undefined,
): OperationFacts {
  const operation = getOperationAST(document, operationName);
  const first = operation?.selectionSet.selections[0];
  const field = first?.kind === 'Field' ? first.name.value : 'fragment';
  return {
    type: operation?.operation ?? 'unknown',
    name: operation?.name?.value.slice(0, 64) ?? null,
    field,
  };
}

/** The first error's code, or ok. Errors have not been masked yet. */
export function outcomeOf(result: unknown): string {
  const [error] = (result as ExecutionResult).errors ?? [];
  if (!error) return 'ok';
  if (error.originalError instanceof RequestError) return error.originalError.code;
  return error.originalError && !(error.originalError instanceof GraphQLError)
    ? 'INTERNAL_SERVER_ERROR'
    : 'GRAPHQL';
}

export function useOperationMetrics(services: Services): Plugin<GraphQLContext> {
  const { metrics, clock, config } = services;
  let subscribers = 0;
  const perPrincipal = new Counted();
  return {
    onExecute({ args }) {
      const started = clock.monotonic();
      const known = describeOperation(args.document, args.operationName);
      return {
        onExecuteDone({ result }) {
          const outcome = outcomeOf(result);
          metrics.requests.observe(
            { type: known.type, field: known.field, outcome },
            (clock.monotonic() - started) / 1000,
          );
          args.contextValue.reportOperation?.(known, outcome);
        },
      };
    },
    onSubscribe({ args }) {
      const known = describeOperation(args.document, args.operationName);
      if (subscribers >= config.limits.maxSubscribers) {
        throw new UnavailableError(
          'This instance serves as many subscriptions as it can. Try again later.',
          5_000,
        );
      }
      const { viewer, ipAddress } = args.contextValue;
      const most = config.limits.subscriptionsPerPrincipal;
      const giveBack = perPrincipal.take(viewer?.id ?? ipAddress ?? 'nobody', most);
      if (!giveBack) {
        const message = `You may have ${most} subscriptions at once. End one of them first.`;
        throw new RequestError('TOO_MANY_SUBSCRIPTIONS', message, 429, { retryable: false });
      }
      subscribers += 1;
      metrics.subscribers.inc({ field: known.field });
      let open = true;
      const close = (): void => {
        if (!open) return;
        open = false;
        subscribers -= 1;
        giveBack();
        metrics.subscribers.dec({ field: known.field });
      };
      return {
        onSubscribeError: close,
        onSubscribeResult({ result }) {
          args.contextValue.reportOperation?.(known, outcomeOf(result));
          if (!(Symbol.asyncIterator in (result as object))) close(); // refused: there is no stream
          return { onEnd: close };
        },
      };
    },
  };
}
