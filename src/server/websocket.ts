/** GraphQL over WebSocket (graphql-transport-ws): the same schema, viewers, limits and errors as over HTTP. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ExecutionArgs, GraphQLError, type parse } from 'graphql';
import type { SubscribePayload } from 'graphql-ws';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import type { Services } from '../core/context.js';
import { newId } from '../ids.js';
import type { Authentication, Authenticator } from '../modules/user/authenticate.js';
import { cookieSettings, findCredential, isOwnOrigin } from './auth.js';
import { inRequestScope } from './request.js';
import { contextOf, type Yoga } from './yoga.js';

export interface Sockets {
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Ends every subscription and says goodbye (1001). */
  close(): Promise<void>;
}

/** One message of a client; more is not a subscription but an attack. */
const MAX_MESSAGE_BYTES = 64 * 1024;
const FORBIDDEN = 4403;

interface SocketExtra extends Record<PropertyKey, unknown> {
  readonly request: IncomingMessage;
  authentication?: Authentication | null;
  /** Aborted when the socket closes: whatever its subscriptions wait for ends with it. */
  gone?: AbortController;
  subscriptions?: number;
}

export function openSockets(services: Services, yoga: Yoga, authenticate: Authenticator): Sockets {
  const { config } = services;
  const cookie = cookieSettings(config.mode);
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
  });

  const disposable = useServer<Record<string, unknown>, SocketExtra>(
    {
      async onConnect(context) {
        const { extra, connectionParams } = context;
        const authentication = await signIn(extra.request, connectionParams);
        if (authentication === 'refused') return false;
        extra.authentication = authentication;
        extra.gone = new AbortController();
        extra.subscriptions = 0;
        endAtExpiry(authentication, extra, () =>
          (
            context.extra as unknown as { socket: { close(code: number, reason: string): void } }
          ).socket.close(FORBIDDEN, 'The session has ended'),
        );
        return true;
      },
      onDisconnect: ({ extra }) => extra.gone?.abort(),
      onClose: ({ extra }) => extra.gone?.abort(),
      async onSubscribe(context, _id, params) {
        const { extra } = context;
        extra.subscriptions = (extra.subscriptions ?? 0) + 1;
        if (extra.subscriptions > config.limits.subscriptionsPerSocket) {
          return [
            new GraphQLError(
              `A socket may have ${config.limits.subscriptionsPerSocket} operations at once.`,
              { extensions: { code: 'TOO_MANY_SUBSCRIPTIONS', retryable: false } },
            ),
          ];
        }
        return inRequestScope(() => prepare(extra, params));
      },
      onComplete: ({ extra }) => {
        extra.subscriptions = Math.max(0, (extra.subscriptions ?? 1) - 1);
      },
      execute: (args) => (args as unknown as Enveloped).rootValue.execute(args as ExecutionArgs),
      subscribe: (args) =>
        (args as unknown as Enveloped).rootValue.subscribe(args as ExecutionArgs),
    },
    server,
  );

  /** Credentials come in the connection's first message, or as the browser's cookie from our own pages. */
  async function signIn(
    request: IncomingMessage,
    params: Record<string, unknown> | undefined,
  ): Promise<Authentication | null | 'refused'> {
    const headers = headersOf(request);
    const given = params?.authorization ?? params?.Authorization;
    if (typeof given === 'string') headers.set('authorization', given);
    const credential = findCredential(headers, cookie);
    if (!credential) return null;
    const authentication = await authenticate(credential.token);
    return authentication === null && credential.from === 'header' ? 'refused' : authentication;
  }

  async function prepare(extra: SocketExtra, params: SubscribePayload) {
    const { authentication, gone, request } = extra;
    const call = contextOf(services, {
      requestId: newId(),
      viewer: authentication?.viewer ?? null,
      ipAddress: request.socket.remoteAddress?.replace(/^::ffff:/, '') ?? null,
      userAgent: request.headers['user-agent'] ?? '',
      signal: gone?.signal ?? new AbortController().signal,
    });
    const {
      schema,
      execute,
      subscribe,
      contextFactory,
      parse: parseLimited,
      validate,
    } = yoga.getEnveloped({ ...call, params });
    let document: ReturnType<typeof parse>;
    try {
      document = parseLimited(params.query);
    } catch (error) {
      return [error as GraphQLError];
    }
    const errors = validate(schema, document);
    if (errors.length > 0) return errors as GraphQLError[];
    return {
      schema,
      document,
      operationName: params.operationName,
      variableValues: params.variables,
      contextValue: await contextFactory(),
      rootValue: { execute, subscribe },
    } as never;
  }

  return {
    handleUpgrade(request, socket, head) {
      const { pathname } = new URL(request.url ?? '/', 'http://local');
      const allowed =
        isOwnOrigin(headersOf(request)) ||
        config.server.corsOrigins.includes(request.headers.origin ?? '');
      if (pathname !== '/graphql' || !allowed) {
        socket.end(
          `HTTP/1.1 ${allowed ? '404 Not Found' : '403 Forbidden'}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
        );
        return;
      }
      server.handleUpgrade(request, socket, head, (ws) => server.emit('connection', ws, request));
    },
    async close() {
      await disposable.dispose();
      for (const client of server.clients) client.terminate();
    },
  };
}

interface Enveloped {
  rootValue: { execute(args: ExecutionArgs): never; subscribe(args: ExecutionArgs): never };
}

function headersOf(request: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  return headers;
}

/** A socket does not outlive the session that opened it. */
function endAtExpiry(
  authentication: Authentication | null,
  extra: SocketExtra,
  close: () => void,
): void {
  if (!authentication?.expiresAt) return;
  const timer = setTimeout(
    close,
    Math.max(0, authentication.expiresAt.getTime() - Date.now()),
  ).unref();
  extra.gone?.signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
}
