/** Tells the log of statements that take long: without their values, and without flooding it when all of them do. */
import type { StatementListener } from '../data/client.js';
import type { Logger } from '../log.js';

export interface SlowStatementOptions {
  /** What takes at least so long is slow; 0: nothing is. */
  readonly thresholdMs: number;
  readonly log: Pick<Logger, 'warn'>;
  /** Milliseconds that only ever rise. */
  monotonic(): number;
  /** The request that the statement belongs to. Prisma can merge reads of several requests into one: then that of the first. */
  requestId(): string | null;
  /** Called for each slow statement, those that are not logged included. */
  count(): void;
}

/** So many lines in a window; how many more there were is said by the first line of a later one. */
export const LINES = 10;
export const WINDOW_MS = 10_000;
/** Prisma writes long lists of columns; what tells statements apart is mostly in front. */
const LONGEST_TEXT = 2_000;

/** Values are never in `sql`: they travel as parameters. */
export function slowStatementLog(options: SlowStatementOptions): StatementListener {
  const { thresholdMs, log } = options;
  let opened = Number.NEGATIVE_INFINITY;
  let lines = 0;
  let unlogged = 0;

  return (sql, durationMs) => {
    if (thresholdMs === 0 || durationMs < thresholdMs) return;
    options.count();
    const now = options.monotonic();
    if (now - opened >= WINDOW_MS) {
      opened = now;
      lines = 0;
    }
    if (lines === LINES) {
      unlogged += 1;
      return;
    }
    lines += 1;
    log.warn(
      {
        durationMs: Math.round(durationMs),
        statement: sql.slice(0, LONGEST_TEXT),
        requestId: options.requestId(),
        ...(unlogged > 0 ? { unlogged } : {}),
      },
      'slow statement',
    );
    unlogged = 0;
  };
}
