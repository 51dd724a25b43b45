/** Validation errors say what is wrong, not which names the schema has instead. (Other errors pass the masker.) */
import type { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { withoutSuggestion } from '../errors.js';

export function useNoSuggestions(): Plugin {
  return {
    onValidate:
      () =>
      ({ valid, result, setResult }) => {
        if (!valid) setResult((result as readonly GraphQLError[]).map(withoutSuggestion));
      },
  };
}
