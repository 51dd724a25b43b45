/**
 * Runs controllers: loops that only the leader runs. Each round takes no input, re-reads everything, and may be cut off
 * at any point; the next round finishes what it began. A failing round is retried with growing pauses; it never ends the loop.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Services } from '../core/context.js';

export interface Controller {
  readonly name: string;
  readonly intervalMs: number;
  /** One round. `stillLeading` is to be asked before every write. `leadingSince`: when the present term began, for judging what was not heard. */
  run(
    services: Services,
    stillLeading: () => boolean,
    signal: AbortSignal,
    leadingSince: Date,
  ): Promise<void>;
}

const MAX_BACKOFF_MS = 60_000;

export interface ControllerRunner {
  stop(): Promise<void>;
}

export function startControllers(
  services: Services,
  controllers: readonly Controller[],
): ControllerRunner {
  const stopping = new AbortController();
  const loops = controllers.map((controller) => loop(services, controller, stopping.signal));
  return {
    async stop() {
      stopping.abort();
      await Promise.all(loops);
    },
  };
}

async function loop(
  services: Services,
  controller: Controller,
  signal: AbortSignal,
): Promise<void> {
  const { log, metrics, coordination, clock } = services;
  let failures = 0;
  let token: bigint | undefined;
  let leadingSince = clock.now();
  while (!signal.aborted) {
    const pause = Math.min(
      controller.intervalMs * 2 ** failures,
      Math.max(MAX_BACKOFF_MS, controller.intervalMs),
    );
    await sleep(pause, undefined, { signal, ref: false }).catch(() => undefined);
    const term = coordination.leadership();
    if (term?.fencingToken !== token) leadingSince = clock.now();
    token = term?.fencingToken;
    if (signal.aborted || !term?.valid()) continue;
    try {
      const stillLeading = () => term.valid() && !signal.aborted;
      await controller.run(services, stillLeading, signal, leadingSince);
      failures = 0;
      metrics.controllerRuns.inc({ controller: controller.name, outcome: 'ok' });
    } catch (err) {
      if (signal.aborted) return;
      failures = Math.min(failures + 1, 6);
      metrics.controllerRuns.inc({ controller: controller.name, outcome: 'failed' });
      log.warn({ err, controller: controller.name, failures }, 'a controller round failed');
    }
  }
}
