import { describe, expect, test } from 'vitest';
import {
  createSimulatedHypervisor,
  type SimulatedHypervisorOptions,
} from '../../src/agent/simulated-hypervisor.js';
import type { Assignment } from '../../src/agent/types.js';
import { assignment, manualClock, only } from './support.js';

function setUp(options: SimulatedHypervisorOptions = {}) {
  const clock = manualClock();
  const hypervisor = createSimulatedHypervisor({ clock, ...options });
  let generation = 0;
  return {
    clock,
    hypervisor,
    see: () => only(hypervisor.observe()),
    /** Assigns the next generation, and lets it finish. */
    settle(changes: Partial<Assignment>) {
      generation += 1;
      hypervisor.apply(assignment({ generation, ...changes }));
      clock.advance(60_000);
      return hypervisor.observe()[0];
    },
    /** Assigns the next generation. */
    assign(changes: Partial<Assignment>) {
      generation += 1;
      hypervisor.apply(assignment({ generation, ...changes }));
    },
  };
}

describe('starting', () => {
  test('a new virtual machine is STOPPED, with the operation in progress, until its time has passed', () => {
    const { assign, see, clock } = setUp();
    assign({ operation: 'START' });
    expect(see()).toMatchObject({
      powerState: 'STOPPED',
      generation: 0,
      operation: 'START',
      progressPercent: 0,
    });
    clock.advance(1_499);
    expect(see()).toMatchObject({ powerState: 'STOPPED', generation: 0, progressPercent: 99 });
    clock.advance(1);
    expect(see()).toMatchObject({
      powerState: 'RUNNING',
      generation: 1,
      operation: null,
      progressPercent: null,
      error: null,
    });
  });

  test('a crashed virtual machine can be started again', () => {
    const { settle, hypervisor, see } = setUp();
    settle({ operation: 'START' });
    hypervisor.crash('vm-1');
    expect(see().powerState).toBe('CRASHED');
    expect(settle({ operation: 'START' })).toMatchObject({ powerState: 'RUNNING', error: null });
  });

  test('starting what runs succeeds at once and does not restart it', () => {
    const { settle, assign, see } = setUp();
    settle({ operation: 'START' });
    const before = see().uptimeSeconds;
    assign({ operation: 'START' });
    expect(see()).toMatchObject({ powerState: 'RUNNING', generation: 2, operation: null });
    expect(see().uptimeSeconds).toBe(before);
  });

  test('starting what is paused is refused, with the generation and a reason', () => {
    const { settle } = setUp();
    settle({ operation: 'START' });
    settle({ operation: 'PAUSE' });
    expect(settle({ operation: 'START' })).toMatchObject({
      powerState: 'PAUSED',
      generation: 3,
      error: { generation: 3, reason: expect.stringContaining('resume') },
    });
  });
});

