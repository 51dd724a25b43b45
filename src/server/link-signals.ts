/** Several reasons to stop as one signal. */
import { setMaxListeners } from 'node:events';

export interface LinkedSignal {
  readonly signal: AbortSignal;
  abort(reason: unknown): void;
  /** To be called when the work is over. */
  unlink(): void;
}

/** Not AbortSignal.any: each of those would leave something behind on a signal that lives as long as the process. */
export function linkSignals(sources: readonly AbortSignal[]): LinkedSignal {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal); // each statement of a request listens, and stops when it is through
  const listeners = sources.map((source) => {
    const listener = (): void => controller.abort(source.reason);
    source.addEventListener('abort', listener, { once: true });
    return { source, listener };
  });
  const aborted = sources.find((source) => source.aborted);
  if (aborted) controller.abort(aborted.reason);
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    unlink() {
      for (const { source, listener } of listeners) source.removeEventListener('abort', listener);
    },
  };
}
