/** What a command that failed says on standard error, and its exit code: 1 failed, 2 wrong usage or configuration. */
import { ConfigError } from '../config/errors.js';
import { UsageError } from './usage.js';

export interface Failure {
  readonly code: 1 | 2;
  readonly message: string;
}

export function failureOf(error: unknown): Failure {
  if (error instanceof UsageError)
    return { code: 2, message: `${error.message}\nTry "qx-controlplane --help".` };
  if (error instanceof ConfigError) return { code: 2, message: error.message };
  return { code: 1, message: error instanceof Error ? error.message : String(error) };
}
