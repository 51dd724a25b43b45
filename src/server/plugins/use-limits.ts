/** Bounds on what a request may cost, before anything of it runs: its text while it is parsed, its objects when its variables are known. */
import { type DocumentNode, GraphQLError, type ParseOptions } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Config } from '../../config/model.js';
import type { RequestErrorCode } from '../../errors.js';
import { countObjects, type Operation } from '../amount.js';
import { measureDocument } from '../document-size.js';

type Parse = (source: never, options?: ParseOptions) => DocumentNode;

/** More is not a screen but an attempt to do the same work many times in one request. */
const MAX_ALIASES = 50;
const MAX_DIRECTIVES = 50;
/** After fragments have been expanded; without fragments the limit of tokens is reached first. */
const MAX_FIELDS = 5_000;
/** Whatever walks through variables does so recursively: deeper ones would exhaust the stack. */
const MAX_VARIABLE_DEPTH = 64;
/** What one answer may hold at most, were all its pages full. */
const MAX_OBJECTS = 50_000;

export function useLimits({ limits }: Pick<Config, 'limits'>): Plugin {
  function checkDocument(document: DocumentNode): void {
    const { depth, aliases, directives, fields } = measureDocument(document);
    if (depth > limits.maxQueryDepth)
      throw tooMuch(
        `The query is nested more than ${limits.maxQueryDepth} deep.`,
        'QUERY_TOO_DEEP',
      );
    if (aliases > MAX_ALIASES)
      throw tooMuch(`The query has more than ${MAX_ALIASES} aliases. Send several queries.`);
    if (directives > MAX_DIRECTIVES)
      throw tooMuch(`The query has more than ${MAX_DIRECTIVES} directives.`);
    if (fields > MAX_FIELDS)
      throw tooMuch(
        `The query has more than ${MAX_FIELDS} fields, those of its fragments included.`,
      );
  }

  /** The refusal, or null. */
  function checkOperation(operation: Operation): GraphQLError | null {
    if (isDeeperThan(MAX_VARIABLE_DEPTH, operation.variableValues))
      return tooMuch(`The variables are nested more than ${MAX_VARIABLE_DEPTH} deep.`);
    const objects = countObjects(operation, limits);
    if (objects <= MAX_OBJECTS) return null;
    return tooMuch(
      `The query may return ${objects} objects, ${MAX_OBJECTS} at most are served. Ask for smaller pages: "first" of lists within lists multiplies.`,
    );
  }

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
      const refusal = checkOperation(args as Operation);
      if (refusal) setResultAndStopExecution({ errors: [refusal] });
    },
    onSubscribe({ args, setResultAndStopExecution }) {
      const refusal = checkOperation(args as Operation);
      if (refusal) setResultAndStopExecution({ errors: [refusal] } as never);
    },
  };
}

/** Level by level, for a recursive function would be what it is to prevent. */
function isDeeperThan(limit: number, value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; depth <= limit; depth += 1) {
    level = level.flatMap((item) =>
      typeof item === 'object' && item !== null ? Object.values(item) : [],
    );
    if (level.length === 0) return false;
  }
  return true;
}

function tooMuch(message: string, code: RequestErrorCode = 'QUERY_TOO_LARGE'): GraphQLError {
  return new GraphQLError(message, { extensions: { code, retryable: false } });
}
