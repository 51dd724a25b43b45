/** A port that leads to another server: opened and closed, it is a network that comes and goes. */
import { createConnection, createServer, type Socket } from 'node:net';
import { LOOPBACK } from '../support/services/ports.js';

export interface Forwarder {
  /** Cuts all connections and takes no more. */
  close(): Promise<void>;
}

export async function forward(
  port: number,
  to: { readonly host: string; readonly port: number },
): Promise<Forwarder> {
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = createConnection({ host: to.host, port: to.port });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(socket);
      socket.on('error', () => {}); // the other end is cut below
      socket.once('close', () => {
        open.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, LOOPBACK, resolve);
  });
  return {
    close() {
      for (const socket of open) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
