/**
 * Runs controllers: loops that only the leader runs. Each round takes no input, re-reads everything, and may be cut off
 * at any point; the next round finishes what it began. A failing round is retried with growing pauses; it never ends the loop.
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Leadership } from '../coordination/coordination.js';
import type { Services } from '../core/context.js';
import { claimTerm } from '../core/fencing.js';

/** What a round is given: the term comes with it, so that whatever the round writes is refused once the term is over. */
export interface TermServices extends Services {
  readonly term?: Leadership | undefined;
}

export interface Controller {
  readonly name: string;
  readonly intervalMs: number;
  /** One round. `stillLeading` is to be asked before every write. `leadingSince`: when the present term began, for judging what was not heard. */
  run(
    services: TermServices,
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
  setMaxListeners(0, stopping.signal); // one for each controller's statement
  const claim = claimOnce(services);
  const loops = controllers.map((controller) => loop(services, controller, claim, stopping.signal));
  return {
    async stop() {
      stopping.abort();
      await Promise.all(loops);
    },
  };
}

/** A term is claimed in the database once, by whichever loop comes first; the others wait for it. A failed claim is made again. */
function claimOnce({ data, coordination, clock }: Services) {
  const claims = new WeakMap<Leadership, Promise<void>>();
  return (term: Leadership): Promise<void> => {
    const known = claims.get(term);
    if (known) return known;
    const claim = claimTerm(data.db, term, coordination.id, clock.now());
    claims.set(term, claim);
    claim.catch(() => claims.delete(term));
    return claim;
  };
}

async function loop(
  services: Services,
  controller: Controller,
  claim: (term: Leadership) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { log, metrics, coordination, clock } = services;
  let failures = 0;
  let lastTerm: Leadership | null = null;
  let leadingSince = clock.now();
  while (!signal.aborted) {
    const pause = Math.min(
      controller.intervalMs * 2 ** failures,
      Math.max(MAX_BACKOFF_MS, controller.intervalMs),
    );
    await sleep(pause, undefined, { signal, ref: false }).catch(() => undefined);
    const term = coordination.leadership();
    if (term !== lastTerm) leadingSince = clock.now();
    lastTerm = term;
    if (signal.aborted || !term?.valid()) continue;
    try {
      const stillLeading = () => term.valid() && !signal.aborted;
      await claim(term);
      if (!stillLeading()) continue; // the claim waits for what the leader before had begun
      await controller.run({ ...services, term }, stillLeading, signal, leadingSince);
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