describe('stopping', () => {
  test('a guest that listens takes the graceful time', () => {
    const { settle, assign, see, clock } = setUp();
    settle({ operation: 'START' });
    assign({ operation: 'STOP' });
    clock.advance(999);
    expect(see()).toMatchObject({ powerState: 'RUNNING', operation: 'STOP' });
    clock.advance(1);
    expect(see()).toMatchObject({ powerState: 'STOPPED', generation: 2, operation: null });
  });

  test('a guest that does not listen is forced once its grace is over', () => {
    const { settle, assign, see, clock } = setUp({ durations: { stop: Number.POSITIVE_INFINITY } });
    settle({ operation: 'START' });
    assign({ operation: 'STOP', graceMs: 5_000 });
    clock.advance(5_099);
    expect(see()).toMatchObject({ powerState: 'RUNNING', generation: 1 });
    clock.advance(1);
    expect(see()).toMatchObject({ powerState: 'STOPPED', generation: 2, error: null });
  });

  test('a forced stop does not wait for the guest', () => {
    const { settle, assign, see, clock } = setUp();
    settle({ operation: 'START' });
    assign({ operation: 'STOP', force: true });
    clock.advance(100);
    expect(see().powerState).toBe('STOPPED');
  });

  test('a paused guest is woken first, a crashed one is discarded', () => {
    const paused = setUp();
    paused.settle({ operation: 'START' });
    paused.settle({ operation: 'PAUSE' });
    paused.assign({ operation: 'STOP' });
    paused.clock.advance(1_199);
    expect(paused.see().powerState).toBe('PAUSED');
    paused.clock.advance(1);
    expect(paused.see().powerState).toBe('STOPPED');

    const crashed = setUp();
    crashed.settle({ operation: 'START' });
    crashed.hypervisor.crash('vm-1');
    crashed.assign({ operation: 'STOP' });
    crashed.clock.advance(100);
    expect(crashed.see().powerState).toBe('STOPPED');
  });

  test('stopping what is stopped succeeds at once', () => {
    const { settle, assign, see } = setUp();
    settle({ operation: 'STOP' });
    assign({ operation: 'STOP' });
    expect(see()).toMatchObject({ powerState: 'STOPPED', generation: 2, error: null });
  });
});

describe('rebooting, pausing and resuming', () => {
  test('a reboot keeps RUNNING, acknowledges its generation and starts the uptime over', () => {
    const { settle, assign, see, clock } = setUp();
    settle({ operation: 'START' });
    expect(see().uptimeSeconds).toBe(58);
    assign({ operation: 'REBOOT' });
    clock.advance(1_000);
    expect(see()).toMatchObject({
      powerState: 'RUNNING',
      generation: 1,
      operation: 'REBOOT',
      progressPercent: 50,
      guestAgentRunning: false,
    });
    clock.advance(1_000);
    expect(see()).toMatchObject({ powerState: 'RUNNING', generation: 2, uptimeSeconds: 0 });
  });

  test('a reboot of what does not run is refused', () => {
    const { settle } = setUp();
    settle({ operation: 'STOP' });
    expect(settle({ operation: 'REBOOT' })).toMatchObject({
      powerState: 'STOPPED',
      error: { generation: 2, reason: expect.stringContaining('RUNNING') },
    });
  });

  test('the time a guest is paused does not count as its uptime', () => {
    const { settle, assign, see, clock } = setUp();
    settle({ operation: 'START' });
    assign({ operation: 'PAUSE' });
    clock.advance(200);
    expect(see()).toMatchObject({ powerState: 'PAUSED', generation: 2, uptimeSeconds: 58 });
    clock.advance(1_000_000);
    expect(see().uptimeSeconds).toBe(58);
    assign({ operation: 'RESUME' });
    clock.advance(200);
    expect(see()).toMatchObject({ powerState: 'RUNNING', generation: 3, uptimeSeconds: 58 });
  });

  test('a suspended virtual machine is resumed', () => {
    const { settle } = setUp();
    expect(settle({ operation: null, desiredState: 'SUSPENDED' })).toMatchObject({
      powerState: 'SUSPENDED',
      uptimeSeconds: 0,
    });
    expect(settle({ operation: 'RESUME' })).toMatchObject({ powerState: 'RUNNING', error: null });
  });
});

