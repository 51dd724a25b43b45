/** What is known of an HTTP request before GraphQL sees it; kept beside the request, gone with it. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Authentication } from '../modules/user/authenticate.js';

export interface RequestFacts {
  readonly id: string;
  readonly startedAt: number;
  readonly ipAddress: string | null;
  authentication: Authentication | null;
  /** A credential was shown and does not count. */
  badCredential: boolean;
  /** Set by login and logout: undefined leaves the browser's cookie alone. */
  sessionCookie: string | null | undefined;
  /** For the log line and the metrics; filled in when the operation is known. */
  operation: { type: string; name: string | null; field: string } | null;
  outcome: string;
}

/** The id of the request being served, for places that are not told the request: the error masker. */
const scope = new AsyncLocalStorage<{ id: string | null }>();

export function inRequestScope<T>(work: () => T): T {
  return scope.run({ id: null }, work);
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
