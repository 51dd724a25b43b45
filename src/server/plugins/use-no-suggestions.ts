/** Validation errors say what is wrong, not which names the schema has instead, and that asking again does not help. (Other errors pass the masker.) */
import type { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { withoutSuggestion } from '../errors.js';

export function useNoSuggestions(): Plugin {
  return {
    onValidate:
      () =>
      ({ valid, result, setResult }) => {
        if (!valid) setResult((result as readonly GraphQLError[]).map(finished));
      },
  };
}

function finished(error: GraphQLError): GraphQLError {
  const plain = withoutSuggestion(error);
  plain.extensions.retryable ??= false;
  return plain;
}
