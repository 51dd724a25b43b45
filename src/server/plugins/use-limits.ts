/** Bounds on what a document may cost before anything of it runs: its tokens while it is parsed, its depth when it is validated. */
import { maxDepthRule } from '@escape.tech/graphql-armor-max-depth';
import { GraphQLError, type ParseOptions } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Config } from '../../config/model.js';

type Parse = (source: never, options?: ParseOptions) => never;

export function useLimits({ limits }: Pick<Config, 'limits'>): Plugin {
  return {
    onParse({ parseFn, setParseFn }) {
      const parse = parseFn as unknown as Parse;
      setParseFn(((source: never, options?: ParseOptions) =>
        parse(source, { ...options, maxTokens: limits.maxQueryTokens })) as never);
    },
    onValidate({ addValidationRule }) {
      addValidationRule(
        maxDepthRule({
          n: limits.maxQueryDepth,
          onReject: [
            (context: { reportError(error: GraphQLError): void } | null) => {
              context?.reportError(
                new GraphQLError(`The query is nested more than ${limits.maxQueryDepth} deep.`, {
                  extensions: { code: 'QUERY_TOO_DEEP' },
                }),
              );
            },
          ],
          propagateOnRejection: false,
        } as never) as never,
      );
    },
  };
}
