/** GraphQL over WebSocket (graphql-transport-ws): the same schema, viewers, limits and errors as over HTTP. */
import { setMaxListeners } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type FormattedExecutionResult, GraphQLError } from 'graphql';
import { handleProtocols, makeServer } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import { networkOf } from '../core/client-network.js';
import type { Services } from '../core/context.js';
import { unavailable } from '../core/failures.js';
import { RateLimitedError } from '../errors.js';
import { newId } from '../ids.js';
import type { Authenticator } from '../modules/user/authenticate.js';
import { cookieSettings, isTrustedOrigin } from './auth.js';
import { clientAddresses, clientEncryption } from './client-address.js';
import { Counted } from './counted.js';
import { errorMasker } from './errors.js';
import type { PersistedOperations } from './persisted-operations.js';
import { SECURITY_HEADERS } from './plugins/use-security-headers.js';
import type { RateLimiter } from './rate-limit.js';
import { currentRequestId, hasAddress, inRequestScope } from './request.js';
import { watchSession } from './session-watch.js';
import { type Conversation, converse } from './socket.js';
import { headersOf, SocketCaller } from './websocket-caller.js';
import { type Enveloped, prepareOperation } from './websocket-operation.js';
import type { Yoga } from './yoga.js';

export interface Sockets {
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /**
   * Takes nothing new, lets running operations finish within `timeoutMs`, then says goodbye (1001).
   * False: some did not finish. Subscriptions have to be ended before.
   */
  close(timeoutMs: number): Promise<boolean>;
}

/** Signs in, and may not have one more. */
class TooManySockets extends Error {
  override readonly message = 'Too many sockets: close one of yours first';
}

/** How long a client may take to answer a goodbye. */
const GOODBYE_MS = 500;
/** How long the subscriptions of a session that has ended may take to say so. */
const FAREWELL_MS = 500;
const GOING_AWAY = 1001;
const INTERNAL_ERROR = 1011;
const TRY_AGAIN_LATER = 1013;
const FORBIDDEN = 4403;
const TOO_MANY_REQUESTS = 4429;

interface Extra extends Record<PropertyKey, unknown> {
  readonly caller: SocketCaller;
  readonly conversation: () => Conversation;
  stopWatching: () => void;
}

export interface SocketOptions {
  readonly yoga: Yoga;
  readonly authenticate: Authenticator;
  readonly limiter: RateLimiter;
  readonly persisted: PersistedOperations | null;
}

