/** Puts the text in the place of its hash, before anybody looks at it: the cache knows texts, and the limits count for all. */
import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { RequestError } from '../../errors.js';
import type { PersistedOperations } from '../persisted-operations.js';
import { factsOf } from '../request.js';

export function usePersistedOperations(operations: PersistedOperations): Plugin {
  return {
    onParams({ request, params, setParams }) {
      const { documentId, ...rest } = params as typeof params & { documentId?: unknown };
      // Of a URL, the engine reads only what it knows.
      const inUrl =
        request.method === 'GET' ? new URL(request.url).searchParams.get('documentId') : null;
      const facts = factsOf(request);
      try {
        const isAgent = facts.authentication?.viewer.role === 'AGENT';
        const asked = { ...rest, documentId: documentId ?? inUrl ?? undefined };
        const query = operations.textOf(asked, isAgent);
        setParams({ ...rest, query } as never);
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        facts.outcome = error.code;
        throw asGraphQL(error); // not a result: the cache would still look for another one
      }
    },
  };
}

export function asGraphQL({ message, code, extensions, status }: RequestError): GraphQLError {
  return new GraphQLError(message, {
    extensions: { code, ...extensions, http: { status, spec: true } },
  });
}
