/** What a report means for a virtual machine: cases, then invariants over all states and generations. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DesiredState, PowerState } from '../../src/gen/client/enums.js';
import {
  type KnownVm,
  needsAssignment,
  type Observation,
  observe,
  type Verdict,
} from '../../src/modules/report/rules.js';
import { MAX_LEAD, nextGeneration } from '../../src/modules/virtual-machine/rules.js';

const vm = (changes: Partial<KnownVm> = {}): KnownVm => ({
  powerState: 'RUNNING',
  desiredState: 'RUNNING',
  generation: 2,
  observedGeneration: 2,
  capacityClaimed: true,
  ...changes,
});

const seen = (changes: Partial<Observation> = {}): Observation => ({
  powerState: 'RUNNING',
  generation: 2,
  error: null,
  ...changes,
});

/** The machine after a verdict, as the command writes it. */
function apply(before: KnownVm, verdict: Verdict): KnownVm {
  const { powerState, desiredState, observedGeneration, releaseCapacity } = verdict;
  const capacityClaimed = before.capacityClaimed && !releaseCapacity;
  return { ...before, powerState, desiredState, observedGeneration, capacityClaimed };
}

describe('an operation that the agent has finished', () => {
  it('ends its task with success when the machine is as it should be', () => {
    const starting = vm({ powerState: 'STOPPED', observedGeneration: 1 });
    expect(observe(starting, seen())).toEqual({
      gone: false,
      powerState: 'RUNNING',
      desiredState: 'RUNNING',
      observedGeneration: 2,
      releaseCapacity: false,
      taskEnd: { status: 'SUCCEEDED', errorCode: null, errorMessage: null },
      statusMessage: '',
    });
  });

  it('gives its capacity back when it has stopped', () => {
    const stopping = vm({ desiredState: 'STOPPED', observedGeneration: 1 });
    const verdict = observe(stopping, seen({ powerState: 'STOPPED' }));
    expect(verdict).toMatchObject({ releaseCapacity: true, taskEnd: { status: 'SUCCEEDED' } });
  });

  it('keeps its capacity when it was only paused', () => {
    const pausing = vm({ desiredState: 'PAUSED', observedGeneration: 1 });
    expect(observe(pausing, seen({ powerState: 'PAUSED' })).releaseCapacity).toBe(false);
  });

  it('fails its task with the reason of the agent, and settles for what is', () => {
    const starting = vm({ powerState: 'STOPPED', observedGeneration: 1 });
    const error = { generation: 2, reason: 'no such bridge: br100' };
    expect(observe(starting, seen({ powerState: 'STOPPED', error }))).toMatchObject({
      desiredState: 'STOPPED',
      releaseCapacity: true,
      statusMessage: 'no such bridge: br100',
      taskEnd: { status: 'FAILED', errorCode: 'AGENT', errorMessage: 'no such bridge: br100' },
    });
  });

  it('fails even when the state happens to be the desired one, if the agent says that it failed', () => {
    const rebooting = vm({ observedGeneration: 1 });
    const error = { generation: 2, reason: 'the guest did not come back' };
    const verdict = observe(rebooting, seen({ error }));
    expect(verdict).toMatchObject({ taskEnd: { status: 'FAILED' }, desiredState: 'RUNNING' });
  });

  it('is not failed by the error of an earlier operation', () => {
    const error = { generation: 1, reason: 'that was then' };
    const verdict = observe(vm({ observedGeneration: 1 }), seen({ error }));
    expect(verdict.taskEnd?.status).toBe('SUCCEEDED');
  });

  it('fails without a reason when the state is another one than asked for', () => {
    const verdict = observe(vm({ observedGeneration: 1 }), seen({ powerState: 'PAUSED' }));
    expect(verdict).toMatchObject({
      taskEnd: { errorCode: 'UNEXPECTED_STATE' },
      statusMessage: 'It is PAUSED although it should be RUNNING',
      desiredState: 'PAUSED',
    });
  });
});

describe('a machine that goes its own way', () => {
  it('that shut itself down is STOPPED, stays so, and holds no capacity', () => {
    const verdict = observe(vm(), seen({ powerState: 'STOPPED' }));
    expect(verdict).toMatchObject({
      powerState: 'STOPPED',
      desiredState: 'STOPPED',
      releaseCapacity: true,
    });
  });

  it('that crashed keeps its capacity until it is stopped or deleted', () => {
    const verdict = observe(vm(), seen({ powerState: 'CRASHED' }));
    expect(verdict).toMatchObject({
      powerState: 'CRASHED',
      desiredState: 'STOPPED',
      releaseCapacity: false,
    });
  });

  it.each(['STOPPED', 'CRASHED'] as const)(
    'says why it is %s until somebody acts',
    (powerState) => {
      const first = observe(vm(), seen({ powerState }));
      expect(first.statusMessage).toBe(`It is ${powerState} although it should be RUNNING`);
      const second = observe(apply(vm(), first), seen({ powerState }));
      expect(second.statusMessage).toBeNull();
    },
  );
});

