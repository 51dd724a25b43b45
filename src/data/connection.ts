/** How to reach PostgreSQL: our settings, and what they are in the driver's words. */
import { readFileSync } from 'node:fs';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { ClientConfig } from 'pg';
import { DataUnavailableError, isConnectionFailure } from './errors.js';

export interface ConnectionOptions {
  /** A host name, an address, or the directory of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password?: string | null | undefined;
  readonly database: string;
  readonly sslMode: 'disable' | 'require' | 'verify-ca' | 'verify-full';
  /** PEM file of the authorities to believe; without it those that Node.js ships with. */
  readonly sslCaFile?: string | null | undefined;
  readonly connectTimeoutMs: number;
  /** The role that owns the tables; null: `user` does. */
  readonly migrationUser?: string | null | undefined;
  readonly migrationPassword?: string | null | undefined;
}

/** Seen in pg_stat_activity. */
export const APPLICATION_NAME = 'qx-controlplane';

/**
 * Settings of every session. UTC, because the drivers send times without a zone; READ COMMITTED here rather than
 * a statement in each transaction; no JIT: it costs more than it saves on statements of milliseconds.
 */
const SESSION =
  '-c TimeZone=UTC -c DateStyle=ISO -c search_path=public -c default_transaction_isolation=read\\ committed -c jit=off';

const KEEP_ALIVE_AFTER_MS = 10_000;

/**
 * `require` encrypts and believes anybody, except that a given CA file is checked, as libpq does.
 * `verify-full` leaves the name to the driver, which compares it with `host`.
 */
function tls(options: ConnectionOptions): false | TlsOptions {
  const { sslMode, sslCaFile } = options;
  if (sslMode === 'disable') return false;
  return {
    ...(sslCaFile ? { ca: readFileSync(sslCaFile, 'utf8') } : {}),
    rejectUnauthorized: sslMode !== 'require' || Boolean(sslCaFile),
    ...(sslMode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
  };
}

/**
 * The driver's configuration for one connection, without the timeouts of statements.
 * Everything is given, so that no PG* variable of the environment decides anything.
 * @throws when the CA file cannot be read
 */
export function clientConfig(options: ConnectionOptions): ClientConfig {
  return {
    host: options.host,
    port: options.port,
    user: options.user,
    // a function, because the driver takes an empty string for "look in the environment"
    password: () => options.password ?? '',
    database: options.database,
    ssl: tls(options),
    options: SESSION,
    application_name: APPLICATION_NAME,
    client_encoding: 'UTF8',
    connectionTimeoutMillis: options.connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
  };
}

/** The same server and database as the role that may change tables. */
export function asOwner(options: ConnectionOptions): ConnectionOptions {
  const { migrationUser, migrationPassword } = options;
  if (!migrationUser) return options;
  return { ...options, user: migrationUser, password: migrationPassword };
}

/** What to throw when connecting failed: typed and with the address, unless it is not about the connection at all. */
export function connectError(options: ConnectionOptions, error: unknown): unknown {
  if (!isConnectionFailure(error)) return error;
  const { host, port, database } = options;
  // a name with several addresses fails with one error for each, and no message of its own
  const first = error instanceof AggregateError ? error.errors[0] : error;
  const reason = first instanceof Error ? first.message : String(first);
  return new DataUnavailableError(
    'connection',
    `PostgreSQL at ${host}:${port}, database ${database}, cannot be used: ${reason}`,
    { cause: error },
  );
}
