/** A subscription over either transport, read one message at a time. */
import { openSocket, type SocketClient } from '../e2e/socket-client.js';
import type { Client } from './client.js';
import { until } from './until.js';
import { type WatchEvent, watch } from './watch.js';

export type Transport = 'SSE' | 'WebSocket';
type Message = WatchEvent<Readonly<Record<string, unknown>>>;

export interface Followed {
  /** The next message; null when there is none any more, because the server completed the subscription. */
  next(): Promise<Message | null>;
}

export interface Follower {
  follow(query: string, variables: object): Promise<Followed>;
  /** Over WebSocket: how the server closed the socket. */
  readonly closed: Promise<{ code: number; reason: string }> | null;
  hangUp(): void;
}

/** @param url where the app listens, for sockets */
export function follower(transport: Transport, url: string, client: Client): Follower {
  return transport === 'SSE'
    ? overSse(client)
    : overSocket(openSocket(url, { token: client.token }));
}

function overSse(client: Client): Follower {
  const connections: AbortController[] = [];
  return {
    closed: null,
    async follow(query, variables) {
      const connection = new AbortController();
      connections.push(connection);
      const events = await watch(client, query as never, variables as never, connection);
      return { next: async () => (await events.event()) as Message | null };
    },
    hangUp() {
      for (const connection of connections) connection.abort();
    },
  };
}

function overSocket({ subscribe, closed, connected, client }: SocketClient): Follower {
  return {
    closed,
    async follow(query, variables) {
      await connected;
      const { events, ended } = subscribe(query, variables as Record<string, unknown>);
      let how: unknown;
      void ended.then((end) => {
        how = end;
      });
      let read = 0;
      return {
        async next() {
          await until('a message, or the end', () => events.length > read || how !== undefined);
          const message = events[read];
          read += 1;
          if (message) return message as Message;
          if (how !== 'complete') throw new Error(`no end but ${JSON.stringify(how)}`);
          return null;
        },
      };
    },
    hangUp: () => client.terminate(),
  };
}
