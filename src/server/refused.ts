/** Entries about what is refused before the write gate, of which no command tells: tokens that do not count, and mutations that nobody may give or that are malformed. */
import { createHmac } from 'node:crypto';
import {
  type ExecutionArgs,
  type GraphQLError,
  getOperationAST,
  Kind,
  type SelectionSetNode,
} from 'graphql';
import { decodeJwt } from 'jose';
import { type Caller, entry } from '../core/audit.js';
import type { Command } from '../core/command.js';
import type { Call, Services } from '../core/context.js';
import { auditFailure } from '../core/refusals.js';
import { kindOfToken, type TokenKind } from '../core/tokens.js';
import {
  REQUEST_ERROR_CODES,
  RequestError,
  type RequestErrorCode,
  UnauthenticatedError,
} from '../errors.js';
import { isUuid } from '../ids.js';

type Asker = Pick<Caller, 'ipAddress' | 'userAgent' | 'requestId'>;

const MESSAGE = 'The token is not valid, has expired or was ended.';

/**
 * A token that does not count, with whom it claims to be of. What tells one token from another is a keyed hash: nothing of the token can be found from it.
 * One that is shown again and again, from one address, is told once a minute with its number.
 */
export function auditBadToken(services: Services, token: string, asker: Asker): void {
  const { sessionKeys, audit } = services;
  const fingerprint = createHmac('sha256', sessionKeys.newest.bytes)
    .update(token)
    .digest('hex')
    .slice(0, 16);
  const subject = { type: 'Credential', id: null, name: fingerprint, projectId: null };
  const details = {
    error: { code: 'UNAUTHENTICATED', message: MESSAGE },
    claimed: claimedBy(token),
  };
  const call = { ...asker, viewer: null, services };
  const made = entry(call, 'credential.use', subject, 'DENIED', details);
  audit.tally(`token ${fingerprint} ${asker.ipAddress}`, made);
}

const KINDS = {
  agent: 'AGENT_TOKEN',
  script: 'API_TOKEN',
  enrolment: 'ENROLMENT_TOKEN',
} as const satisfies Record<TokenKind, string>;

/** What the token says of itself, which nobody has verified; only what has the form of our ids. */
function claimedBy(token: string): object {
  const kind = kindOfToken(token);
  if (kind) return { kind: KINDS[kind] };
  try {
    const { sub = '', jti = '' } = decodeJwt(token);
    const claimed = { userId: sub, sessionId: jti };
    const known = Object.entries(claimed).filter(([, id]) => isUuid(String(id)));
    return { kind: 'SESSION', ...Object.fromEntries(known) };
  } catch {
    return {};
  }
}

/** What the executor says without having called a command: that nobody is signed in, or that the request does not fit. */
export function auditUnheard(
  args: ExecutionArgs,
  call: Call,
  errors: readonly GraphQLError[],
): void {
  for (const [name, { name: action, resourceType }] of commandsOf(args)) {
    const subject = { type: resourceType, id: null, name: '', projectId: null };
    const own = errors.find(
      ({ path }) => path === undefined || (path.length === 1 && path[0] === name),
    );
    if (own?.path && !(own.originalError instanceof UnauthenticatedError)) continue; // the command has told of it
    if (own) void auditFailure(action, call, subject, own.path ? own.originalError : unfit(own));
  }
}

/** Not its own message: that repeats the values, and one of them may be a password. */
function unfit({ extensions, originalError }: GraphQLError): RequestError {
  if (originalError instanceof RequestError) return originalError;
  const { code } = extensions;
  const known = typeof code === 'string' && code in REQUEST_ERROR_CODES;
  const named = known ? (code as RequestErrorCode) : 'GRAPHQL_VALIDATION_FAILED';
  return new RequestError(named, REQUEST_ERROR_CODES[named], 400);
}

/** The commands of a mutation's root fields, by the names that the answer gives them. */
function commandsOf({ document, operationName, schema }: ExecutionArgs): Map<string, Command> {
  const operation = getOperationAST(document, operationName);
  const commands = new Map<string, Command>();
  if (operation?.operation !== 'mutation') return commands;
  const fields = schema.getMutationType()?.getFields() ?? {};
  const fragments = new Set(
    document.definitions.filter((d) => d.kind === Kind.FRAGMENT_DEFINITION),
  );
  const visit = ({ selections }: SelectionSetNode): void => {
    for (const selection of selections) {
      if (selection.kind === Kind.FIELD) {
        const command = fields[selection.name.value]?.extensions.command as Command | undefined;
        if (command) commands.set((selection.alias ?? selection.name).value, command);
      } else if (selection.kind === Kind.INLINE_FRAGMENT) visit(selection.selectionSet);
      else {
        const found = [...fragments].find(({ name }) => name.value === selection.name.value);
        if (!found) continue;
        fragments.delete(found); // each once, however often it is spread
        visit(found.selectionSet);
      }
    }
  };
  visit(operation.selectionSet);
  return commands;
}