describe('deleting', () => {
  test('stops first, then is gone', () => {
    const { settle, assign, see, clock, hypervisor } = setUp();
    settle({ operation: 'START' });
    assign({ operation: 'DELETE' });
    clock.advance(1_000);
    expect(see()).toMatchObject({ powerState: 'STOPPED', operation: 'DELETE', generation: 1 });
    clock.advance(100);
    expect(hypervisor.observe()).toEqual([]);
  });

  test('an older assignment that arrives afterwards does not bring it back', () => {
    const { clock, hypervisor } = setUp();
    hypervisor.apply(assignment({ generation: 4 }));
    hypervisor.apply(assignment({ operation: 'DELETE', generation: 6 }));
    clock.advance(60_000);
    hypervisor.apply(assignment({ generation: 5 }));
    hypervisor.apply(assignment({ generation: 6 }));
    expect(hypervisor.observe()).toEqual([]);
    hypervisor.apply(assignment({ generation: 7 }));
    expect(hypervisor.observe()).toHaveLength(1);
  });

  test('deleting what is not here is done already, and late assignments know it', () => {
    const { hypervisor } = setUp();
    hypervisor.apply(assignment({ operation: 'DELETE', generation: 3 }));
    hypervisor.apply(assignment({ generation: 2 }));
    expect(hypervisor.observe()).toEqual([]);
  });

  test('only the latest ten thousand deletions are remembered', () => {
    const { hypervisor } = setUp();
    for (let index = 0; index <= 10_000; index += 1) {
      hypervisor.apply(
        assignment({ virtualMachineId: `vm-${index}`, operation: 'DELETE', generation: 2 }),
      );
    }
    hypervisor.apply(assignment({ virtualMachineId: 'vm-1', generation: 1 }));
    expect(hypervisor.observe()).toEqual([]);
    hypervisor.apply(assignment({ virtualMachineId: 'vm-0', generation: 1 }));
    expect(hypervisor.observe()).toHaveLength(1);
  });

  test('remove() forgets a deletion, too', () => {
    const { hypervisor } = setUp();
    hypervisor.apply(assignment({ operation: 'DELETE', generation: 5 }));
    hypervisor.remove('vm-1');
    hypervisor.apply(assignment({ generation: 1 }));
    expect(hypervisor.observe()).toHaveLength(1);
  });

  test('remove() forgets at once, generation included, and leaves the others alone', () => {
    const { settle, hypervisor } = setUp();
    settle({ operation: 'START' });
    settle({ operation: 'START', virtualMachineId: 'vm-2' });
    hypervisor.remove('vm-1');
    hypervisor.remove('never-heard-of');
    expect(only(hypervisor.observe()).virtualMachineId).toBe('vm-2');
    hypervisor.apply(assignment({ generation: 1 }));
    expect(hypervisor.observe()).toHaveLength(2);
  });
});

describe('generations', () => {
  test('the same generation again changes nothing, whatever it says', () => {
    const { hypervisor, clock, see } = setUp();
    hypervisor.apply(assignment({ generation: 5 }));
    clock.advance(1_000);
    hypervisor.apply(assignment({ generation: 5 }));
    hypervisor.apply(assignment({ generation: 5, operation: 'STOP' }));
    expect(see()).toMatchObject({ operation: 'START', progressPercent: 66 });
    clock.advance(500);
    expect(see()).toMatchObject({ powerState: 'RUNNING', generation: 5 });
    hypervisor.apply(assignment({ generation: 5, operation: 'STOP' }));
    clock.advance(60_000);
    expect(see()).toMatchObject({ powerState: 'RUNNING', generation: 5 });
  });

  test('an older generation is ignored', () => {
    const { hypervisor, clock, see } = setUp();
    hypervisor.apply(assignment({ generation: 5 }));
    hypervisor.apply(assignment({ generation: 4, operation: 'DELETE' }));
    clock.advance(60_000);
    expect(see()).toMatchObject({ powerState: 'RUNNING', generation: 5 });
  });

  test('a newer generation supersedes the operation that runs, which is never reported as finished', () => {
    const { assign, clock, see } = setUp();
    assign({ operation: 'START' });
    clock.advance(1_000);
    assign({ operation: 'STOP' });
    expect(see()).toMatchObject({ powerState: 'STOPPED', generation: 2, operation: null });
    clock.advance(60_000);
    expect(see()).toMatchObject({ powerState: 'STOPPED', generation: 2 });
  });

  test('an operation that ended before the newer generation came has counted', () => {
    const { assign, clock, see } = setUp();
    assign({ operation: 'START' });
    clock.advance(1_500);
    assign({ operation: 'REBOOT' });
    expect(see()).toMatchObject({ powerState: 'RUNNING', generation: 1, operation: 'REBOOT' });
  });

  test('an assignment is copied: changing it afterwards has no effect', () => {
    const { hypervisor, clock, see } = setUp();
    const given = assignment();
    hypervisor.apply(given);
    given.spec.memoryMib = 0;
    given.generation = 99;
    clock.advance(600_000);
    expect(see()).toMatchObject({ generation: 1 });
    expect(see().memoryUsedMib).toBeGreaterThan(100);
  });
});

