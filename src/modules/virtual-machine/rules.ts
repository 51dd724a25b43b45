/**
 * The states of a virtual machine and what may be done in each: one table. Pure.
 * The tests run every pair of it; docs/states.md is printed from it.
 */
import { InvalidStateError } from '../../errors.js';
import type { DesiredState, PowerState } from '../../gen/client/enums.js';

/** Operations whose end is a power state. */
export type PowerOperation =
  | 'START'
  | 'STOP'
  | 'REBOOT'
  | 'RESET'
  | 'PAUSE'
  | 'RESUME'
  | 'SUSPEND'
  | 'DELETE';

/** All operations on a virtual machine that its state has a say in. */
export type Operation =
  | PowerOperation
  | 'MIGRATE'
  | 'RESIZE'
  | 'RECONFIGURE'
  | 'CREATE_SNAPSHOT'
  | 'REVERT_SNAPSHOT'
  | 'DELETE_SNAPSHOT'
  | 'CLONE'
  | 'PROMOTE';

interface OperationRule {
  /** States that the operation starts from. */
  readonly from: readonly PowerState[];
  /** States in which there is nothing to do: it succeeds and changes nothing. */
  readonly already: readonly PowerState[];
  /** Further states that it starts from when the caller forces it. */
  readonly forced: readonly PowerState[];
  /** What should be from then on; null: as before. */
  readonly desired: DesiredState | null;
  /** What to do instead, by state. */
  readonly hints: Partial<Record<PowerState, string>>;
}

const ASK_THE_NODE = 'Its node does not report; bring the node back first.';

export const OPERATIONS: Readonly<Record<Operation, OperationRule>> = {
  START: {
    from: ['STOPPED', 'CRASHED'],
    already: ['RUNNING'],
    forced: [],
    desired: 'RUNNING',
    hints: { PAUSED: 'Resume it instead.', SUSPENDED: 'Resume it instead.', UNKNOWN: ASK_THE_NODE },
  },
  STOP: {
    from: ['RUNNING', 'PAUSED', 'SUSPENDED', 'CRASHED'],
    already: ['STOPPED'],
    forced: [],
    desired: 'STOPPED',
    hints: { UNKNOWN: ASK_THE_NODE },
  },
  REBOOT: {
    from: ['RUNNING'],
    already: [],
    forced: [],
    desired: 'RUNNING',
    hints: {
      STOPPED: 'Start it instead.',
      CRASHED: 'Start it instead.',
      PAUSED: 'Resume it first.',
      SUSPENDED: 'Resume it first.',
      UNKNOWN: ASK_THE_NODE,
    },
  },
  RESET: {
    from: ['RUNNING', 'PAUSED', 'CRASHED'],
    already: [],
    forced: [],
    desired: 'RUNNING',
    hints: {
      STOPPED: 'Start it instead.',
      SUSPENDED: 'Resume it first.',
      UNKNOWN: ASK_THE_NODE,
    },
  },
  PAUSE: {
    from: ['RUNNING'],
    already: ['PAUSED'],
    forced: [],
    desired: 'PAUSED',
    hints: { UNKNOWN: ASK_THE_NODE },
  },
  RESUME: {
    from: ['PAUSED', 'SUSPENDED'],
    already: ['RUNNING'],
    forced: [],
    desired: 'RUNNING',
    hints: { STOPPED: 'Start it instead.', CRASHED: 'Start it instead.', UNKNOWN: ASK_THE_NODE },
  },
  SUSPEND: {
    from: ['RUNNING'],
    already: ['SUSPENDED'],
    forced: [],
    desired: 'SUSPENDED',
    hints: {
      PAUSED: 'Resume it first.',
      UNKNOWN: ASK_THE_NODE,
    },
  },
  DELETE: {
    from: ['STOPPED', 'CRASHED'],
    already: [],
    forced: ['RUNNING', 'PAUSED', 'SUSPENDED'],
    desired: 'DELETED',
    hints: {
      RUNNING: 'Stop it first, or set "force".',
      PAUSED: 'Stop it first, or set "force".',
      SUSPENDED: 'Stop it first, or set "force".',
      UNKNOWN: ASK_THE_NODE,
    },
  },
  MIGRATE: {
    from: ['RUNNING', 'PAUSED', 'STOPPED'],
    already: [],
    forced: [],
    desired: null,
    hints: {
      SUSPENDED: 'Resume it first.',
      CRASHED: 'Start or stop it first.',
      UNKNOWN: ASK_THE_NODE,
    },
  },
  RESIZE: {
    from: ['STOPPED', 'RUNNING'],
    already: [],
    forced: [],
    desired: null,
    hints: {
      PAUSED: 'Stop it first.',
      SUSPENDED: 'Stop it first.',
      CRASHED: 'Stop it first.',
      UNKNOWN: ASK_THE_NODE,
    },
  },
  RECONFIGURE: {
    from: ['STOPPED', 'RUNNING'],
    already: [],
    forced: [],
    desired: null,
    hints: {
      PAUSED: 'Resume or stop it first.',
      SUSPENDED: 'Resume or stop it first.',
      CRASHED: 'Stop it first.',
      UNKNOWN: ASK_THE_NODE,
    },
  },
  CREATE_SNAPSHOT: {
    from: ['RUNNING', 'PAUSED', 'STOPPED', 'SUSPENDED'],
    already: [],
    forced: [],
    desired: null,
    hints: { CRASHED: 'Stop it first.', UNKNOWN: ASK_THE_NODE },
  },
  REVERT_SNAPSHOT: {
    from: ['STOPPED'],
    already: [],
    forced: ['RUNNING', 'PAUSED', 'SUSPENDED', 'CRASHED'],
    desired: 'STOPPED',
    hints: {
      RUNNING: 'Stop it first, or set "force".',
      PAUSED: 'Stop it first, or set "force".',
      SUSPENDED: 'Stop it first, or set "force".',
      CRASHED: 'Stop it first, or set "force".',
      UNKNOWN: ASK_THE_NODE,
    },
  },
  DELETE_SNAPSHOT: {
    from: ['RUNNING', 'PAUSED', 'STOPPED', 'SUSPENDED', 'CRASHED'],
    already: [],
    forced: [],
    desired: null,
    hints: { UNKNOWN: ASK_THE_NODE },
  },
  CLONE: {
    from: ['STOPPED', 'RUNNING', 'PAUSED', 'SUSPENDED'],
    already: [],
    forced: [],
    desired: null,
    hints: { CRASHED: 'Stop it first.', UNKNOWN: ASK_THE_NODE },
  },
  PROMOTE: {
    from: ['STOPPED', 'RUNNING', 'PAUSED', 'SUSPENDED'],
    already: [],
    forced: [],
    desired: null,
    hints: { CRASHED: 'Stop it first.', UNKNOWN: ASK_THE_NODE },
  },
};