describe('a machine that its node does not mention', () => {
  it('is gone when it should be deleted', () => {
    const verdict = observe(vm({ desiredState: 'DELETED' }), null);
    expect(verdict).toMatchObject({ gone: true, taskEnd: { status: 'SUCCEEDED' } });
  });

  it('is stopped, with its capacity free, when it should be', () => {
    const verdict = observe(vm({ desiredState: 'STOPPED', observedGeneration: 1 }), null);
    expect(verdict).toMatchObject({
      gone: false,
      powerState: 'STOPPED',
      observedGeneration: 2,
      releaseCapacity: true,
      taskEnd: { status: 'SUCCEEDED' },
    });
  });

  it.each(['RUNNING', 'PAUSED', 'SUSPENDED'] as const)(
    'is brought back when it should be %s, and nobody gets its capacity meanwhile',
    (desiredState) => {
      const known = vm({ desiredState, powerState: desiredState });
      const verdict = observe(known, null);
      expect(verdict).toMatchObject({
        powerState: 'STOPPED',
        desiredState,
        releaseCapacity: false,
        taskEnd: null,
        statusMessage: expect.stringContaining('brought back'),
      });
      expect(needsAssignment(apply(known, verdict), null)).toBe(true);
    },
  );

  it('says that it is well again when it is back', () => {
    const lost = apply(vm(), observe(vm(), null));
    expect(observe(lost, seen()).statusMessage).toBe('');
  });
});

describe('an agent that was started again', () => {
  it('and forgot which generation it had finished is told once more, and taken at its word afterwards', () => {
    const known = vm({ generation: 4, observedGeneration: 4 });
    const forgetful = seen({ generation: 0 });
    expect(apply(known, observe(known, forgetful))).toEqual(known);
    expect(needsAssignment(known, forgetful)).toBe(true);
    const caughtUp = seen({ generation: 4, powerState: 'CRASHED' });
    expect(observe(known, caughtUp).powerState).toBe('CRASHED');
    expect(needsAssignment(known, caughtUp)).toBe(false);
  });
});

describe('an older report', () => {
  it('of a generation that is still under way tells the state, and ends nothing', () => {
    const stopping = vm({ desiredState: 'STOPPED', generation: 3 });
    const verdict = observe(stopping, seen({ powerState: 'RUNNING', generation: 2 }));
    expect(verdict).toMatchObject({ powerState: 'RUNNING', taskEnd: null, releaseCapacity: false });
  });

  it('than one that was taken already changes nothing at all', () => {
    const known = vm({ generation: 5, observedGeneration: 4 });
    const verdict = observe(known, seen({ powerState: 'CRASHED', generation: 3 }));
    expect(apply(known, verdict)).toEqual(known);
    expect(verdict).toMatchObject({ taskEnd: null, statusMessage: null, gone: false });
  });
});

const anyVm: fc.Arbitrary<KnownVm> = fc.record({
  powerState: fc.constantFrom(...Object.values(PowerState)),
  desiredState: fc.constantFrom(...Object.values(DesiredState)),
  generation: fc.integer({ min: 1, max: 5 }),
  observedGeneration: fc.integer({ min: 0, max: 6 }),
  capacityClaimed: fc.boolean(),
});
const anyObservation: fc.Arbitrary<Observation> = fc.record({
  powerState: fc.constantFrom(...Object.values(PowerState)),
  generation: fc.integer({ min: 0, max: 7 }),
  error: fc.option(
    fc.record({ generation: fc.integer({ min: 0, max: 6 }), reason: fc.string({ minLength: 1 }) }),
  ),
});
const anyReport = fc.option(anyObservation, { nil: null });
const check = <T extends unknown[]>(property: fc.IProperty<T>) =>
  fc.assert(property, { numRuns: 5_000 });