describe('without an operation', () => {
  test('a restarted agent brings everything back to what is desired', () => {
    const { hypervisor, clock } = setUp();
    const desired = ['RUNNING', 'STOPPED', 'PAUSED', 'SUSPENDED', 'DELETED'] as const;
    for (const desiredState of desired) {
      const virtualMachineId = `vm-${desiredState}`;
      hypervisor.apply(
        assignment({ virtualMachineId, desiredState, operation: null, generation: 12 }),
      );
    }
    clock.advance(60_000);
    const observed = hypervisor.observe().map((vm) => [vm.virtualMachineId, vm.powerState]);
    expect(observed).toEqual([
      ['vm-RUNNING', 'RUNNING'],
      ['vm-STOPPED', 'STOPPED'],
      ['vm-PAUSED', 'PAUSED'],
      ['vm-SUSPENDED', 'SUSPENDED'],
    ]);
  });

  test('a reboot that a restart interrupted ends with the virtual machine running', () => {
    const { hypervisor, clock, see } = setUp();
    hypervisor.apply(assignment({ operation: 'REBOOT', generation: 8 }));
    clock.advance(60_000);
    expect(see()).toMatchObject({ powerState: 'RUNNING', generation: 8, error: null });
  });

  test('the step under way is reported, over several steps with one progress', () => {
    const { assign, clock, see } = setUp();
    assign({ operation: null, desiredState: 'PAUSED' });
    clock.advance(850);
    expect(see()).toMatchObject({ powerState: 'STOPPED', operation: 'START', progressPercent: 50 });
    clock.advance(750);
    expect(see()).toMatchObject({ powerState: 'RUNNING', operation: 'PAUSE', progressPercent: 94 });
    clock.advance(100);
    expect(see()).toMatchObject({ powerState: 'PAUSED', operation: null, generation: 1 });
  });
});

describe('time', () => {
  test('speed divides every duration, the grace included', () => {
    const { assign, clock, see } = setUp({
      speed: 10,
      durations: { stop: Number.POSITIVE_INFINITY },
    });
    assign({ operation: 'START' });
    clock.advance(150);
    expect(see().powerState).toBe('RUNNING');
    assign({ operation: 'STOP', graceMs: 5_000 });
    clock.advance(509);
    expect(see().powerState).toBe('RUNNING');
    clock.advance(1);
    expect(see().powerState).toBe('STOPPED');
  });

  test('a clock that is set back neither undoes progress nor freezes the operation', () => {
    const { assign, clock, see } = setUp();
    assign({ operation: 'START' });
    clock.advance(750);
    expect(see().progressPercent).toBe(50);
    clock.advance(-3_600_000);
    expect(see().progressPercent).toBe(50);
    clock.advance(750);
    expect(see().powerState).toBe('RUNNING');
  });

  test('without a clock of its own it follows real time', async () => {
    const hypervisor = createSimulatedHypervisor({ durations: { start: 20 } });
    hypervisor.apply(assignment());
    expect(only(hypervisor.observe()).powerState).toBe('STOPPED');
    await expect.poll(() => only(hypervisor.observe()).powerState).toBe('RUNNING');
    hypervisor.close();
  });

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('speed %s is an error', (speed) => {
    expect(() => createSimulatedHypervisor({ speed })).toThrow(RangeError);
  });

  test('a negative duration is an error that names it', () => {
    expect(() => createSimulatedHypervisor({ durations: { start: -1 } })).toThrow(/start/);
  });
});

