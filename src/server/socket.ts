/** One WebSocket: carries messages between `ws` and the protocol, notices when the other side has gone, and knows when nothing runs. */
import type { WebSocket as ProtocolSocket } from 'graphql-ws';
import type { WebSocket } from 'ws';

export interface Conversation {
  /** Resolves when no message is being worked on: no operation runs. */
  idle(): Promise<void>;
  /** Resolves when it is closed. */
  gone(): Promise<void>;
  close(code: number, reason: string): void;
  terminate(): void;
}

export interface ConversationOptions {
  /** Takes the socket over; returns what to call when it is closed. */
  open(socket: ProtocolSocket): (code?: number, reason?: string) => Promise<void>;
  /** Runs the work on one message. */
  scope(work: () => Promise<void>): Promise<void>;
  /** The work on a message failed; the socket may still be open. */
  failed(error: unknown): void;
}

/** Proxies cut connections that are silent for a minute or less; a client that does not answer until the next one has gone. */
const PING_MS = 12_000;

export function converse(ws: WebSocket, options: ConversationOptions): Conversation {
  const { open, scope, failed } = options;
  const waiting = new Set<() => void>();
  let running = 0;
  let answered = true;

  const work = async (take: () => Promise<void>): Promise<void> => {
    running += 1;
    try {
      await scope(take);
    } catch (error) {
      failed(error);
    } finally {
      running -= 1;
      if (running === 0) for (const resolve of waiting) resolve();
    }
  };
  const closed = open({
    protocol: ws.protocol,
    // The protocol waits for this before it sends the next event: a slow client slows its subscriptions down, not us.
    send: (data) =>
      new Promise((resolve, reject) => {
        if (ws.readyState !== ws.OPEN) return resolve();
        ws.send(data, (error) => (error ? reject(error) : resolve()));
      }),
    close: (code, reason) => ws.close(code, reason),
    onMessage: (take) => {
      ws.on('message', (data) => void work(() => take(String(data))));
    },
  });
  const heartbeat = setInterval(() => {
    if (!answered) return ws.terminate();
    answered = false;
    ws.ping();
  }, PING_MS);
  ws.on('pong', () => {
    answered = true;
  });
  // A broken frame, or one that is too large: ws closes the socket with the code that says so.
  ws.on('error', () => {});
  const gone = new Promise<void>((resolve) => {
    ws.once('close', (code, reason) => {
      clearInterval(heartbeat);
      void work(() => closed(code, String(reason)));
      resolve();
    });
  });
  return {
    idle: () => (running === 0 ? Promise.resolve() : new Promise((done) => waiting.add(done))),
    gone: () => gone,
    close: (code, reason) => ws.close(code, reason),
    terminate: () => ws.terminate(),
  };
}
