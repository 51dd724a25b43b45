/** How long each step of a simulated hypervisor takes. */
import type { Assignment, PowerState, Step } from './hypervisor.js';

/** Milliseconds at speed 1. Infinity means never: a guest that ignores shutdown requests has `stop: Infinity`. */
export interface SimulatedDurations {
  start: number;
  /** A guest that shuts itself down when asked. */
  stop: number;
  forcedStop: number;
  reboot: number;
  reset: number;
  /** Taking over a machine that arrives. */
  arrive: number;
  resize: number;
  pause: number;
  resume: number;
  suspend: number;
  /** Removing what is left of a stopped virtual machine. */
  delete: number;
  /** From power-on until the guest's own agent answers. */
  guestBoot: number;
}

export const DEFAULT_DURATIONS: Readonly<SimulatedDurations> = {
  start: 1_500,
  stop: 1_000,
  forcedStop: 100,
  reboot: 2_000,
  reset: 1_500,
  arrive: 100,
  resize: 300,
  pause: 200,
  resume: 200,
  suspend: 1_000,
  delete: 100,
  guestBoot: 3_000,
};

/** How long `step` takes from state `from`, in milliseconds at speed 1. */
export function stepDurationMs(
  step: Step,
  from: PowerState,
  assignment: Pick<Assignment, 'force' | 'graceMs'>,
  durations: SimulatedDurations,
): number {
  switch (step) {
    case 'START':
      return durations.start;
    case 'STOP':
      return stopDurationMs(from, assignment, durations);
    case 'REBOOT':
      return durations.reboot;
    case 'RESET':
      return durations.reset;
    case 'MIGRATE':
      return durations.arrive;
    case 'RESIZE':
    case 'RECONFIGURE':
      return durations.resize;
    case 'PAUSE':
      return durations.pause;
    case 'RESUME':
      return durations.resume;
    case 'SUSPEND':
      return durations.suspend;
    case 'DELETE':
      return durations.delete;
  }
}

function stopDurationMs(
  from: PowerState,
  { force, graceMs }: Pick<Assignment, 'force' | 'graceMs'>,
  durations: SimulatedDurations,
): number {
  // What does not run cannot be asked to shut down: a crashed or suspended guest is simply discarded.
  const canListen = from === 'RUNNING' || from === 'PAUSED';
  if (force || !canListen) return durations.forcedStop;
  // A paused guest has to be woken before it can hear the request.
  const wake = from === 'PAUSED' ? durations.resume : 0;
  const graceful = wake + durations.stop;
  return graceful <= graceMs ? graceful : graceMs + durations.forcedStop;
}
