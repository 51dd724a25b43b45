/** GraphQL over WebSocket as an ordinary client speaks it (the package graphql-ws), without retries so that every end is seen. */
import type { Socket } from 'node:net';
import { type Client, createClient, type FormattedExecutionResult } from 'graphql-ws';
import WebSocket from 'ws';

type ExecutionResult = FormattedExecutionResult<Record<string, unknown>, unknown>;

export interface SocketClient {
  readonly client: Client;
  /** Runs a query or mutation; rejects with the errors that the server sent instead of a result. */
  run(query: string, variables?: Record<string, unknown>): Promise<ExecutionResult>;
  subscribe(query: string, variables?: Record<string, unknown>): SocketStream;
  /** Resolves with code and reason when the socket is closed. */
  readonly closed: Promise<{ code: number; reason: string }>;
  /** The socket itself; there is none before `connected`. */
  readonly socket: () => WebSocket;
  readonly connected: Promise<void>;
}

export interface SocketStream {
  readonly events: ExecutionResult[];
  /** 'complete', or what the server sent (errors) or did (closed the socket) instead. */
  readonly ended: Promise<unknown>;
  stop(): void;
}

export interface SocketOptions {
  readonly token?: string | null;
  readonly origin?: string;
  readonly headers?: Record<string, string>;
  /** Makes the connection, where the address alone does not lead to it. */
  readonly connect?: () => Socket;
}

export function openSocket(url: string, options: SocketOptions = {}): SocketClient {
  const { token, origin, headers, connect } = options;
  let socket: WebSocket | undefined;
  class Impl extends WebSocket {
    constructor(address: string, protocols: string[]) {
      super(address, protocols, {
        ...(origin ? { origin } : {}),
        ...(headers ? { headers } : {}),
        ...(connect ? { createConnection: connect as never } : {}),
      });
      socket = this;
    }
  }
  const client = createClient({
    url: `${url.replace(/^http/, 'ws')}/graphql`,
    webSocketImpl: Impl,
    ...(token ? { connectionParams: { authorization: `Bearer ${token}` } } : {}),
    lazy: false,
    retryAttempts: 0,
    onNonLazyError: () => {}, // seen by `closed`
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    client.on('closed', (event) => resolve(event as { code: number; reason: string }));
  });
  const connected = new Promise<void>((resolve, reject) => {
    client.on('connected', () => resolve());
    void closed.then(({ code, reason }) => reject(new Error(`closed with ${code} ${reason}`)));
  });
  connected.catch(() => {}); // not everybody waits for it
  return {
    client,
    closed,
    connected,
    socket: () => {
      if (!socket) throw new Error('not connected yet');
      return socket;
    },
    run: (query, variables = {}) =>
      new Promise((resolve, reject) => {
        let result: ExecutionResult | undefined;
        client.subscribe(
          { query, variables },
          {
            next: (value) => {
              result = value;
            },
            error: reject,
            complete: () => (result ? resolve(result) : reject(new Error('no result'))),
          },
        );
      }),
    subscribe(query, variables = {}) {
      const events: ExecutionResult[] = [];
      let stop = (): void => {};
      const ended = new Promise<unknown>((resolve) => {
        stop = client.subscribe(
          { query, variables },
          {
            next: (event) => events.push(event),
            error: resolve,
            complete: () => resolve('complete'),
          },
        );
      });
      return { events, ended, stop };
    },
  };
}