describe('a generation that no agent can have been given', () => {
  const starting = vm({ powerState: 'STOPPED', observedGeneration: 1 });

  it.each([2 + MAX_LEAD + 1, 2 ** 31 - 1])('as %i is ignored, and the agent told again', (wild) => {
    const report = seen({ generation: wild });
    const verdict = observe(starting, report);
    expect(verdict.taskEnd).toBeNull();
    expect(apply(starting, verdict)).toEqual(starting);
    expect(needsAssignment(starting, report)).toBe(true);
  });

  it('as the largest lead of a restored database is still believed', () => {
    const ahead = 2 + MAX_LEAD;
    expect(observe(starting, seen({ generation: ahead })).observedGeneration).toBe(ahead);
  });

  it('never brings the counter to its end, however often an agent moves it and operations follow', () => {
    let now = vm();
    for (let i = 0; i < 5_000; i += 1) {
      const lead = Math.min(now.generation + MAX_LEAD, 2 ** 31 - 1);
      now = apply(now, observe(now, seen({ generation: lead })));
      now = { ...now, generation: nextGeneration(now) };
    }
    expect(now.generation).toBeLessThan(2 ** 30);
  });
});

describe('whatever the machine and the report', () => {
  it('the same report again changes nothing more', () => {
    check(
      fc.property(anyVm, anyReport, (known, report) => {
        const first = observe(known, report);
        if (first.gone) return;
        const then = apply(known, first);
        const second = observe(then, report);
        expect(apply(then, second)).toEqual(then);
        expect(second.releaseCapacity).toBe(false);
        expect(second.statusMessage).toBeNull();
      }),
    );
  });

  it('capacity is released at most once over any sequence of reports, and only of what is off', () => {
    check(
      fc.property(anyVm, fc.array(anyReport, { maxLength: 8 }), (known, reports) => {
        let now = known;
        let releases = 0;
        for (const report of reports) {
          const verdict = observe(now, report);
          if (verdict.gone) break;
          if (verdict.releaseCapacity) {
            releases += 1;
            expect(now.capacityClaimed).toBe(true);
            expect(verdict.powerState).toBe('STOPPED');
            expect(verdict.desiredState).toBe('STOPPED');
          }
          now = apply(now, verdict);
        }
        expect(releases).toBeLessThanOrEqual(known.capacityClaimed ? 1 : 0);
      }),
    );
  });

  it('an acknowledged generation always ends the task, and an unacknowledged one never does', () => {
    check(
      fc.property(anyVm, anyObservation, (known, report) => {
        const overtaken = report.generation < known.observedGeneration;
        const acknowledged = !overtaken && report.generation >= known.generation;
        expect(observe(known, report).taskEnd !== null).toBe(acknowledged);
      }),
    );
  });

  it('observed generations never go back, and the generation itself is not for a report to change', () => {
    check(
      fc.property(anyVm, anyReport, (known, report) => {
        const then = apply(known, observe(known, report));
        expect(then.observedGeneration).toBeGreaterThanOrEqual(known.observedGeneration);
        expect(then.generation).toBe(known.generation);
      }),
    );
  });

  it('only a machine that should be deleted, and is not there, is ever removed', () => {
    check(
      fc.property(anyVm, anyReport, (known, report) => {
        const { gone } = observe(known, report);
        expect(gone).toBe(known.desiredState === 'DELETED' && report === null);
      }),
    );
  });

  it('a task that has ended leaves a desired state that nothing has to be done for, unless the machine is absent', () => {
    check(
      fc.property(anyVm, anyObservation, (known, report) => {
        const verdict = observe(known, report);
        if (!verdict.taskEnd) return;
        const then = apply(known, verdict);
        expect(then.desiredState).not.toBe(verdict.taskEnd.status === 'FAILED' ? 'DELETED' : null);
        expect(needsAssignment(then, report)).toBe(false);
      }),
    );
  });

  it('the next operation is new to the agent and assigned, also when the agent is ahead of a restored database', () => {
    check(
      fc.property(anyVm, anyReport, (known, report) => {
        const verdict = observe(known, report);
        if (verdict.gone) return;
        const then = apply(known, verdict);
        const next = { ...then, generation: nextGeneration(then) };
        expect(next.generation).toBeGreaterThan(known.generation);
        expect(next.generation).toBeGreaterThan(report?.generation ?? 0);
        expect(needsAssignment(next, report)).toBe(true);
      }),
    );
  });

  it('what the agent has not finished is assigned until it has', () => {
    check(
      fc.property(anyVm, anyReport, (known, report) => {
        const verdict = observe(known, report);
        if (verdict.gone) return;
        const finished = report?.generation ?? verdict.observedGeneration;
        const open = known.generation > finished;
        if (open) expect(needsAssignment(apply(known, verdict), report)).toBe(true);
      }),
    );
  });
});
