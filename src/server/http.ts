/** The HTTP server: listens, hands requests to yoga and sockets to graphql-ws, and stops without dropping what it has begun. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Config } from '../config/model.js';
import { type Connections, watchConnections } from './connections.js';
import { hasAddress, inRequestScope } from './request.js';
import type { Sockets } from './websocket.js';
import type { Yoga } from './yoga.js';

export interface HttpServer {
  /** With the port that was really taken, when 0 was asked for. */
  readonly url: string;
  /** Refuses new connections, waits for running requests at most `timeoutMs`, then closes what is left. False: something was. */
  stop(timeoutMs: number): Promise<boolean>;
}

/** A client has this long for its headers, and `server.request_timeout` for the whole request. */
const HEADERS_TIMEOUT_MS = 10_000;
/** How often slow clients are looked for; Node's own 30 s would make every limit mean half a minute more. */
const CHECK_INTERVAL_MS = 1_000;

/** @throws the system's error (EADDRINUSE, EACCES ...) when the address cannot be taken */
export async function listen(
  yoga: Yoga,
  sockets: Sockets,
  { host, port, requestTimeoutMs }: Config['server'],
): Promise<HttpServer> {
  const server = createServer(
    {
      headersTimeout: Math.min(HEADERS_TIMEOUT_MS, requestTimeoutMs),
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
    },
    (req, res) => {
      if (!hasAddress(req)) refuse(req, res);
      else void inRequestScope(() => yoga(req, res));
    },
  );
  const connections = watchConnections(server);
  server.on('upgrade', sockets.handleUpgrade);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const address = server.address() as AddressInfo;
  const name = host.includes(':') ? `[${host}]` : host;
  return {
    url: `http://${name}:${address.port}`,
    stop: (timeoutMs) => stop(server, connections, sockets, timeoutMs),
  };
}

/** Everything further in takes for granted that a request's address is one. */
function refuse(req: IncomingMessage, res: ServerResponse): void {
  const message = 'The Host header and the path do not make a URL.';
  res.writeHead(400, { 'content-type': 'application/json', connection: 'close' });
  res.end(JSON.stringify({ errors: [{ message, extensions: { code: 'BAD_REQUEST' } }] }));
  req.resume();
}

async function stop(
  server: Server,
  connections: Connections,
  sockets: Sockets,
  timeoutMs: number,
): Promise<boolean> {
  let complete = true;
  const closed = connections.close();
  const timer = setTimeout(() => {
    complete = false;
    server.closeAllConnections();
  }, timeoutMs);
  const finished = await sockets.close(timeoutMs);
  await closed;
  clearTimeout(timer);
  return complete && finished;
}
