import { describe, expect, test } from 'vitest';
import { planSteps, STEP_RULES } from '../../src/agent/hypervisor.js';
import type { DesiredState, PowerState, VmOperation } from '../../src/agent/types.js';

const ends: Record<VmOperation, DesiredState> = {
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
};

/** For each operation and state: the steps, or "refused". Written out, so that a slip in the table shows. */
const table: Record<VmOperation, Record<PowerState, string>> = {
  START: {
    STOPPED: 'START',
    CRASHED: 'START',
    RUNNING: '',
    PAUSED: 'refused',
    SUSPENDED: 'refused',
    UNKNOWN: 'refused',
  },
  STOP: {
    STOPPED: '',
    CRASHED: 'STOP',
    RUNNING: 'STOP',
    PAUSED: 'STOP',
    SUSPENDED: 'STOP',
    UNKNOWN: 'refused',
  },
  REBOOT: {
    STOPPED: 'refused',
    CRASHED: 'refused',
    RUNNING: 'REBOOT',
    PAUSED: 'refused',
    SUSPENDED: 'refused',
    UNKNOWN: 'refused',
  },
  PAUSE: {
    STOPPED: 'refused',
    CRASHED: 'refused',
    RUNNING: 'PAUSE',
    PAUSED: '',
    SUSPENDED: 'refused',
    UNKNOWN: 'refused',
  },
  RESUME: {
    STOPPED: 'refused',
    CRASHED: 'refused',
    RUNNING: '',
    PAUSED: 'RESUME',
    SUSPENDED: 'RESUME',
    UNKNOWN: 'refused',
  },
  SUSPEND: {
    STOPPED: 'refused',
    CRASHED: 'refused',
    RUNNING: 'SUSPEND',
    PAUSED: 'refused',
    SUSPENDED: '',
    UNKNOWN: 'refused',
  },
  RESET: {
    STOPPED: 'refused',
    CRASHED: 'RESET',
    RUNNING: 'RESET',
    PAUSED: 'RESET',
    SUSPENDED: 'refused',
    UNKNOWN: 'refused',
  },
  RESIZE: {
    STOPPED: 'START',
    CRASHED: 'refused',
    RUNNING: 'RESIZE',
    PAUSED: 'refused',
    SUSPENDED: 'refused',
    UNKNOWN: 'refused',
  },
  RECONFIGURE: {
    STOPPED: 'START',
    CRASHED: 'refused',
    RUNNING: 'RECONFIGURE',
    PAUSED: 'refused',
    SUSPENDED: 'refused',
    UNKNOWN: 'refused',
  },
  MIGRATE: {
    STOPPED: 'MIGRATE',
    CRASHED: 'refused',
    RUNNING: '',
    PAUSED: 'RESUME',
    SUSPENDED: 'refused',
    UNKNOWN: 'refused',
  },
  DELETE: {
    STOPPED: 'DELETE',
    CRASHED: 'DELETE',
    RUNNING: 'STOP DELETE',
    PAUSED: 'STOP DELETE',
    SUSPENDED: 'STOP DELETE',
    UNKNOWN: 'refused',
  },
};

function outcome(plan: ReturnType<typeof planSteps>): string {
  return 'refused' in plan ? 'refused' : plan.steps.join(' ');
}

describe('planning the steps of an assignment', () => {
  const cases = Object.entries(table).flatMap(([operation, row]) =>
    Object.entries(row).map(([state, expected]) => ({ operation, state, expected })),
  );

  test.each(cases)('$operation from $state means "$expected"', ({ operation, state, expected }) => {
    const plan = planSteps(state as PowerState, {
      operation: operation as VmOperation,
      desiredState: ends[operation as VmOperation],
    });
    expect(outcome(plan)).toBe(expected);
  });

  test('a refusal names the operation, the state and what would help', () => {
    expect(planSteps('STOPPED', { operation: 'PAUSE', desiredState: 'PAUSED' })).toEqual({
      refused: 'cannot PAUSE a virtual machine that is STOPPED: it has to be RUNNING',
    });
    expect(planSteps('PAUSED', { operation: 'START', desiredState: 'RUNNING' })).toEqual({
      refused: 'cannot START a virtual machine that is PAUSED: resume it instead',
    });
  });

  test('a machine that arrives from another node is taken over, and stays as it was', () => {
    const arriving = (desiredState: DesiredState) =>
      outcome(planSteps(null, { operation: 'MIGRATE', desiredState }));
    expect(arriving('RUNNING')).toBe('MIGRATE');
    expect(arriving('PAUSED')).toBe('MIGRATE PAUSE');
    expect(arriving('DELETED')).toBe('');
  });

  const states: Exclude<PowerState, 'UNKNOWN'>[] = [
    'STOPPED',
    'RUNNING',
    'PAUSED',
    'SUSPENDED',
    'CRASHED',
  ];
  const desired: DesiredState[] = ['STOPPED', 'RUNNING', 'PAUSED', 'SUSPENDED', 'DELETED'];
  const pairs = states.flatMap((state) => desired.map((desiredState) => ({ state, desiredState })));

  test.each(pairs)(
    'without an operation, $state reaches $desiredState by steps that are each allowed',
    ({ state, desiredState }) => {
      const plan = planSteps(state, { operation: null, desiredState });
      if ('refused' in plan) throw new Error(plan.refused);
      let reached: PowerState | 'DELETED' = state;
      for (const step of plan.steps) {
        expect(STEP_RULES[step].from).toContain(reached);
        reached = STEP_RULES[step].to ?? 'DELETED';
      }
      expect(reached).toBe(desiredState);
    },
  );

  test('a virtual machine that is not held is brought to its desired state whatever the operation', () => {
    const plan = (operation: VmOperation | null, desiredState: DesiredState) =>
      outcome(planSteps(null, { operation, desiredState }));
    expect(plan('REBOOT', 'RUNNING')).toBe('START');
    expect(plan('PAUSE', 'PAUSED')).toBe('START PAUSE');
    expect(plan('STOP', 'STOPPED')).toBe('');
    expect(plan('DELETE', 'DELETED')).toBe('');
    expect(plan(null, 'SUSPENDED')).toBe('START SUSPEND');
  });

  test('deleting needs operation and desired state to agree', () => {
    for (const state of [...states, null]) {
      const plan = planSteps(state, { operation: 'DELETE', desiredState: 'STOPPED' });
      expect(plan).toEqual({ refused: 'DELETE contradicts the desired state STOPPED' });
    }
  });

  test('the desired state has the last word when the operation ends elsewhere', () => {
    const plan = planSteps('STOPPED', { operation: 'START', desiredState: 'PAUSED' });
    expect(outcome(plan)).toBe('START PAUSE');
  });

  test('nothing is done without an operation while the state is UNKNOWN', () => {
    expect(outcome(planSteps('UNKNOWN', { operation: null, desiredState: 'STOPPED' }))).toBe(
      'refused',
    );
  });
});
