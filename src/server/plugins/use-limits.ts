/** Bounds on a request, before anything of it runs: its text while it is parsed, its values when they are there. What it costs: use-cost. */
import { type DocumentNode, GraphQLError, type ParseOptions } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Config } from '../../config/model.js';
import type { RequestErrorCode } from '../../errors.js';
import { measureDocument } from '../document-size.js';
import { findTooLarge, findTooLargeLiteral } from '../value-size.js';

type Parse = (source: never, options?: ParseOptions) => DocumentNode;

export function useLimits({ limits }: Pick<Config, 'limits'>): Plugin {
  function checkDocument(document: DocumentNode): void {
    const { depth, aliases, directives, fields } = measureDocument(document);
    const { maxQueryDepth, maxQueryAliases, maxQueryDirectives, maxQueryFields } = limits;
    if (depth > maxQueryDepth)
      throw tooMuch(`The query is nested more than ${maxQueryDepth} deep.`, 'QUERY_TOO_DEEP');
    if (aliases > maxQueryAliases)
      throw tooMuch(`The query has more than ${maxQueryAliases} aliases. Send several queries.`);
    if (directives > maxQueryDirectives)
      throw tooMuch(`The query has more than ${maxQueryDirectives} directives.`);
    if (fields > maxQueryFields)
      throw tooMuch(
        `The query has more than ${maxQueryFields} fields, those of its fragments included.`,
      );
    const literal = findTooLargeLiteral(document, limits);
    if (literal) throw tooMuch(literal);
  }

  /** The refusal, or null. */
  const checkVariables = (variables: unknown): GraphQLError | null => {
    const fault = findTooLarge(variables, limits);
    return fault === null ? null : tooMuch(fault);
  };

  return {
    onParse({ parseFn, setParseFn }) {
      const parse = parseFn as unknown as Parse;
      setParseFn(((source: never, options?: ParseOptions) => {
        const document = parse(source, { ...options, maxTokens: limits.maxQueryTokens });
        checkDocument(document);
        return document;
      }) as never);
    },
    onExecute({ args, setResultAndStopExecution }) {
      const refusal = checkVariables(args.variableValues);
      if (refusal) setResultAndStopExecution({ errors: [refusal] });
    },
    onSubscribe({ args, setResultAndStopExecution }) {
      const refusal = checkVariables(args.variableValues);
      if (refusal) setResultAndStopExecution({ errors: [refusal] } as never);
    },
  };
}

export function tooMuch(message: string, code: RequestErrorCode = 'QUERY_TOO_LARGE'): GraphQLError {
  return new GraphQLError(message, { extensions: { code, retryable: false } });
}