/** States in which network interfaces come, go and change; in the others the guest could not follow. */
export const WIRING_STATES: readonly PowerState[] = ['STOPPED', 'RUNNING'];

/** @throws InvalidStateError while network interfaces cannot be changed */
export function requireWirable(state: PowerState): void {
  if (WIRING_STATES.includes(state)) return;
  const hint = `It must be ${WIRING_STATES.join(' or ')}.`;
  throw new InvalidStateError(
    'Changing its network interfaces',
    state,
    allowedOperations(state),
    hint,
  );
}

/** Nothing can be shut down gently from these: a stop is a power-off at once. */
export function stopsByForce(state: PowerState): boolean {
  return state === 'SUSPENDED' || state === 'CRASHED';
}

export function allowedOperations(state: PowerState): Operation[] {
  return (Object.keys(OPERATIONS) as Operation[]).filter((name) =>
    OPERATIONS[name].from.includes(state),
  );
}

/**
 * Whether an operation goes ahead or is done already.
 * @throws InvalidStateError naming the state and what is possible instead
 */
export function decide(
  operation: Operation,
  state: PowerState,
  force: boolean,
): 'proceed' | 'already' {
  const rule = OPERATIONS[operation];
  if (rule.already.includes(state)) return 'already';
  if (rule.from.includes(state) || (force && rule.forced.includes(state))) return 'proceed';
  throw new InvalidStateError(operation, state, allowedOperations(state), rule.hints[state]);
}

/**
 * How far an agent may be ahead of its machine's row. It only finishes generations that it was given, so it is ahead exactly when
 * the database was restored from a backup, by the operations since: a million is one each second for eleven days.
 */
export const MAX_LEAD = 1_000_000;
/** No machine has as many operations. Kept far below the column's end, so that counting on is always possible. */
const MAX_GENERATION = 1_000_000_000;

/** Whether an agent can have been given this generation. One that cannot is a fault of the agent and must not become the row's. */
export function isPlausibleGeneration(vm: { generation: number }, claimed: number): boolean {
  return claimed <= Math.max(vm.generation, Math.min(vm.generation + MAX_LEAD, MAX_GENERATION));
}

/** Beyond all that the agent has ever seen: after the database was restored from a backup, that may be more than its row knows. */
export function nextGeneration(vm: { generation: number; observedGeneration: number }): number {
  return Math.max(vm.generation, vm.observedGeneration) + 1;
}

/** What should be from now on when an operation came to nothing: whatever is, so that nothing happens later by surprise. */
export function settledState(observed: PowerState, desired: DesiredState): DesiredState {
  if (observed === 'UNKNOWN') return desired === 'DELETED' ? 'STOPPED' : desired;
  return observed === 'CRASHED' ? 'STOPPED' : observed;
}

export type Labels = Readonly<Record<string, string>>;

/** The labels with some set and others removed; null when that changes nothing. */
export function relabelled(labels: Labels, set: Labels, remove: readonly string[]): Labels | null {
  const kept = Object.entries(labels).filter(([key]) => !remove.includes(key));
  const same = Object.entries(set).every(
    ([key, value]) => Object.hasOwn(labels, key) && labels[key] === value,
  );
  if (same && kept.length === Object.keys(labels).length) return null;
  return { ...Object.fromEntries(kept), ...set };
}
