/** Who is at the other end of a WebSocket, and with which rights. */
import type { IncomingMessage } from 'node:http';
import type { Viewer } from '../core/authz.js';
import type { Services } from '../core/context.js';
import { newId } from '../ids.js';
import type { Authenticator } from '../modules/user/authenticate.js';
import { type CookieSettings, findCredential } from './auth.js';
import { type RateLimiter, requireAdmission } from './rate-limit.js';
import { auditBadToken } from './refused.js';
import { currentRequestId, type Session, sessionOf } from './request.js';

export interface CallerOptions {
  readonly services: Services;
  readonly authenticate: Authenticator;
  readonly limiter: RateLimiter;
  /** For a connection that is encrypted, or not. */
  readonly cookie: (https: boolean) => CookieSettings;
  /** Foreign origins whose pages may use the browser's cookie. */
  readonly origins: readonly string[];
}

export class SocketCaller {
  /** Null: nobody is signed in. */
  viewer: Viewer | null = null;
  session: Session | null = null;
  #token: string | null = null;

  constructor(
    private readonly options: CallerOptions,
    private readonly request: IncomingMessage,
    readonly ipAddress: string | null,
    private readonly https: boolean,
    /** Aborted when the socket is closed. */
    readonly gone: AbortSignal,
  ) {}

  get userAgent(): string {
    return this.request.headers['user-agent'] ?? '';
  }

  /**
   * Credentials come in the connection's first message, or as the browser's cookie from our own pages.
   * False: a token was shown, and does not count. Throws RateLimitedError for who asks too often.
   */
  async signIn(params: Readonly<Record<string, unknown>> | undefined): Promise<boolean> {
    const { services, cookie, origins, limiter } = this.options;
    const headers = headersOf(this.request);
    const given = params?.authorization ?? params?.Authorization;
    if (typeof given === 'string') headers.set('authorization', given);
    const credential = findCredential(headers, cookie(this.https), origins);
    requireAdmission(await limiter.admit(this.ipAddress, credential?.token ?? null));
    if (!credential) return true;
    this.#token = credential.token;
    await this.renewRights();
    const principal = this.viewer?.id ?? null;
    requireAdmission(await limiter.settle(this.ipAddress, credential.token, principal));
    if (this.viewer !== null) return true;
    const { ipAddress, userAgent } = this;
    const requestId = currentRequestId() ?? newId();
    auditBadToken(services, credential.token, { ipAddress, userAgent, requestId });
    this.#token = null;
    return credential.from === 'cookie';
  }

  /** Throws RateLimitedError when the caller asks too often. An operation counts as a request does. */
  async requireAdmission(): Promise<void> {
    requireAdmission(await this.options.limiter.admit(this.ipAddress, this.#token));
  }

  /** Each operation has the rights that its caller has now, not those of when the socket was opened. */
  async renewRights(): Promise<void> {
    if (this.#token === null) return;
    const { authenticate } = this.options;
    const found = await authenticate(this.#token);
    this.viewer = found?.viewer ?? null;
    this.session = found && sessionOf(authenticate, this.#token, found);
  }
}

export function headersOf(request: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  return headers;
}
