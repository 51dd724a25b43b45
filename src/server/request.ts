/** What is known of an HTTP request before GraphQL sees it; kept beside the request, gone with it. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage } from 'node:http';
import { rightsText } from '../core/authz.js';
import type { OperationFacts } from '../core/context.js';
import type { Logger } from '../log.js';
import type { Authentication, Authenticator } from '../modules/user/authenticate.js';
import type { CookieSettings, Credential } from './auth.js';
import type { Admission } from './rate-limit.js';
import type { Fate } from './session-watch.js';

/** The credential behind something that lasts: a subscription, a socket. */
export interface Session {
  /** When it ends by itself; null: not before it is revoked. */
  readonly expiresAt: Date | null;
  /** What became of it: the same rights as at the beginning, other ones, or none any more. */
  check(): Promise<'same' | Fate>;
  /** Calls back when it is worth a check; returns how to stop that. */
  onHint(listener: () => void): () => void;
}

export function sessionOf(
  authenticate: Authenticator,
  token: string,
  { viewer, expiresAt }: Authentication,
): Session {
  const rights = rightsText(viewer);
  return {
    expiresAt,
    async check() {
      const now = await authenticate.again(token);
      if (!now) return 'over';
      return rightsText(now.viewer) === rights ? 'same' : 'changed';
    },
    onHint: (listener) => authenticate.watch.listen([viewer.credentialId, viewer.id], listener),
  };
}

export interface RequestFacts {
  readonly id: string;
  readonly startedAt: number;
  readonly ipAddress: string | null;
  /** Whether the client's way to us, or to the proxy that we believe, is TLS. */
  readonly encrypted: boolean;
  /** What was shown; whether it counts is known when the request is authenticated. */
  readonly credential: Credential | null;
  /** How this browser gets its cookie, if it is a browser. */
  readonly cookie: CookieSettings;
  /** What it showed as such, also where a header won over it. */
  readonly cookieToken: string | null;
  authentication: Authentication | null;
  session: Session | null;
  /** A credential was shown and does not count. */
  badCredential: boolean;
  /** What is left of the caller's minute; null: no limit applies. */
  admission: Admission | null;
  /** Set by login and logout: undefined leaves the browser's cookie alone. */
  sessionCookie: string | null | undefined;
  /** For the log line and the metrics; filled in when the operation is known. */
  operation: OperationFacts | null;
  outcome: string;
}

export interface RequestLine {
  readonly requestId: string;
  readonly transport: 'http' | 'websocket';
  readonly method?: string;
  readonly path?: string;
  readonly status?: number;
  readonly durationMs: number;
  /** The user's or agent's name; null: nobody. */
  readonly viewer: string | null;
  readonly ipAddress: string | null;
  readonly operation: OperationFacts | null;
  readonly outcome: string;
}

/** Writes the one line that each request gets. */
export function logRequest(log: Logger, { operation, outcome, ...line }: RequestLine): void {
  // Agents call every few seconds: their reports are interesting only when they fail.
  const level = operation?.field === 'reportNode' && outcome === 'ok' ? 'debug' : 'info';
  const known = operation && {
    operation: operation.name,
    type: operation.type,
    field: operation.field,
    outcome,
  };
  log[level]({ ...line, durationMs: Math.round(line.durationMs * 10) / 10, ...known }, 'request');
}

/**
 * Whether the Host header and the target make a URL; strangers also send what does not.
 * A target that is a whole URL, as proxies may send it, is cut down to its path.
 */
export function hasAddress(request: IncomingMessage): boolean {
  const { headers, url = '' } = request;
  if (/^https?:\/\//i.test(url)) {
    if (!URL.canParse(url)) return false;
    const { pathname, search } = new URL(url);
    request.url = pathname + search;
  }
  return URL.canParse(`http://${headers.host ?? 'localhost'}${request.url}`);
}

/** The id of the request being served, for places that are not told the request: the error masker. */
const scope = new AsyncLocalStorage<{ id: string | null }>();

export function inRequestScope<T>(work: () => T, id: string | null = null): T {
  return scope.run({ id }, work);
}

export function currentRequestId(): string | null {
  return scope.getStore()?.id ?? null;
}

const facts = new WeakMap<Request, RequestFacts>();

/** The facts of a request, made at its first mention: a page that yoga serves by itself gets them only when it is answered. */
export function factsFor(request: Request, make: () => RequestFacts): RequestFacts {
  const known = facts.get(request);
  if (known) return known;
  const made = make();
  const store = scope.getStore();
  if (store) store.id = made.id;
  facts.set(request, made);
  return made;
}

export function factsOf(request: Request): RequestFacts {
  return factsFor(request, () => {
    throw new Error('this request did not come through use-request');
  });
}
