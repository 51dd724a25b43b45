/** What a request says to the cache, and the answer that it gets from there. */
import type { ExecutionResult } from 'graphql';
import type { GraphQLParams } from 'graphql-yoga';

/** What the serializer takes from a result beside its data. */
export type Answer = ExecutionResult & { stringify?: (result: ExecutionResult) => string };

/** With the data as it was written down before. Whatever adds extensions later is heard. */
export function answer(text: string, extensions: Record<string, unknown>): Answer {
  return {
    extensions,
    stringify: (result) => {
      const more = result.extensions ? `,"extensions":${JSON.stringify(result.extensions)}` : '';
      return `{"data":${text}${more}}`;
    },
  };
}

/** Those of the Cache-Control header. */
export function directives(request: Request): ReadonlySet<string> {
  const header = request.headers.get('cache-control') ?? '';
  return new Set(header.split(',').map((directive) => directive.trim().toLowerCase()));
}

/** What is not well said is left to the engine, which refuses it in its own words. */
export function mayAsk(
  request: Request,
  params: GraphQLParams,
): params is GraphQLParams & { query: string } {
  const { query, operationName, variables } = params as Record<string, unknown>;
  return (
    typeof query === 'string' &&
    (operationName == null || typeof operationName === 'string') &&
    (variables == null || (typeof variables === 'object' && !Array.isArray(variables))) &&
    !request.headers.get('accept')?.includes('text/event-stream') &&
    !directives(request).has('no-store')
  );
}
