/**
 * Knows which HTTP connections are at work, so that a stop closes the others and each of these after its last answer.
 * Node's own closeIdleConnections also cuts off answers that are ended but not yet sent, and pipelined ones behind them.
 */
import type { Server } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';

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
  const begin = (socket: Socket): void => {
    const state = { running: 0, seen: socket.bytesRead };
    states.set(socket, state);
    socket.once('close', () => states.delete(socket));
    if (closing) closeIfIdle(socket, state); // a handshake that was under way
  };
  // Over TLS it begins after the handshake, whose bytes are no request's. One that never ends is ended by its own time limit.
  server.on(server instanceof TlsServer ? 'secureConnection' : 'connection', begin);
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