describe('failure and crash', () => {
  test('a failing operation takes its time, changes nothing and reports generation and reason', () => {
    const { assign, clock, see } = setUp({ failure: ({ name }) => `no disk for ${name}` });
    assign({ operation: 'START' });
    clock.advance(1_000);
    expect(see()).toMatchObject({ operation: 'START', progressPercent: 66, error: null });
    clock.advance(500);
    expect(see()).toMatchObject({
      powerState: 'STOPPED',
      generation: 1,
      operation: null,
      progressPercent: null,
      error: { generation: 1, reason: 'no disk for web' },
    });
  });

  test('the error stays until a newer generation is finished', () => {
    let broken = true;
    const { settle, assign, clock, see } = setUp({ failure: () => (broken ? 'broken' : null) });
    settle({ operation: 'START' });
    broken = false;
    assign({ operation: 'START' });
    clock.advance(1_000);
    expect(see()).toMatchObject({ generation: 1, error: { generation: 1 } });
    clock.advance(500);
    expect(see()).toMatchObject({ generation: 2, error: null });
  });

  test('failure is asked once for an assignment, and not when there is nothing to do', () => {
    const asked: number[] = [];
    const { hypervisor, clock } = setUp({
      failure: ({ generation }) => {
        asked.push(generation);
        return null;
      },
    });
    hypervisor.apply(assignment({ operation: 'STOP', generation: 1 }));
    hypervisor.apply(assignment({ generation: 2 }));
    hypervisor.apply(assignment({ generation: 2 }));
    clock.advance(60_000);
    hypervisor.observe();
    expect(asked).toEqual([2]);
  });

  test('a deletion that fails leaves the virtual machine as it was', () => {
    const { settle } = setUp({
      failure: ({ operation }) => (operation === 'DELETE' ? 'busy' : null),
    });
    settle({ operation: 'START' });
    expect(settle({ operation: 'DELETE' })).toMatchObject({
      powerState: 'RUNNING',
      error: { generation: 2, reason: 'busy' },
    });
  });

  test('a crash is observed, and nothing starts it again by itself', () => {
    const { settle, hypervisor, clock, see } = setUp();
    settle({ operation: null });
    expect(hypervisor.crash('vm-1')).toBe(true);
    clock.advance(3_600_000);
    hypervisor.apply(assignment({ operation: null, generation: 1 }));
    expect(see()).toMatchObject({
      powerState: 'CRASHED',
      generation: 1,
      error: null,
      uptimeSeconds: 0,
      guestAgentRunning: false,
    });
  });

  test('a crash during an operation fails it; a stop still ends STOPPED', () => {
    const { settle, assign, hypervisor, clock, see } = setUp();
    settle({ operation: 'START' });
    assign({ operation: 'REBOOT' });
    clock.advance(500);
    hypervisor.crash('vm-1');
    expect(see()).toMatchObject({
      powerState: 'CRASHED',
      generation: 2,
      operation: null,
      error: { generation: 2, reason: 'the virtual machine crashed during REBOOT' },
    });
    settle({ operation: 'START' });
    assign({ operation: 'STOP' });
    hypervisor.crash('vm-1');
    clock.advance(1_000);
    expect(see()).toMatchObject({ powerState: 'STOPPED', generation: 4, error: null });
  });

  test('what does not run cannot crash', () => {
    const { settle, hypervisor } = setUp();
    settle({ operation: 'STOP' });
    expect(hypervisor.crash('vm-1')).toBe(false);
    expect(hypervisor.crash('never-heard-of')).toBe(false);
  });
});

