/**
 * What every hypervisor has to agree on: which step is possible from which power state, and which steps lead to
 * what an assignment asks for. Pure; how a step is carried out, and how long it takes, is the hypervisor's business.
 */
import type { Assignment, DesiredState, PowerState, VmOperation } from './types.js';

export type { Assignment, DesiredState, Hypervisor, ObservedVm, PowerState } from './types.js';

/** One thing a hypervisor can do. MIGRATE: take a machine over that arrives from another node. */
export type Step = VmOperation;

interface StepRule {
  readonly from: readonly PowerState[];
  /** States in which the step has nothing left to do, and succeeds. */
  readonly already: readonly PowerState[];
  /** The state it leaves behind; null when it leaves nothing. */
  readonly to: PowerState | null;
}

/** The state table. UNKNOWN is in no row: nothing is done to a virtual machine whose state cannot be seen. */
export const STEP_RULES: Readonly<Record<Step, StepRule>> = {
  START: { from: ['STOPPED', 'CRASHED'], already: ['RUNNING'], to: 'RUNNING' },
  STOP: {
    from: ['RUNNING', 'PAUSED', 'SUSPENDED', 'CRASHED'],
    already: ['STOPPED'],
    to: 'STOPPED',
  },
  REBOOT: { from: ['RUNNING'], already: [], to: 'RUNNING' },
  RESET: { from: ['RUNNING', 'PAUSED', 'CRASHED'], already: [], to: 'RUNNING' },
  PAUSE: { from: ['RUNNING'], already: ['PAUSED'], to: 'PAUSED' },
  RESUME: { from: ['PAUSED', 'SUSPENDED'], already: ['RUNNING'], to: 'RUNNING' },
  SUSPEND: { from: ['RUNNING'], already: ['SUSPENDED'], to: 'SUSPENDED' },
  MIGRATE: { from: ['STOPPED'], already: ['RUNNING', 'PAUSED'], to: 'RUNNING' },
  RESIZE: { from: ['RUNNING'], already: ['STOPPED'], to: 'RUNNING' },
  RECONFIGURE: { from: ['RUNNING'], already: ['STOPPED'], to: 'RUNNING' },
  DELETE: { from: ['STOPPED', 'CRASHED'], already: [], to: null },
};

/** The steps to take, in order (possibly none), or why nothing is done. */
export type Plan = { steps: readonly Step[] } | { refused: string };

/**
 * Decides what an assignment means for a virtual machine in state `current`.
 *
 * A named operation obeys the state table, and is refused with a reason where the table does not allow it.
 * Without one, or when `current` is null (this hypervisor does not hold the virtual machine, perhaps because it
 * lost it in a restart), the shortest way to the desired state is taken: otherwise a restart in the middle of a
 * reboot would leave a virtual machine down that everybody wants up.
 */
export function planSteps(
  current: PowerState | null,
  assignment: Pick<Assignment, 'operation' | 'desiredState'>,
): Plan {
  const { operation, desiredState } = assignment;
  // Deleting cannot be undone, so it takes both words: an assignment that contradicts itself destroys nothing.
  if (operation === 'DELETE' && desiredState !== 'DELETED') {
    return { refused: `DELETE contradicts the desired state ${desiredState}` };
  }
  // What arrives runs already: it is taken over, and paused again if it was.
  if (current === null && operation === 'MIGRATE' && desiredState !== 'DELETED')
    return arrive(desiredState);
  if (current === null)
    return desiredState === 'DELETED' ? { steps: [] } : way('STOPPED', desiredState);
  if (operation === null || operation === 'DELETE') return way(current, desiredState);

  const rule = STEP_RULES[operation];
  if (rule.already.includes(current)) return way(current, desiredState);
  if (!rule.from.includes(current)) return { refused: refusal(operation, current) };
  const rest = way(rule.to ?? current, desiredState);
  return 'refused' in rest ? rest : { steps: [operation, ...rest.steps] };
}

function arrive(desired: DesiredState): Plan {
  const rest = way('RUNNING', desired);
  return 'refused' in rest ? rest : { steps: ['MIGRATE', ...rest.steps] };
}

const WAY_TO_RUNNING: Readonly<Record<Exclude<PowerState, 'UNKNOWN'>, readonly Step[]>> = {
  RUNNING: [],
  STOPPED: ['START'],
  CRASHED: ['START'],
  PAUSED: ['RESUME'],
  SUSPENDED: ['RESUME'],
};

function way(current: PowerState, desired: DesiredState): Plan {
  if (current === 'UNKNOWN') return { refused: 'the state of the virtual machine is UNKNOWN' };
  if (current === desired) return { steps: [] };
  switch (desired) {
    case 'RUNNING':
      return { steps: WAY_TO_RUNNING[current] };
    case 'PAUSED':
      return { steps: [...WAY_TO_RUNNING[current], 'PAUSE'] };
    case 'SUSPENDED':
      return { steps: [...WAY_TO_RUNNING[current], 'SUSPEND'] };
    case 'STOPPED':
      return { steps: ['STOP'] };
    case 'DELETED':
      return { steps: STEP_RULES.DELETE.from.includes(current) ? ['DELETE'] : ['STOP', 'DELETE'] };
  }
}

function refusal(step: Step, current: PowerState): string {
  const hint =
    step === 'START' && STEP_RULES.RESUME.from.includes(current)
      ? 'resume it instead'
      : `it has to be ${STEP_RULES[step].from.join(' or ')}`;
  return `cannot ${step} a virtual machine that is ${current}: ${hint}`;
}
