import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dayCurve, fractionOf, hash32, wander } from '../../src/agent/noise.js';
import { hardwareFor } from '../../src/agent/simulated-hardware.js';
import { createSimulatedHypervisor } from '../../src/agent/simulated-hypervisor.js';
import { createSimulatedMachine } from '../../src/agent/simulated-machine.js';
import { assignment, manualClock } from './support.js';

const systemInfo = { agentVersion: '1.2.3', hypervisorVersion: 'simulated 1' };
const idle = () => ({ running: 0, busyCpus: 0, memoryUsedMib: 0 });
const HOUR_MS = 3_600_000;

function logicalCpus(seed: string): number {
  const { sockets, coresPerSocket, threadsPerCore } = hardwareFor(seed).cpu;
  return sockets * coresPerSocket * threadsPerCore;
}

describe('a simulated machine', () => {
  test('two with the same seed report the same at the same time; other seeds differ', async () => {
    const figures = async (seed: string) => {
      const clock = manualClock();
      const machine = createSimulatedMachine({ seed, workload: idle, systemInfo, clock });
      clock.advance(HOUR_MS);
      return machine.read();
    };
    expect(await figures('node-1')).toEqual(await figures('node-1'));
    expect((await figures('node-1')).metrics).not.toEqual((await figures('node-2')).metrics);
  });

  test('its load is that of its guests, on top of its own', async () => {
    const clock = manualClock();
    const hypervisor = createSimulatedHypervisor({ clock });
    const busy = createSimulatedMachine({
      seed: 'n',
      workload: hypervisor.workload,
      systemInfo,
      clock,
    });
    const quiet = createSimulatedMachine({ seed: 'n', workload: idle, systemInfo, clock });
    for (let index = 0; index < 10; index += 1) {
      hypervisor.apply(assignment({ virtualMachineId: `vm-${index}` }));
    }
    clock.advance(10 * 60_000);
    const workload = hypervisor.workload();
    expect(workload.running).toBe(10);
    const [with_, without] = [(await busy.read()).metrics, (await quiet.read()).metrics];
    expect(with_.cpuPercent - without.cpuPercent).toBeCloseTo(
      (100 * workload.busyCpus) / logicalCpus('n'),
      1,
    );
    expect(with_.memoryUsedMib - without.memoryUsedMib).toBe(workload.memoryUsedMib);
    expect(with_.loadAverage1m).toBeGreaterThan(without.loadAverage1m);
    expect(with_.diskReadBytesPerSecond).toBeGreaterThan(without.diskReadBytesPerSecond);
  });

  test('an overcommitted node is full, and its load average says by how much', async () => {
    const clock = manualClock();
    const workload = () => ({ running: 500, busyCpus: 1_000, memoryUsedMib: 10_000_000 });
    const machine = createSimulatedMachine({ seed: 'n', workload, systemInfo, clock });
    const { metrics } = await machine.read();
    expect(metrics.cpuPercent).toBe(100);
    expect(metrics.memoryUsedMib).toBe(metrics.memoryTotalMib);
    expect(metrics.loadAverage1m).toBeGreaterThan(logicalCpus('n'));
  });

  test('every figure is plausible at every seed, time and load', async () => {
    const when = fc.integer({ min: Date.UTC(2025, 0), max: Date.UTC(2035, 0) });
    const workloads = fc.record({
      running: fc.nat({ max: 100 }),
      busyCpus: fc.double({ min: 0, max: 400, noNaN: true }),
      memoryUsedMib: fc.nat({ max: 1_000_000 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.string(), when, workloads, async (seed, startMs, workload) => {
        const clock = manualClock(startMs);
        const machine = createSimulatedMachine({
          seed,
          workload: () => workload,
          systemInfo,
          clock,
        });
        const { metrics, spec } = await machine.read();
        for (const [name, value] of Object.entries(metrics)) {
          if (typeof value === 'number') {
            expect(value, name).toBeGreaterThanOrEqual(0);
            expect(Number.isFinite(value), name).toBe(true);
          }
        }
        expect(metrics.cpuPercent).toBeLessThanOrEqual(100);
        expect(metrics.memoryUsedMib).toBeLessThanOrEqual(spec.memory.totalMib);
        expect(metrics.diskUsedGib).toBeLessThan(metrics.diskTotalGib);
        expect(metrics.sampledAt).toBe(new Date(startMs).toISOString());
        for (const { macAddress } of spec.networks) {
          expect(macAddress).toMatch(/^02(:[0-9a-f]{2}){5}$/);
        }
      }),
    );
  });

  test('a day has its busy and its quiet hours, and figures move between reports', async () => {
    const clock = manualClock(Date.UTC(2026, 0, 5));
    const machine = createSimulatedMachine({ seed: 'n', workload: idle, systemInfo, clock });
    const averages: number[] = [];
    const seen = new Set<number>();
    for (let hour = 0; hour < 24; hour += 1) {
      let sum = 0;
      for (let sample = 0; sample < 60; sample += 1) {
        const { cpuPercent } = (await machine.read()).metrics;
        seen.add(cpuPercent);
        sum += cpuPercent;
        clock.advance(60_000);
      }
      averages.push(sum / 60);
    }
    expect(averages[14]).toBeGreaterThan((averages[2] ?? 0) + 1);
    expect(seen.size).toBeGreaterThan(100);
  });

  test('uptime runs with the clock', async () => {
    const clock = manualClock();
    const machine = createSimulatedMachine({ seed: 'n', workload: idle, systemInfo, clock });
    const before = (await machine.read()).metrics.uptimeSeconds;
    clock.advance(200 * 24 * HOUR_MS);
    expect((await machine.read()).metrics.uptimeSeconds).toBe(before + 200 * 86_400);
  });

  test('given hardware is reported instead of invented hardware, and cannot be changed through a report', async () => {
    const spec = { ...hardwareFor('n'), memory: { totalMib: 4_096 } };
    const machine = createSimulatedMachine({ seed: 'n', workload: idle, systemInfo, spec });
    const first = await machine.read();
    expect(first.spec).toEqual(spec);
    first.spec.memory.totalMib = 1;
    expect((await machine.read()).metrics.memoryTotalMib).toBe(4_096);
    expect(first.systemInfo).toMatchObject(systemInfo);
  });

  test('reading after close() is an error', async () => {
    const machine = createSimulatedMachine({ seed: 'n', workload: idle, systemInfo });
    machine.close();
    await expect(machine.read()).rejects.toThrow('closed');
  });
});

describe('repeatable noise', () => {
  test('stays in [0, 1) and has no jumps', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 32 - 1 }), fc.nat({ max: 2e12 }), (seed, atMs) => {
        const value = wander(seed, atMs, 10_000);
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThan(1);
        // Eased steps are steepest in their middle: at most 1.5 per period.
        expect(Math.abs(wander(seed, atMs + 1, 10_000) - value)).toBeLessThan(0.0002);
      }),
      { numRuns: 1_000 },
    );
  });

  test('is spread evenly over seeds and over time', () => {
    const tenth = (value: number) => Math.floor(value * 10);
    const bySeed = new Array<number>(10).fill(0);
    const byTime = new Array<number>(10).fill(0);
    for (let index = 0; index < 10_000; index += 1) {
      const one = tenth(fractionOf(`node-${index}`));
      const other = tenth(wander(hash32('n'), index * 1_000, 1_000));
      bySeed[one] = (bySeed[one] ?? 0) + 1;
      byTime[other] = (byTime[other] ?? 0) + 1;
    }
    for (const count of [...bySeed, ...byTime]) {
      expect(count).toBeGreaterThan(850);
      expect(count).toBeLessThan(1_150);
    }
  });

  test('the day peaks at 14:00 UTC unless it is shifted', () => {
    const at = (hour: number) => Date.UTC(2026, 0, 5, hour);
    expect(dayCurve(at(14))).toBeCloseTo(1);
    expect(dayCurve(at(2))).toBeCloseTo(0);
    expect(dayCurve(at(17), 3 * HOUR_MS)).toBeCloseTo(1);
  });
});