describe('load', () => {
  test('only a running guest uses CPU and memory, and it varies', () => {
    const { settle, see, clock } = setUp();
    settle({ operation: 'START' });
    const cpu = new Set<number>();
    const memory = new Set<number>();
    for (let sample = 0; sample < 50; sample += 1) {
      clock.advance(300_000);
      const { cpuPercent, memoryUsedMib } = see();
      expect(cpuPercent).toBeGreaterThan(0);
      expect(cpuPercent).toBeLessThanOrEqual(100);
      expect(memoryUsedMib).toBeGreaterThan(0);
      expect(memoryUsedMib).toBeLessThanOrEqual(2_048);
      cpu.add(cpuPercent);
      memory.add(memoryUsedMib);
    }
    expect(cpu.size).toBeGreaterThan(25);
    expect(memory.size).toBeGreaterThan(25);
    for (const operation of ['PAUSE', 'STOP'] as const) {
      expect(settle({ operation })).toMatchObject({ cpuPercent: 0, memoryUsedMib: 0 });
    }
  });

  test('follows from the id, the seed and the clock alone', () => {
    const load = (seed: string, virtualMachineId: string) => {
      const { settle, see } = setUp({ seed });
      settle({ operation: 'START', virtualMachineId });
      return [see().cpuPercent, see().memoryUsedMib];
    };
    expect(load('a', 'vm-1')).toEqual(load('a', 'vm-1'));
    expect(load('a', 'vm-1')).not.toEqual(load('a', 'vm-2'));
    expect(load('a', 'vm-1')).not.toEqual(load('b', 'vm-1'));
  });

  test('the workload is the sum over the guests; a paused one keeps its memory', () => {
    const { settle, hypervisor, clock } = setUp();
    settle({ operation: 'START', spec: { vcpus: 4, memoryMib: 4_096, guestOs: null } });
    settle({ operation: 'START', virtualMachineId: 'vm-2' });
    settle({ operation: 'STOP', virtualMachineId: 'vm-3' });
    const [first, second] = hypervisor.observe();
    const workload = hypervisor.workload();
    expect(workload.running).toBe(2);
    expect(workload.busyCpus).toBeCloseTo(
      ((first?.cpuPercent ?? 0) * 4 + (second?.cpuPercent ?? 0) * 2) / 100,
    );
    expect(workload.memoryUsedMib).toBe((first?.memoryUsedMib ?? 0) + (second?.memoryUsedMib ?? 0));

    settle({ operation: 'PAUSE', virtualMachineId: 'vm-2' });
    settle({ operation: 'STOP' });
    const paused = hypervisor.workload();
    expect(paused).toMatchObject({ running: 0, busyCpus: 0 });
    expect(paused.memoryUsedMib).toBeGreaterThan(0);
    clock.advance(7_200_000);
    expect(hypervisor.workload()).toEqual(paused);
  });

  test('the guest agent answers some time after power-on, if there is a known guest system', () => {
    const { assign, hypervisor, clock } = setUp();
    assign({ operation: 'START' });
    const spec = { vcpus: 1, memoryMib: 512, guestOs: null };
    assign({ operation: 'START', virtualMachineId: 'vm-2', spec });
    const agents = () => hypervisor.observe().map((vm) => vm.guestAgentRunning);
    clock.advance(1_500 + 2_999);
    expect(agents()).toEqual([false, false]);
    clock.advance(1);
    expect(agents()).toEqual([true, false]);
  });
});

describe('closing', () => {
  test('nothing is held or accepted afterwards', () => {
    const { settle, hypervisor } = setUp();
    settle({ operation: 'START' });
    hypervisor.close();
    hypervisor.apply(assignment({ generation: 50 }));
    expect(hypervisor.observe()).toEqual([]);
    expect(hypervisor.workload()).toEqual({ running: 0, busyCpus: 0, memoryUsedMib: 0 });
    expect(hypervisor.crash('vm-1')).toBe(false);
  });
});
