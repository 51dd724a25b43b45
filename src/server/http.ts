/** The HTTP server: listens, hands requests to yoga and sockets to graphql-ws, and stops without dropping what it has begun. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inRequestScope } from './request.js';
import type { Sockets } from './websocket.js';
import type { Yoga } from './yoga.js';

export interface HttpServer {
  /** With the port that was really taken, when 0 was asked for. */
  readonly url: string;
  /** Refuses new connections, waits for running requests at most `timeoutMs`, then closes what is left. */
  stop(timeoutMs: number): Promise<void>;
}

const HEADERS_TIMEOUT_MS = 10_000;

/** @throws the system's error (EADDRINUSE, EACCES ...) when the address cannot be taken */
export async function listen(
  yoga: Yoga,
  sockets: Sockets,
  address: { host: string; port: number },
): Promise<HttpServer> {
  const server = createServer({ headersTimeout: HEADERS_TIMEOUT_MS }, (req, res) => {
    void inRequestScope(() => yoga(req, res));
  });
  server.on('upgrade', sockets.handleUpgrade);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address.port, address.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const { port } = server.address() as AddressInfo;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return { url: `http://${host}:${port}`, stop: (timeoutMs) => stop(server, sockets, timeoutMs) };
}

async function stop(server: Server, sockets: Sockets, timeoutMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  await sockets.close();
  const timer = setTimeout(() => server.closeAllConnections(), timeoutMs);
  // Keep-alive connections become idle when their last answer is out.
  const sweep = setInterval(() => server.closeIdleConnections(), 50);
  await closed;
  clearTimeout(timer);
  clearInterval(sweep);
}
