/** One connection to Redis that never gives up reconnecting, and whose commands fail at once while it cannot be used. */
import { readFileSync } from 'node:fs';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import { Redis } from 'ioredis';

/** As in the configuration. Durations are milliseconds. */
export interface RedisOptions {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string | null;
  readonly database: number;
  readonly sslMode: 'disable' | 'require' | 'verify-ca' | 'verify-full';
  readonly sslCaFile: string | null;
  readonly connectTimeoutMs: number;
  readonly commandTimeoutMs: number;
}

/** Seen in CLIENT LIST. */
const APPLICATION_NAME = 'qx-controlplane';
const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 1_000;
const KEEP_ALIVE_AFTER_MS = 10_000;

/** As towards PostgreSQL: `require` believes anybody, unless it is given an authority. */
function tls({ sslMode, sslCaFile }: RedisOptions): { tls?: TlsOptions } {
  if (sslMode === 'disable') return {};
  return {
    tls: {
      ...(sslCaFile ? { ca: readFileSync(sslCaFile, 'utf8') } : {}),
      rejectUnauthorized: sslMode !== 'require' || sslCaFile !== null,
      ...(sslMode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
    },
  };
}

/**
 * Where Redis is and as whom to come, in the library's words.
 * @throws when the CA file cannot be read
 */
export function access(options: RedisOptions) {
  const { host, port, username, password, database } = options;
  return {
    host,
    port,
    ...(password === null ? {} : { username, password }),
    db: database,
    ...tls(options),
  };
}

/**
 * Begins to connect. Whoever uses it has to listen for "error".
 * @throws when the CA file cannot be read
 */
export function connect(options: RedisOptions): Redis {
  const { connectTimeoutMs, commandTimeoutMs } = options;
  const connection = new Redis({
    ...access(options),
    connectionName: APPLICATION_NAME,
    disableClientInfo: true,
    keepAlive: KEEP_ALIVE_AFTER_MS,
    connectTimeout: connectTimeoutMs,
    // Also of the greeting: a server that accepts connections and says nothing is left after this.
    commandTimeout: commandTimeoutMs,
    disconnectTimeout: commandTimeoutMs,
    retryStrategy: (attempt) =>
      Math.min(FIRST_RETRY_MS * 2 ** Math.min(attempt, 10), LONGEST_RETRY_MS) *
      (0.75 + Math.random() / 2),
    // What was sent when a connection broke is settled then and there, and nothing waits for the next one.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // Its rejection would be nobody's: see redis-channels.ts.
    autoResubscribe: false,
    // It asks INFO, which not every user may; our own probe says more.
    enableReadyCheck: false,
  });
  // ioredis hears one error of a socket; a failed handshake of TLS has two, and the second would end the process.
  connection.on('error', () => connection.stream?.on('error', () => {}));
  return connection;
}
