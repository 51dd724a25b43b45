/**
 * A hypervisor without hypervisor: virtual machines in memory that take time to start, use CPU and can crash.
 *
 * There are no timers. Every call first settles what should have happened since the last one, so a test drives the
 * clock by hand, a thousand idle virtual machines cost nothing, and nothing is left running after `close()`.
 * What the agent's process loses in a restart is lost here too: the control plane assigns it again.
 */
import type { Assignment, Hypervisor } from './hypervisor.js';
import { DEFAULT_DURATIONS, type SimulatedDurations } from './simulated-durations.js';
import { SimulatedVm, type SimulatedWorld } from './simulated-vm.js';
import type { TimeSource } from './types.js';

export interface SimulatedHypervisorOptions {
  /** By default the wall clock as it was at start, carried on by a clock that is never set back. */
  clock?: TimeSource;
  /** How many times faster than life operations go; guests get that much less grace, too. */
  speed?: number;
  /** Replaces single durations, in milliseconds before `speed`. */
  durations?: Partial<SimulatedDurations>;
  /** Called once for each accepted assignment that has work to do; a reason makes its first step fail. */
  failure?: (assignment: Assignment) => string | null;
  /** Gives the guests of this hypervisor their own load. */
  seed?: string | number;
}

/** What the guests together take from the node. */
export interface Workload {
  running: number;
  /** Logical CPUs' worth of work; may exceed what the node has. */
  busyCpus: number;
  memoryUsedMib: number;
}

export interface SimulatedHypervisor extends Hypervisor {
  /** What all guests together use now. */
  workload(): Workload;
  /** Makes a virtual machine crash. False when it is not here, or has nothing running that could crash. */
  crash(virtualMachineId: string): boolean;
}

/** Generations of deleted virtual machines are remembered, so that a late message does not bring one back. */
const REMEMBERED_DELETIONS = 10_000;

const steadyWallClock: TimeSource = { now: () => performance.timeOrigin + performance.now() };

/**
 * Makes an empty hypervisor. After `close()` it ignores assignments and observes nothing.
 *
 * @throws RangeError when `speed` or a duration is not a usable number
 */
export function createSimulatedHypervisor(
  options: SimulatedHypervisorOptions = {},
): SimulatedHypervisor {
  const world: SimulatedWorld = {
    durations: { ...DEFAULT_DURATIONS, ...options.durations },
    speed: options.speed ?? 1,
    seed: String(options.seed ?? ''),
    failure: options.failure ?? (() => null),
  };
  checkWorld(world);
  const clock = forwardOnly(options.clock ?? steadyWallClock);
  const machines = new Map<string, SimulatedVm>();
  const deletedGenerations = new Map<string, number>();
  let closed = false;

  function forget(virtualMachineId: string, generation: number): void {
    machines.delete(virtualMachineId);
    // Deleted and set again, an entry moves to the end: the first one is always the oldest.
    deletedGenerations.delete(virtualMachineId);
    deletedGenerations.set(virtualMachineId, generation);
    if (deletedGenerations.size <= REMEMBERED_DELETIONS) return;
    const [oldest] = deletedGenerations.keys();
    if (oldest !== undefined) deletedGenerations.delete(oldest);
  }

  function settle(virtualMachineId: string, nowMs: number): void {
    const machine = machines.get(virtualMachineId);
    if (machine?.settle(nowMs)) forget(virtualMachineId, machine.generation);
  }

  function settleAll(nowMs: number): void {
    for (const virtualMachineId of machines.keys()) settle(virtualMachineId, nowMs);
  }

  return {
    apply(assignment) {
      if (closed) return;
      const { nowMs } = clock.read();
      const { virtualMachineId, generation, desiredState } = assignment;
      settle(virtualMachineId, nowMs);
      const machine = machines.get(virtualMachineId);
      const accepted = machine?.generation ?? deletedGenerations.get(virtualMachineId);
      if (accepted !== undefined && generation <= accepted) return;

      const copy = { ...assignment, spec: { ...assignment.spec } };
      if (machine !== undefined) {
        machine.supersede(copy, nowMs);
      } else if (desiredState === 'DELETED') {
        forget(virtualMachineId, generation);
      } else {
        deletedGenerations.delete(virtualMachineId);
        machines.set(virtualMachineId, new SimulatedVm(world, copy, nowMs));
      }
    },

    remove(virtualMachineId) {
      machines.delete(virtualMachineId);
      deletedGenerations.delete(virtualMachineId);
    },

    observe() {
      const { nowMs, atMs } = clock.read();
      settleAll(nowMs);
      return [...machines.values()].map((machine) => machine.describe(nowMs, atMs));
    },

    workload() {
      const { nowMs, atMs } = clock.read();
      settleAll(nowMs);
      const total: Workload = { running: 0, busyCpus: 0, memoryUsedMib: 0 };
      for (const machine of machines.values()) {
        const use = machine.use(nowMs, atMs);
        if (use.running) total.running += 1;
        total.busyCpus += use.busyCpus;
        total.memoryUsedMib += use.memoryUsedMib;
      }
      return total;
    },

    crash(virtualMachineId) {
      settle(virtualMachineId, clock.read().nowMs);
      return machines.get(virtualMachineId)?.crash() ?? false;
    },

    close() {
      closed = true;
      machines.clear();
      deletedGenerations.clear();
    },
  };
}

/** A clock that is set back must neither freeze operations nor undo progress: only forward movement counts. */
function forwardOnly(clock: TimeSource): { read(): { nowMs: number; atMs: number } } {
  let atMs = clock.now();
  let nowMs = atMs;
  return {
    read() {
      const reading = clock.now();
      nowMs += Math.max(0, reading - atMs);
      atMs = reading;
      return { nowMs, atMs };
    },
  };
}

function checkWorld({ speed, durations }: SimulatedWorld): void {
  if (!(speed > 0 && Number.isFinite(speed))) {
    throw new RangeError(`speed must be a positive number, not ${speed}`);
  }
  for (const [name, durationMs] of Object.entries(durations)) {
    if (durationMs >= 0) continue;
    throw new RangeError(`duration "${name}" must be 0 ms or more, not ${durationMs}`);
  }
}
