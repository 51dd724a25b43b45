/** Structured logs: one JSON object a line, a constant message and fields, secrets redacted wherever they appear. */
import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/** Names of fields whose values never reach a log line or an audit entry. Matched without case, anywhere in a name. */
export const SECRET_NAMES =
  /password|passwd|secret|token|authorization|cookie|private_?key|api_?key/i;

const REDACTED_PATHS = ['password', 'secret', 'token', 'authorization', 'cookie'].flatMap(
  (name) => [name, `*.${name}`, `*.*.${name}`],
);

/** Makes the process's logger. `destination` defaults to standard output. */
export function createLogger(
  options: { level: string; name?: string },
  destination?: DestinationStream,
): Logger {
  const settings = {
    level: options.level,
    base: { name: options.name ?? 'qx-controlplane', pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: REDACTED_PATHS, censor: '***' },
  };
  return destination ? pino(settings, destination) : pino(settings);
}
