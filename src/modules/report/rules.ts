/**
 * What a report of the agent means for a virtual machine and its task. Pure, and level-triggered:
 * it compares what should be with what is, so a lost or repeated report changes nothing in the end.
 */
import type { DesiredState, PowerState } from '../../gen/client/enums.js';
import { SUCCESS, type TaskEnd } from '../task/rules.js';
import { isPlausibleGeneration, settledState } from '../virtual-machine/rules.js';

export interface KnownVm {
  readonly powerState: PowerState;
  readonly desiredState: DesiredState;
  readonly generation: number;
  readonly observedGeneration: number;
  readonly capacityClaimed: boolean;
  /** On its way from another node: that this one does not have it yet is no news. */
  readonly arriving?: boolean;
}

/** One virtual machine of a report. `generation`: the newest that the agent has finished, done or failed. */
export interface Observation {
  readonly powerState: PowerState;
  readonly generation: number;
  readonly error: { readonly generation: number; readonly reason: string } | null;
}

export interface Verdict {
  /** The machine is gone from the node, as it should be: delete the row. */
  readonly gone: boolean;
  readonly powerState: PowerState;
  readonly desiredState: DesiredState;
  readonly observedGeneration: number;
  readonly releaseCapacity: boolean;
  /** How the task of the present generation ended; null while it goes on. */
  readonly taskEnd: TaskEnd | null;
  /** Shown to people; null leaves what is there, as every report does that brings no news. */
  readonly statusMessage: string | null;
}

const LOST = 'Its node lost it; it is being brought back';

/** @param seen null: the report does not mention the machine. */
export function observe(vm: KnownVm, seen: Observation | null): Verdict {
  const unchanged: Verdict = {
    gone: false,
    powerState: vm.powerState,
    desiredState: vm.desiredState,
    observedGeneration: vm.observedGeneration,
    releaseCapacity: false,
    taskEnd: null,
    statusMessage: null,
  };
  if (seen === null && vm.arriving === true && vm.desiredState !== 'STOPPED') return unchanged;
  if (seen === null) return absent(vm, unchanged);
  if (!isPlausibleGeneration(vm, seen.generation)) return unchanged; // the agent is at fault
  if (seen.generation < vm.observedGeneration) return unchanged; // an older report, overtaken
  if (seen.generation < vm.generation)
    return { ...unchanged, powerState: seen.powerState, observedGeneration: seen.generation };
  return acknowledged(vm, seen, unchanged);
}

/** Whether a machine that is seen like this takes room on its node. Of one that its agent cannot see, nobody knows. */
export function occupies(seen: PowerState): boolean {
  return seen !== 'STOPPED' && seen !== 'UNKNOWN';
}

/** A machine that the node does not have is not running there. */
function absent(vm: KnownVm, unchanged: Verdict): Verdict {
  if (vm.desiredState === 'DELETED') return { ...unchanged, gone: true, taskEnd: SUCCESS };
  if (vm.desiredState === 'STOPPED') {
    const observedGeneration = Math.max(vm.generation, vm.observedGeneration);
    const news = vm.powerState !== 'STOPPED' || vm.observedGeneration < observedGeneration;
    return {
      ...unchanged,
      powerState: 'STOPPED',
      observedGeneration,
      releaseCapacity: vm.capacityClaimed,
      taskEnd: SUCCESS,
      statusMessage: news ? '' : null,
    };
  }
  // It should run (or be paused): the assignment goes out again. Capacity stays claimed, it is coming back.
  const wasThere = vm.powerState !== 'STOPPED';
  return { ...unchanged, powerState: 'STOPPED', statusMessage: wasThere ? LOST : null };
}

/** The agent has finished what was asked for last: well, badly, or the guest has gone its own way since. */
function acknowledged(vm: KnownVm, seen: Observation, unchanged: Verdict): Verdict {
  const base = { ...unchanged, powerState: seen.powerState, observedGeneration: seen.generation };
  // Reports repeat themselves: why a machine went down is to be read until something else happens to it.
  const news = seen.powerState !== vm.powerState || seen.generation > vm.observedGeneration;
  const failure =
    seen.error !== null && seen.error.generation === vm.generation ? seen.error.reason : null;
  if (failure === null && seen.powerState === vm.desiredState) {
    const release = vm.desiredState === 'STOPPED' && vm.capacityClaimed;
    return { ...base, releaseCapacity: release, taskEnd: SUCCESS, statusMessage: news ? '' : null };
  }
  const reason = failure ?? `It is ${seen.powerState} although it should be ${vm.desiredState}`;
  const desiredState = settledState(seen.powerState, vm.desiredState);
  return {
    ...base,
    desiredState,
    releaseCapacity: vm.capacityClaimed && seen.powerState === 'STOPPED',
    taskEnd: {
      status: 'FAILED',
      errorCode: failure === null ? 'UNEXPECTED_STATE' : 'AGENT',
      errorMessage: reason,
    },
    statusMessage: news ? reason.slice(0, 1000) : null,
  };
}

/**
 * Whether the agent must be told (again) what should be. What it says now counts, not what it said once:
 * an agent that has forgotten a generation it had finished is told of it again.
 */
export function needsAssignment(vm: KnownVm, seen: Observation | null): boolean {
  if (seen !== null)
    return seen.generation < vm.generation || !isPlausibleGeneration(vm, seen.generation);
  if (vm.generation > vm.observedGeneration) return true;
  return vm.desiredState !== 'STOPPED' && vm.desiredState !== 'DELETED';
}
