/** What the tests of the agent share: a clock driven by hand, and assignments with defaults. */
import type { Assignment, ObservedVm } from '../../src/agent/types.js';

export interface ManualClock {
  now(): number;
  advance(ms: number): void;
}

export function manualClock(startMs = Date.UTC(2026, 0, 5, 9)): ManualClock {
  let nowMs = startMs;
  return {
    now: () => nowMs,
    advance(ms) {
      nowMs += ms;
    },
  };
}

const DESIRED = {
  START: 'RUNNING',
  STOP: 'STOPPED',
  REBOOT: 'RUNNING',
  PAUSE: 'PAUSED',
  RESUME: 'RUNNING',
  SUSPEND: 'SUSPENDED',
  RESET: 'RUNNING',
  RESIZE: 'RUNNING',
  RECONFIGURE: 'RUNNING',
  MIGRATE: 'RUNNING',
  DELETE: 'DELETED',
} as const;

/** An assignment of generation 1 for `vm-1`; the desired state follows from the operation unless it is given. */
export function assignment(changes: Partial<Assignment> = {}): Assignment {
  const operation = changes.operation === undefined ? 'START' : changes.operation;
  return {
    virtualMachineId: 'vm-1',
    name: 'web',
    desiredState: operation === null ? 'RUNNING' : DESIRED[operation],
    operation,
    generation: 1,
    force: false,
    graceMs: 30_000,
    spec: { vcpus: 2, memoryMib: 2_048, guestOs: 'alpine' },
    ...changes,
  };
}

/** The one observed virtual machine; throws when there is none or more than one. */
export function only(observed: ObservedVm[]): ObservedVm {
  const [first] = observed;
  if (first === undefined || observed.length !== 1) {
    throw new Error(`expected one virtual machine, observed ${observed.length}`);
  }
  return first;
}
