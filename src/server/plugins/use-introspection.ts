/** Who may ask for the schema: with --dev everybody; elsewhere nobody, or whoever is signed in, as `server.introspection` says. */
import { type DocumentNode, GraphQLError, visit } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Config } from '../../config/model.js';
import type { RequestErrorCode } from '../../errors.js';
import type { GraphQLContext } from '../../graphql/builder.js';

/** Not a rule of validation: its verdicts are remembered by the document alone, whoever asks. */
export function useIntrospection({
  mode,
  server,
}: Pick<Config, 'mode' | 'server'>): Plugin<GraphQLContext> {
  const known = new WeakMap<DocumentNode, boolean>();
  const introspects = (document: DocumentNode): boolean => {
    let found = known.get(document);
    if (found === undefined) {
      found = asksForSchema(document);
      known.set(document, found);
    }
    return found;
  };
  const mayAsk = ({ viewer }: GraphQLContext): boolean => {
    if (server.introspection === 'off') return false;
    return mode === 'dev' || (server.introspection === 'on' && viewer !== null);
  };
  return {
    onExecute({ args, setResultAndStopExecution }) {
      if (!introspects(args.document) || mayAsk(args.contextValue)) return;
      setResultAndStopExecution({ errors: [refusal()] });
    },
  };
}

/** Also under another name, and within fragments. */
function asksForSchema(document: DocumentNode): boolean {
  let found = false;
  visit(document, {
    Field({ name }) {
      found ||= name.value === '__schema' || name.value === '__type';
    },
  });
  return found;
}

function refusal(): GraphQLError {
  const code: RequestErrorCode = 'INTROSPECTION_DISABLED';
  return new GraphQLError('This server does not tell its schema. It is in the documentation.', {
    extensions: { code, retryable: false },
  });
}
