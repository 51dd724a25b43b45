/**
 * Knows which HTTP connections are at work, so that a stop closes the others and each of these after its last answer.
 * Node's own closeIdleConnections also cuts off answers that are ended but not yet sent, and pipelined ones behind them.
 */
import type { Server } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';

interface State {
  /** Requests without a whole answer. */
  running: number;
  /** Bytes that belong to requests which have been answered: more were read when one is on its way. */
  seen: number;
}

export interface Connections {
  /** Takes no new connections; resolves when the last is closed. Whoever is at work is waited for. */
  close(): Promise<void>;
}

export function watchConnections(server: Server): Connections {
  const states = new Map<Socket, State>();
  let closing = false;

  const closeIfIdle = (socket: Socket, { running, seen }: State): void => {
    if (running === 0 && socket.bytesRead === seen) socket.end(() => socket.destroy());
  };
  server.on('connection', (socket: Socket) => {
    states.set(socket, { running: 0, seen: 0 });
    socket.once('close', () => states.delete(socket));
  });
  server.on('request', ({ socket }, response) => {
    const state = states.get(socket);
    if (!state) return;
    state.running += 1;
    response.once('close', () => {
      state.running -= 1;
      state.seen = socket.bytesRead;
      if (closing) closeIfIdle(socket, state);
    });
  });
  // From then on it is the business of whoever took the upgrade.
  server.prependListener('upgrade', ({ socket }) => states.delete(socket));

  return {
    close() {
      closing = true;
      const closed = new Promise<void>((resolve) => {
        // The HTTP server's close would begin with closeIdleConnections.
        NetServer.prototype.close.call(server, () => resolve());
      });
      for (const [socket, state] of states) closeIfIdle(socket, state);
      return closed;
    },
  };
}
