import fc from 'fast-check';
import { expect, test } from 'vitest';
import { STEP_RULES } from '../../src/agent/hypervisor.js';
import {
  createSimulatedHypervisor,
  type SimulatedHypervisor,
} from '../../src/agent/simulated-hypervisor.js';
import type { Assignment, DesiredState, VmOperation } from '../../src/agent/types.js';
import { assignment, type ManualClock, manualClock, only } from './support.js';

/** More than the longest way between two states, with the longest grace below. */
const ENOUGH_MS = 60_000;

const operations: VmOperation[] = ['START', 'STOP', 'REBOOT', 'PAUSE', 'RESUME', 'DELETE'];
const desiredStates: DesiredState[] = ['STOPPED', 'RUNNING', 'PAUSED', 'SUSPENDED', 'DELETED'];

type Event =
  | { kind: 'assign'; changes: Partial<Assignment>; generationStep: number }
  | { kind: 'late'; changes: Partial<Assignment>; behind: number }
  | { kind: 'advance'; ms: number }
  | { kind: 'crash' };

const urgency = { force: fc.boolean(), graceMs: fc.integer({ min: 0, max: 5_000 }) };
const byOperation = fc.record({ operation: fc.constantFrom(...operations), ...urgency });
const byDesiredState = fc.record({
  operation: fc.constant(null),
  desiredState: fc.constantFrom(...desiredStates),
  ...urgency,
});
const changes: fc.Arbitrary<Partial<Assignment>> = fc.oneof(byOperation, byDesiredState);
const advance = fc.record({
  kind: fc.constant('advance' as const),
  ms: fc.integer({ min: 0, max: 4_000 }),
});
const assign = fc.record({
  kind: fc.constant('assign' as const),
  changes,
  generationStep: fc.integer({ min: 1, max: 3 }),
});
const late = fc.record({
  kind: fc.constant('late' as const),
  changes,
  behind: fc.integer({ min: 0, max: 3 }),
});
const crash = fc.constant({ kind: 'crash' as const });
const events: fc.Arbitrary<Event[]> = fc.array(fc.oneof(assign, late, advance, advance, crash), {
  maxLength: 25,
});

/** Plays the events; returns the highest generation assigned. */
function play(
  hypervisor: SimulatedHypervisor,
  clock: ManualClock,
  played: Event[],
  after = () => {},
): number {
  let generation = 0;
  for (const event of played) {
    if (event.kind === 'advance') clock.advance(event.ms);
    if (event.kind === 'crash') hypervisor.crash('vm-1');
    if (event.kind === 'late' && generation > 0) {
      hypervisor.apply(
        assignment({ ...event.changes, generation: Math.max(0, generation - event.behind) }),
      );
    }
    if (event.kind === 'assign') {
      generation += event.generationStep;
      hypervisor.apply(assignment({ ...event.changes, generation }));
    }
    after();
  }
  return generation;
}

test('whatever happened before, the last desired state is reached', () => {
  fc.assert(
    fc.property(events, fc.constantFrom(...desiredStates), (before, desiredState) => {
      const clock = manualClock();
      const hypervisor = createSimulatedHypervisor({ clock });
      const generation = play(hypervisor, clock, before) + 1;
      hypervisor.apply(assignment({ operation: null, desiredState, generation }));
      clock.advance(ENOUGH_MS);
      if (desiredState === 'DELETED') {
        expect(hypervisor.observe()).toEqual([]);
      } else {
        expect(only(hypervisor.observe())).toMatchObject({
          powerState: desiredState,
          generation,
          operation: null,
          progressPercent: null,
          error: null,
        });
      }
    }),
    { numRuns: 500 },
  );
});

