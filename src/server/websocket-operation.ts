/** One operation that came over a WebSocket, made ready for the engine that also serves HTTP. */
import type { DocumentNode, ExecutionArgs, GraphQLError } from 'graphql';
import type { SubscribePayload } from 'graphql-ws';
import type { OperationFacts, Services } from '../core/context.js';
import { RequestError } from '../errors.js';
import { newId } from '../ids.js';
import { codeOf } from './errors.js';
import type { PersistedOperations } from './persisted-operations.js';
import { asGraphQL } from './plugins/use-persisted-operations.js';
import { currentRequestId, logRequest } from './request.js';
import type { SocketCaller } from './websocket-caller.js';
import { contextOf, type Yoga } from './yoga.js';

/** The engine's functions travel with the arguments that they are to be called with. */
export interface Enveloped {
  readonly rootValue: {
    execute(args: ExecutionArgs): never;
    subscribe(args: ExecutionArgs): never;
  };
}

/** The arguments of the operation, or why there is none. Writes the log line when it has been run. */
export async function prepareOperation(
  services: Services,
  { yoga, persisted }: { readonly yoga: Yoga; readonly persisted: PersistedOperations | null },
  caller: SocketCaller,
  params: SubscribePayload,
): Promise<never> {
  const { clock, log } = services;
  const requestId = currentRequestId() ?? newId();
  const started = clock.monotonic();
  const report = (operation: OperationFacts, outcome: string): void =>
    logRequest(log, {
      requestId,
      transport: 'websocket',
      durationMs: clock.monotonic() - started,
      viewer: caller.viewer?.name ?? null,
      ipAddress: caller.ipAddress,
      operation,
      outcome,
    });
  /** An operation that never gets as far as to report itself. */
  const refuse = (errors: readonly GraphQLError[]): never => {
    if (errors[0]) report(UNKNOWN, codeOf(errors[0]));
    return errors as never;
  };
  const withText = (): SubscribePayload => {
    if (!persisted) return params;
    const { query, ...rest } = params;
    const text = persisted.textOf(params as object, caller.viewer?.role === 'AGENT');
    return { ...rest, query: text ?? query };
  };
  let asked: SubscribePayload;
  try {
    asked = withText();
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    return refuse([asGraphQL(error)]);
  }
  const context = contextOf(services, {
    requestId,
    viewer: caller.viewer,
    session: caller.session,
    ipAddress: caller.ipAddress,
    userAgent: caller.userAgent,
    signal: caller.gone,
    reportOperation: report,
  });
  const engine = yoga.getEnveloped({ ...context, params: asked });
  const { schema, execute, subscribe } = engine;
  let document: DocumentNode;
  try {
    document = engine.parse(asked.query);
  } catch (error) {
    return refuse([error as GraphQLError]);
  }
  const errors = engine.validate(schema, document);
  if (errors.length > 0) return refuse(errors as readonly GraphQLError[]);
  return {
    schema,
    document,
    operationName: params.operationName,
    variableValues: params.variables,
    contextValue: await engine.contextFactory(),
    rootValue: { execute, subscribe },
  } as never;
}

const UNKNOWN: OperationFacts = { type: 'unknown', name: null, field: 'unknown' };
