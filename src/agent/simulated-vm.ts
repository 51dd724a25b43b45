/**
 * One virtual machine of the simulated hypervisor: the steps it is going through, and what it shows at a moment.
 *
 * Time is always passed in: `nowMs` is the hypervisor's own clock, which only runs forward.
 */
import {
  type Assignment,
  type ObservedVm,
  planSteps,
  STEP_RULES,
  type Step,
} from './hypervisor.js';
import { type SimulatedDurations, stepDurationMs } from './simulated-durations.js';
import { guestCpuPercent, guestMemoryUsedMib } from './simulated-load.js';
import type { PowerState } from './types.js';

/** What is the same for all virtual machines of one hypervisor. */
export interface SimulatedWorld {
  durations: SimulatedDurations;
  speed: number;
  seed: string;
  failure: (assignment: Assignment) => string | null;
}

/** Steps under way. */
interface Progress {
  steps: readonly { step: Step; endsAtMs: number }[];
  next: number;
  startedAtMs: number;
  endsAtMs: number;
  failure: string | null;
}

/** A machine that arrives is not booted; how long it has run elsewhere is not known here. */
const BOOTS: readonly Step[] = ['START', 'REBOOT', 'RESET', 'MIGRATE'];

export class SimulatedVm {
  #powerState: PowerState = 'STOPPED';
  #finishedGeneration = 0;
  #error: ObservedVm['error'] = null;
  #progress: Progress | null = null;
  #bootedAtMs = 0;
  /** When the guest's time stopped (pause, suspend). */
  #frozenAtMs = 0;
  readonly #world: SimulatedWorld;
  #assignment: Assignment;

  /** Takes in a virtual machine that was not here: whatever the operation, its desired state is what counts. */
  constructor(world: SimulatedWorld, assignment: Assignment, nowMs: number) {
    this.#world = world;
    this.#assignment = assignment;
    this.#begin(null, nowMs);
  }

  get generation(): number {
    return this.#assignment.generation;
  }

  /** Starts over with a newer assignment, from whatever state the abandoned steps have reached. Settle first. */
  supersede(assignment: Assignment, nowMs: number): void {
    this.#assignment = assignment;
    this.#begin(this.#powerState, nowMs);
  }

  /** Brings the virtual machine up to date, each step at the moment it really ended. True once it is deleted. */
  settle(nowMs: number): boolean {
    const progress = this.#progress;
    while (progress !== null) {
      const current = progress.steps[progress.next];
      if (current === undefined) {
        this.#finish(null);
        return false;
      }
      if (current.endsAtMs > nowMs) return false;
      if (progress.failure !== null) {
        this.#finish(progress.failure);
        return false;
      }
      if (current.step === 'DELETE') return true;
      this.#land(current.step, current.endsAtMs);
      progress.next += 1;
    }
    return false;
  }

  /** Crashes what runs or is just starting. False when there is nothing to crash. Settle first. */
  crash(): boolean {
    const step = this.#currentStep();
    const alive = this.#powerState === 'RUNNING' || this.#powerState === 'PAUSED';
    if (!alive && step !== 'START') return false;
    this.#powerState = 'CRASHED';
    // Stopping a guest that has just died still ends with it stopped; nothing else can go on.
    if (step !== null && step !== 'STOP') {
      this.#finish(`the virtual machine crashed during ${this.#assignment.operation ?? step}`);
    }
    return true;
  }

  /**
   * What the guest takes from its node. A paused guest uses no CPU, but keeps its memory.
   *
   * @param atMs - the wall clock, which the guest's daily rhythm follows
   */
  use(nowMs: number, atMs: number): { running: boolean; busyCpus: number; memoryUsedMib: number } {
    const { cpuPercent, memoryMib } = this.#load(nowMs, atMs);
    return {
      running: this.#powerState === 'RUNNING',
      busyCpus: (cpuPercent / 100) * this.#assignment.spec.vcpus,
      memoryUsedMib: memoryMib,
    };
  }

