/** The HTTP server: listens, hands requests to yoga and sockets to graphql-ws, and stops without dropping what it has begun. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Config } from '../config/model.js';
import type { Logger } from '../log.js';
import { type Connections, watchConnections } from './connections.js';
import { SECURITY_HEADERS } from './plugins/use-security-headers.js';
import { discardWhenGivenUp } from './refused-body.js';
import { hasAddress, inRequestScope } from './request.js';
import { noteValidity, readIdentity, renewIdentity, tlsFilesOf } from './tls.js';
import type { Sockets } from './websocket.js';
import type { Yoga } from './yoga.js';

export interface HttpServer {
  /** With the port that was really taken, when 0 was asked for. */
  readonly url: string;
  /** Refuses new connections, waits for running requests at most `timeoutMs`, then closes what is left. False: something was. */
  stop(timeoutMs: number): Promise<boolean>;
}

/** A client has this long for its headers, and `server.request_timeout` for the whole request. */
export const HEADERS_TIMEOUT_MS = 10_000;
/** How often slow clients are looked for; Node's own 30 s would make every limit mean half a minute more. */
const CHECK_INTERVAL_MS = 1_000;
/**
 * Longer than nginx keeps an idle connection to us (60 s): whoever may end first must be the one that asks, or its next request meets
 * our end of the connection, and a POST is not sent twice.
 */
const KEEP_ALIVE_MS = 75_000;

/** @throws the system's error (EADDRINUSE, EACCES ...) when the address cannot be taken; what is wrong with the certificate */
export async function listen(
  yoga: Yoga,
  sockets: Sockets,
  config: Config['server'],
  log: Logger,
): Promise<HttpServer> {
  const { host, port } = config;
  const { server, scheme, stopRenewing } = makeServer(config, log, (req, res) => {
    if (!hasAddress(req)) return refuse(req, res);
    discardWhenGivenUp(req);
    void inRequestScope(() => yoga(req, res));
  });
  const connections = watchConnections(server);
  server.on('upgrade', sockets.handleUpgrade);
  server.on('clientError', refuseBroken);
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
    url: `${scheme}://${name}:${address.port}`,
    stop(timeoutMs) {
      stopRenewing();
      return stop(server, connections, sockets, timeoutMs);
    },
  };
}

/** With TLS when there is a certificate to show. */
function makeServer(
  config: Config['server'],
  log: Logger,
  serve: (req: IncomingMessage, res: ServerResponse) => void,
): { server: Server; scheme: string; stopRenewing: () => void } {
  const headersTimeout = Math.min(HEADERS_TIMEOUT_MS, config.requestTimeoutMs);
  const timeouts = {
    headersTimeout,
    requestTimeout: config.requestTimeoutMs,
    connectionsCheckingInterval: CHECK_INTERVAL_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
  };
  const files = tlsFilesOf(config);
  if (!files)
    return { server: createServer(timeouts, serve), scheme: 'http', stopRenewing: () => {} };
  const { options, certificate } = readIdentity(files);
  noteValidity(certificate, log);
  const server = createTlsServer(
    { ...timeouts, ...options, handshakeTimeout: headersTimeout },
    serve,
  );
  return { server, scheme: 'https', stopRenewing: renewIdentity(server, files, log) };
}

/** Everything further in takes for granted that a request's address is one. */
function refuse(req: IncomingMessage, res: ServerResponse): void {
  res.writeHead(400, {
    'content-type': 'application/json',
    connection: 'close',
    ...RAW_HEADERS,
  });
  res.end(fault('The Host header and the path do not make a URL.', false));
  req.resume();
}

/** What every other answer gets from the plugins. */
const RAW_HEADERS = { ...SECURITY_HEADERS, 'cache-control': 'no-store' };

const fault = (message: string, retryable: boolean): string =>
  JSON.stringify({ errors: [{ message, extensions: { code: 'BAD_REQUEST', retryable } }] });

/** What is no HTTP, is too large or too slow for it: as Node itself answers, and in words. */
function refuseBroken(error: NodeJS.ErrnoException, socket: Duplex): void {
  // Not even a handshake: nothing that is written would arrive. Among them: whoever speaks plain HTTP to TLS.
  if (/^(ERR_SSL|ERR_TLS|EPROTO)/.test(error.code ?? '')) return void socket.destroy();
  // Node's own test of whether an answer has begun: words in the middle of one would be taken for a part of it.
  const { _httpMessage } = socket as { _httpMessage?: { headersSent?: boolean } };
  if (!socket.writable || _httpMessage?.headersSent) return void socket.destroy(error);
  const [status, body] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? ['431 Request Header Fields Too Large', fault('The headers are too large.', false)]
      : error.code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW'
        ? ['413 Payload Too Large', fault('The chunk extensions are too large.', false)]
        : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
          ? ['408 Request Timeout', fault('The request took too long to arrive.', true)]
          : ['400 Bad Request', fault('This is not an HTTP request.', false)];
  const more = Object.entries(RAW_HEADERS).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `${more.join('')}Content-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close`;
  socket.end(`HTTP/1.1 ${status}\r\n${head}\r\n\r\n${body}`, () => socket.destroy());
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
