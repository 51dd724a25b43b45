/**
 * Refuses an operation that costs too much, or more than is left of its caller's minute, before anything of it runs; tells all others
 * in `extensions.cost`. An answer from the cache costs nothing and never comes here: it is bounded by the number of requests.
 */
import { type ExecutionArgs, type ExecutionResult, GraphQLError, getOperationAST } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Services } from '../../core/context.js';
import { RateLimitedError } from '../../errors.js';
import type { GraphQLContext } from '../../graphql/builder.js';
import { costOf, type Operation } from '../cost.js';
import { type Bill, charge } from '../cost-budget.js';
import { tooMuch } from './use-limits.js';
import { describeOperation } from './use-operation-metrics.js';

/** What an agent says is charged, and never refused: a node that cannot report is taken for dead. */
const REPORT = 'reportNode';

interface Verdict {
  readonly bill: Bill | null;
  readonly refusal: GraphQLError | null;
}

export function useCost(services: Services): Plugin<GraphQLContext> {
  const { config } = services;

  async function judge(args: ExecutionArgs): Promise<Verdict> {
    const { maxQueryCost, costPerMinutePrincipal } = config.limits;
    const cost = Math.max(1, costOf(args as Operation, config.limits));
    // What costs more than a whole minute could never be served, however long one waited.
    const most = Math.min(maxQueryCost, costPerMinutePrincipal || maxQueryCost);
    if (cost > most) {
      const message = `The operation costs ${cost} points, ${most} at most are served. Ask for smaller pages: "first" of lists within lists multiplies.`;
      return { bill: null, refusal: tooMuch(message) };
    }
    const { viewer } = args.contextValue as GraphQLContext;
    const charged = await charge(services, viewer, cost);
    if (!charged) return { bill: null, refusal: null };
    const { bill, granted } = charged;
    if (granted || (viewer?.role === 'AGENT' && isReport(args))) return { bill, refusal: null };
    return { bill, refusal: rateLimited(bill) };
  }

  /** The answer in the operation's place, or null. */
  async function refuse(args: ExecutionArgs): Promise<ExecutionResult | Bill | null> {
    const { bill, refusal } = await judge(args);
    if (!refusal) return bill;
    const { reportOperation } = args.contextValue as GraphQLContext;
    const known = describeOperation(args.document, args.operationName);
    reportOperation?.(known, String(refusal.extensions.code));
    return { errors: [refusal], ...(bill ? { extensions: { cost: bill } } : {}) };
  }

  return {
    async onExecute({ args, setResultAndStopExecution }) {
      const known = await refuse(args);
      if (!known) return;
      if (!isBill(known)) return void setResultAndStopExecution(known);
      return {
        onExecuteDone({ result, setResult }) {
          if (Symbol.asyncIterator in (result as object)) return;
          const plain = result as ExecutionResult;
          setResult({ ...plain, extensions: { ...plain.extensions, cost: known } });
        },
      };
    },
    async onSubscribe({ args, setResultAndStopExecution }) {
      const known = await refuse(args);
      if (known && !isBill(known)) setResultAndStopExecution(known as never);
    },
  };
}

const isBill = (known: ExecutionResult | Bill): known is Bill => 'requested' in known;

function isReport({ document, operationName }: ExecutionArgs): boolean {
  const { selections = [] } = getOperationAST(document, operationName)?.selectionSet ?? {};
  return selections.every(
    (selection) => selection.kind === 'Field' && selection.name.value === REPORT,
  );
}

/** Over HTTP with the status that says so; see use-rate-limit for the other reason to wait. */
function rateLimited({ limit, remaining, requested, resetMs }: Bill): GraphQLError {
  const may = `This costs ${requested} points, and ${remaining} of your ${limit} are left in this minute: smaller pages cost less.`;
  const error = new RateLimitedError(limit, resetMs, may);
  const headers = { 'retry-after': String(Math.ceil(resetMs / 1000)) };
  const http = { status: error.status, headers };
  return new GraphQLError(error.message, {
    extensions: { code: error.code, ...error.extensions, http },
  });
}
