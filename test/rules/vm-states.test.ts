/** The state table of virtual machines, pair by pair against a table written independently of it. */
import { describe, expect, it } from 'vitest';
import { planSteps } from '../../src/agent/hypervisor.js';
import { InvalidStateError } from '../../src/errors.js';
import { DesiredState, PowerState } from '../../src/gen/client/enums.js';
import {
  allowedOperations,
  decide,
  OPERATIONS,
  settledState,
  stopsByForce,
} from '../../src/modules/virtual-machine/rules.js';
import {
  ALL_EXPECTATIONS,
  ALL_NAMES,
  DESIRED,
  EXPECTATIONS,
  OPERATION_NAMES,
  STATES,
} from '../support/vm-states.js';

describe('the two tables', () => {
  it('speak of the same operations and states, so that no pair is left out', () => {
    expect(Object.keys(OPERATIONS).sort()).toEqual([...ALL_NAMES].sort());
    expect(Object.keys(PowerState).sort()).toEqual([...STATES].sort());
    expect(ALL_EXPECTATIONS).toHaveLength(16 * 6 * 2);
  });

  it('agree on what each operation aims at', () => {
    for (const name of OPERATION_NAMES) expect(OPERATIONS[name].desired).toBe(DESIRED[name]);
  });
});

describe.each(ALL_EXPECTATIONS)('$operation of a $state machine (force: $force)', (expected) => {
  const { operation, state, force, answer, allowed, help } = expected;
  const attempt = () => decide(operation, state, force);

  if (answer !== 'refused') {
    it(`answers ${answer}`, () => {
      expect(attempt()).toBe(answer);
    });
    return;
  }

  it('is refused, and the error says what is, what is possible, and what would help', () => {
    let error: unknown;
    try {
      attempt();
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(InvalidStateError);
    const refusal = error as InvalidStateError;
    expect(refusal.code).toBe('INVALID_STATE');
    expect(refusal.current).toBe(state);
    expect([...refusal.allowed].sort()).toEqual(allowed);
    expect(refusal.message).toContain(`${operation} is not possible while the state is ${state}.`);
    expect(refusal.message).toContain(help);
    const listed = /Possible now: (.*)\.$/.exec(refusal.message)?.[1];
    const expectedList = allowed.length === 0 ? ['nothing'] : allowed;
    expect(listed?.split(', ').sort()).toEqual(expectedList);
  });
});

describe('what is announced as possible', () => {
  it.each(STATES)('in state %s, proceeds without force, and nothing else does', (state) => {
    const allowed = allowedOperations(state);
    for (const operation of ALL_NAMES) {
      const expected = ALL_EXPECTATIONS.find(
        (e) => e.operation === operation && e.state === state && !e.force,
      );
      expect(allowed.includes(operation)).toBe(expected?.answer === 'proceed');
    }
  });
});

describe('what the control plane begins', () => {
  const begun = EXPECTATIONS.filter((e) => e.answer === 'proceed');

  it.each(begun)('$operation from $state (force: $force) is never refused by a hypervisor', (e) => {
    const plan = planSteps(e.state, {
      operation: e.operation,
      desiredState: DESIRED[e.operation],
    });
    expect(plan).not.toHaveProperty('refused');
    expect((plan as { steps: unknown[] }).steps.length).toBeGreaterThan(0);
  });
});

describe('a stop', () => {
  it.each([
    ['RUNNING', false],
    ['PAUSED', false],
    ['SUSPENDED', true],
    ['CRASHED', true],
  ] as const)('of a %s machine is a power-off at once: %s', (state, forced) => {
    expect(stopsByForce(state)).toBe(forced);
  });
});

describe('what should be after an operation came to nothing', () => {
  it.each([
    ['STOPPED', 'RUNNING', 'STOPPED'],
    ['RUNNING', 'STOPPED', 'RUNNING'],
    ['RUNNING', 'DELETED', 'RUNNING'],
    ['PAUSED', 'RUNNING', 'PAUSED'],
    ['SUSPENDED', 'STOPPED', 'SUSPENDED'],
    ['CRASHED', 'RUNNING', 'STOPPED'],
    ['UNKNOWN', 'RUNNING', 'RUNNING'],
    ['UNKNOWN', 'STOPPED', 'STOPPED'],
    ['UNKNOWN', 'DELETED', 'STOPPED'],
  ] as const)('observed %s, wanted %s: %s', (observed, desired, settled) => {
    expect(settledState(observed, desired)).toBe(settled);
  });

  it('is stable, is never a deletion, and starts nothing that was not meant to run', () => {
    for (const observed of Object.values(PowerState)) {
      for (const desired of Object.values(DesiredState)) {
        const settled = settledState(observed, desired);
        expect(settledState(observed, settled)).toBe(settled);
        expect(settled).not.toBe('DELETED');
        if (settled === 'RUNNING') expect([observed, desired]).toContain('RUNNING');
      }
    }
  });
});