export function openSockets(
  services: Services,
  { yoga, authenticate, limiter, persisted }: SocketOptions,
): Sockets {
  const { config, log } = services;
  const mask = errorMasker(log);
  const addressOf = clientAddresses(config.server.trustedProxies);
  const isEncrypted = clientEncryption(config.server.trustedProxies);
  const origins = config.server.corsOrigins;
  const callers = {
    services,
    authenticate,
    limiter,
    cookie: (https: boolean) => cookieSettings(config.mode, https),
    origins,
  };
  const open = new Set<Conversation>();
  const perPrincipal = new Counted();
  let stopping = false;

  const protocol = makeServer<Record<string, unknown>, Extra>({
    async onConnect({ extra, connectionParams }) {
      const { caller } = extra;
      if (!(await caller.signIn(connectionParams))) return false;
      const who = caller.viewer?.id ?? networkOf(caller.ipAddress ?? '');
      const giveBack = perPrincipal.take(who, config.limits.socketsPerPrincipal);
      if (!giveBack) throw new TooManySockets();
      // It may have been closed while the caller signed in: then nobody will give it back later.
      if (caller.gone.aborted) giveBack();
      else caller.gone.addEventListener('abort', giveBack, { once: true });
      // A socket does not outlive the session that opened it, but for what tells its subscriptions.
      extra.stopWatching = watchSession(extra.caller.session, ['over'], () => {
        const conversation = extra.conversation();
        void within(conversation.idle(), FAREWELL_MS).then(() =>
          conversation.close(FORBIDDEN, 'The session has ended'),
        );
      });
      return true;
    },
    async onSubscribe({ extra: { caller }, subscriptions }, _id, params) {
      const refusal = refuse(Object.keys(subscriptions).length);
      if (refusal) return [refusal];
      try {
        await caller.requireAdmission();
        await caller.renewRights();
      } catch (error) {
        return [mask(error, currentRequestId())];
      }
      return prepareOperation(services, { yoga, persisted }, caller, params);
    },
    onNext: (_context, _id, _params, _args, result) =>
      result.errors &&
      ({ ...result, errors: result.errors.map(withoutInternals) } as FormattedExecutionResult),
    // Also what a stream of events throws comes here, and has not been masked yet.
    onError: (_context, _id, _params, errors) =>
      errors.map((error) => withoutInternals(mask(error, currentRequestId()))),
    execute: (args) => answered(() => (args as unknown as Enveloped).rootValue.execute(args)),
    subscribe: (args) => answered(() => (args as unknown as Enveloped).rootValue.subscribe(args)),
  });

  /** What a plugin throws ends its operation, as over HTTP; not the socket, and with it all the others. */
  async function answered<T>(run: () => T): Promise<Awaited<T>> {
    try {
      return await run();
    } catch (error) {
      return { errors: [mask(error, currentRequestId())] } as Awaited<T>;
    }
  }

  function refuse(operations: number): GraphQLError | null {
    const { subscriptionsPerSocket: most } = config.limits;
    if (stopping)
      return new GraphQLError('This instance is stopping. Ask another one.', {
        extensions: { code: 'UNAVAILABLE', retryable: true, retryAfterMs: 1000 },
      });
    if (operations <= most) return null;
    return new GraphQLError(`A socket may have ${most} operations at once.`, {
      extensions: { code: 'TOO_MANY_SUBSCRIPTIONS', retryable: false },
    });
  }

  function take(ws: WebSocket, request: IncomingMessage): void {
    const gone = new AbortController();
    setMaxListeners(0, gone.signal); // each operation listens
    const ipAddress = addressOf(request.socket.remoteAddress, request.headers['x-forwarded-for']);
    const proto = request.headers['x-forwarded-proto'];
    const https = isEncrypted(request.socket, proto === undefined ? null : String(proto));
    const caller = new SocketCaller(callers, request, ipAddress, https, gone.signal);
    const extra: Extra = { caller, conversation: () => conversation, stopWatching: () => {} };
    const conversation = converse(ws, {
      open: (socket) => {
        const closed = protocol.opened(socket, extra);
        return (code, reason) => {
          gone.abort();
          extra.stopWatching();
          open.delete(conversation);
          return closed(code, reason);
        };
      },
      scope: (work) => inRequestScope(work, newId()),
      failed(error) {
        if (gone.signal.aborted) return;
        if (error instanceof RateLimitedError || error instanceof TooManySockets)
          return ws.close(TOO_MANY_REQUESTS, error.message);
        if (unavailable(error)) return ws.close(TRY_AGAIN_LATER, 'Try again later');
        log.error({ err: error }, 'a bug: the work on a WebSocket message failed');
        ws.close(INTERNAL_ERROR, 'Internal error');
      },
    });
    open.add(conversation);
  }

  const server = new WebSocketServer({
    noServer: true,
    maxPayload: config.limits.maxRequestBytes,
    perMessageDeflate: false,
    handleProtocols,
  });

  return {
    handleUpgrade(request, socket, head) {
      socket.on('error', () => {}); // it is not an HTTP connection any more, and nobody else listens
      const status = statusOf(request);
      if (status === null) return server.handleUpgrade(request, socket, head, take);
      // Not only our half of it: a client that never closes its own would be waited for at the stop.
      const headers = Object.entries(SECURITY_HEADERS).map(
        ([name, value]) => `${name}: ${value}\r\n`,
      );
      const start = `HTTP/1.1 ${status}\r\n${headers.join('')}Connection: close\r\nContent-Length: 0`;
      socket.end(`${start}\r\n\r\n`, () => socket.destroy());
    },
    async close(timeoutMs) {
      stopping = true;
      const conversations = [...open];
      const idle = Promise.all(conversations.map((conversation) => conversation.idle()));
      const finished = await within(idle, timeoutMs);
      for (const conversation of conversations)
        conversation.close(GOING_AWAY, 'The server is stopping');
      const goodbye = Promise.all(conversations.map((conversation) => conversation.gone()));
      if (!(await within(goodbye, GOODBYE_MS)))
        for (const conversation of conversations) conversation.terminate();
      return finished;
    },
  };

  /** Why there is no WebSocket for this request, or null. */
  function statusOf(request: IncomingMessage): string | null {
    if (!hasAddress(request)) return '400 Bad Request';
    if (new URL(`http://local${request.url}`).pathname !== '/graphql') return '404 Not Found';
    if (!isTrustedOrigin(headersOf(request), origins)) return '403 Forbidden';
    const full = open.size >= config.limits.maxSockets;
    return stopping || full ? '503 Service Unavailable' : null;
  }
}

/** Whether `work` was done within `ms`. */
async function within(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const inTime = await Promise.race([work.then(() => true), late]);
  clearTimeout(timer);
  return inTime;
}

/** As the client gets it: without what HTTP reads from it. */
function withoutInternals(error: GraphQLError) {
  const { extensions: { http: _, unexpected: __, ...extensions } = {}, ...rest } = error.toJSON();
  return { ...rest, extensions };
}
