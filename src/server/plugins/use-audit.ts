/** Audits mutations that are refused before a command hears of them; what a command hears of, it audits itself. */
import type { ExecutionResult } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { GraphQLContext } from '../../graphql/builder.js';
import { auditUnheard } from '../refused.js';

export function useAudit(): Plugin<GraphQLContext> {
  return {
    onExecute({ args }) {
      return {
        onExecuteDone({ result }) {
          const { errors = [] } = result as ExecutionResult;
          if (errors.length > 0) auditUnheard(args, args.contextValue, errors);
        },
      };
    },
  };
}