  /** What the agent reports. Settle first. */
  describe(nowMs: number, atMs: number): ObservedVm {
    const running = this.#powerState === 'RUNNING';
    const { cpuPercent, memoryMib } = this.#load(nowMs, atMs);
    return {
      virtualMachineId: this.#assignment.virtualMachineId,
      powerState: this.#powerState,
      generation: this.#finishedGeneration,
      operation: this.#operationInProgress(),
      progressPercent: this.#progress === null ? null : percentDone(this.#progress, nowMs),
      error: this.#error === null ? null : { ...this.#error },
      ipAddresses: [],
      guestAgentRunning: running && this.#guestAgentAnswers(nowMs),
      cpuPercent,
      memoryUsedMib: running ? memoryMib : 0,
      uptimeSeconds: Math.floor(this.#uptimeMs(nowMs) / 1_000),
    };
  }

  #begin(from: PowerState | null, nowMs: number): void {
    const { durations, speed, failure } = this.#world;
    const plan = planSteps(from, this.#assignment);
    if ('refused' in plan) {
      this.#finish(plan.refused);
      return;
    }
    let endsAtMs = nowMs;
    let state = this.#powerState;
    const steps = plan.steps.map((step) => {
      endsAtMs += stepDurationMs(step, state, this.#assignment, durations) / speed;
      state = STEP_RULES[step].to ?? state;
      return { step, endsAtMs };
    });
    const reason = steps.length === 0 ? null : failure(this.#assignment);
    this.#progress = { steps, next: 0, startedAtMs: nowMs, endsAtMs, failure: reason };
    this.settle(nowMs);
  }

  #finish(failure: string | null): void {
    const { generation } = this.#assignment;
    this.#progress = null;
    this.#finishedGeneration = generation;
    this.#error = failure === null ? null : { generation, reason: failure };
  }

  #land(step: Exclude<Step, 'DELETE'>, atMs: number): void {
    if (BOOTS.includes(step)) this.#bootedAtMs = atMs;
    if (step === 'PAUSE' || step === 'SUSPEND') this.#frozenAtMs = atMs;
    if (step === 'RESUME') this.#bootedAtMs += atMs - this.#frozenAtMs;
    this.#powerState = STEP_RULES[step].to ?? this.#powerState;
  }

  #load(nowMs: number, atMs: number): { cpuPercent: number; memoryMib: number } {
    const running = this.#powerState === 'RUNNING';
    const paused = this.#powerState === 'PAUSED';
    if (!running && !paused) return { cpuPercent: 0, memoryMib: 0 };
    const { virtualMachineId, spec } = this.#assignment;
    const moment = {
      virtualMachineId,
      seed: this.#world.seed,
      memoryMib: spec.memoryMib,
      atMs: paused ? atMs - (nowMs - this.#frozenAtMs) : atMs,
      uptimeMs: this.#uptimeMs(nowMs),
    };
    return {
      cpuPercent: running ? guestCpuPercent(moment) : 0,
      memoryMib: guestMemoryUsedMib(moment),
    };
  }

  #uptimeMs(nowMs: number): number {
    if (this.#powerState === 'RUNNING') return nowMs - this.#bootedAtMs;
    return this.#powerState === 'PAUSED' ? this.#frozenAtMs - this.#bootedAtMs : 0;
  }

  #guestAgentAnswers(nowMs: number): boolean {
    const { durations, speed } = this.#world;
    if (this.#assignment.spec.guestOs === null || this.#currentStep() === 'REBOOT') return false;
    return this.#uptimeMs(nowMs) >= durations.guestBoot / speed;
  }

  #currentStep(): Step | null {
    return this.#progress?.steps[this.#progress.next]?.step ?? null;
  }

  #operationInProgress(): ObservedVm['operation'] {
    if (this.#progress === null) return null;
    return this.#assignment.operation ?? this.#currentStep();
  }
}

/** 100 is never shown: by then the generation is finished and there is no progress any more. */
function percentDone(progress: Progress, nowMs: number): number {
  const totalMs = progress.endsAtMs - progress.startedAtMs;
  if (!Number.isFinite(totalMs)) return 0;
  return Math.min(99, Math.floor((100 * (nowMs - progress.startedAtMs)) / totalMs));
}