test('operations that the state table allows always end in the desired state of the last one', () => {
  const choices = fc.array(
    fc.record({ pick: fc.nat(), advanceMs: fc.nat({ max: 3_000 }), ...urgency }),
    {
      minLength: 1,
      maxLength: 15,
    },
  );
  fc.assert(
    fc.property(choices, (picked) => {
      const clock = manualClock();
      const hypervisor = createSimulatedHypervisor({ clock });
      let last = assignment({ operation: 'START', generation: 1 });
      hypervisor.apply(last);
      for (const [index, { pick, advanceMs, force, graceMs }] of picked.entries()) {
        clock.advance(advanceMs);
        // What a control plane does: it looks at the state, and asks for what is possible, even in a hurry.
        const state = hypervisor.observe()[0]?.powerState ?? 'STOPPED';
        const possible = operations.filter((operation) => {
          const { from, already } = STEP_RULES[operation];
          return from.includes(state) || already.includes(state);
        });
        const operation = possible[pick % possible.length] ?? 'STOP';
        last = assignment({ operation, generation: index + 2, force, graceMs });
        hypervisor.apply(last);
      }
      clock.advance(ENOUGH_MS);
      const [observed] = hypervisor.observe();
      expect(observed?.powerState ?? 'DELETED').toBe(last.desiredState);
      if (observed !== undefined) {
        expect(observed).toMatchObject({ generation: last.generation, error: null });
      }
    }),
    { numRuns: 500 },
  );
});

test('every accepted generation ends: in its desired state, or failed with its own number and a reason', () => {
  fc.assert(
    fc.property(events, changes, (before, finalChanges) => {
      const clock = manualClock();
      const hypervisor = createSimulatedHypervisor({
        clock,
        failure: ({ generation }) => (generation % 5 === 0 ? 'every fifth fails' : null),
      });
      const generation = play(hypervisor, clock, before) + 1;
      const final = assignment({ ...finalChanges, generation });
      hypervisor.apply(final);
      clock.advance(ENOUGH_MS);
      const [observed] = hypervisor.observe();
      if (observed === undefined) {
        expect(final.desiredState).toBe('DELETED');
      } else if (observed.error === null) {
        expect(observed).toMatchObject({ powerState: final.desiredState, generation });
      } else {
        expect(observed).toMatchObject({ generation, error: { generation } });
        expect(observed.error.reason).not.toBe('');
      }
    }),
    { numRuns: 500 },
  );
});

test('generations never go back, progress of one generation never goes back, and stays below 100', () => {
  const clockEvents = fc.array(
    fc.oneof(
      assign,
      late,
      fc.record({
        kind: fc.constant('advance' as const),
        ms: fc.integer({ min: -2_000, max: 700 }),
      }),
    ),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(clockEvents, (played) => {
      const clock = manualClock();
      const hypervisor = createSimulatedHypervisor({ clock });
      let accepted = 0;
      let seen = { accepted: 0, generation: 0, progress: 0 };
      const generations = played.values();
      play(hypervisor, clock, played, () => {
        const event = generations.next().value;
        if (event?.kind === 'assign') accepted += event.generationStep;
        const [observed] = hypervisor.observe();
        // Gone: what comes later under this id is a new virtual machine.
        if (observed === undefined) {
          seen = { accepted, generation: 0, progress: 0 };
          return;
        }
        expect(observed.generation).toBeGreaterThanOrEqual(seen.generation);
        expect(observed.generation).toBeLessThanOrEqual(accepted);
        const progress = observed.progressPercent ?? 100;
        if (observed.progressPercent !== null) expect(progress).toBeLessThan(100);
        if (seen.accepted === accepted) expect(progress).toBeGreaterThanOrEqual(seen.progress);
        seen = { accepted, generation: observed.generation, progress };
      });
    }),
    { numRuns: 500 },
  );
});

test('looking changes nothing: observed at every event or only at the end, the outcome is the same', () => {
  fc.assert(
    fc.property(events, (played) => {
      const outcome = (look: boolean) => {
        const clock = manualClock();
        const hypervisor = createSimulatedHypervisor({ clock, seed: 7 });
        play(hypervisor, clock, played, () => {
          if (look) hypervisor.observe();
        });
        clock.advance(700);
        return hypervisor.observe();
      };
      expect(outcome(true)).toEqual(outcome(false));
    }),
    { numRuns: 300 },
  );
});
