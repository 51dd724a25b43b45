/** Emptying a node: what becomes of each machine, why one stays, and that the parts of a plan fit together. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PowerState } from '../../src/gen/client/enums.js';
import {
  type Leaver,
  planEvacuation,
  type Shelter,
} from '../../src/modules/virtual-machine/evacuation-rules.js';
import type { PlacementSettings } from '../../src/modules/virtual-machine/placement.js';

const SETTINGS: PlacementSettings = { overcommit: { cpu: 1, memory: 1 }, policy: 'spread' };
const HERE = { id: 'here', reports: true };

const shelter = (id: string, vcpus = 8, changes: Partial<Shelter> = {}): Shelter => ({
  id,
  hostname: `${id}.example`,
  clusterId: 'east',
  phase: 'READY',
  intent: 'IN_SERVICE',
  allocatable: { vcpus, memoryMib: 65_536, storageGib: 100 },
  allocated: { vcpus: 0, memoryMib: 0, storageGib: 0 },
  residents: [],
  ...changes,
});

const leaver = (id: string, changes: Partial<Leaver> = {}, vcpus = 1): Leaver => ({
  id,
  name: id,
  projectId: 'p',
  labels: {},
  powerState: 'RUNNING',
  capacityClaimed: true,
  request: {
    resources: { vcpus, memoryMib: 1024, storageGib: 0 },
    constraints: undefined,
    clusterId: 'east',
    preferredNodeId: null,
    pools: [],
  },
  task: null,
  failure: null,
  ...changes,
});

const retryAt = new Date('2026-05-04T09:01:00Z');

describe('a machine on a node that is emptied', () => {
  it.each<[string, Partial<Leaver>, object]>([
    ['moves while it runs', {}, { state: 'MOVES', targetNodeId: 'a', holds: true }],
    ['moves while it is paused', { powerState: 'PAUSED' }, { state: 'MOVES', holds: true }],
    [
      'moves while it is off, and holds nothing up',
      { powerState: 'STOPPED', capacityClaimed: false },
      { state: 'MOVES', targetNodeId: 'a', holds: false },
    ],
    [
      'is moving when its migration has begun',
      { task: { operation: 'MIGRATE', targetNodeId: 'a' } },
      { state: 'MOVING', targetNodeId: 'a', holds: true },
    ],
    [
      'stays until its migration towards the node has ended',
      { capacityClaimed: false, task: { operation: 'MIGRATE', targetNodeId: 'here' } },
      { state: 'BLOCKED', holds: true, reason: 'is on its way here: its migration must end first' },
    ],
    [
      'stays while a task is at work on it',
      { task: { operation: 'CREATE_SNAPSHOT', targetNodeId: null } },
      { state: 'BLOCKED', reason: 'the task CREATE_SNAPSHOT is at work on it' },
    ],
    [
      'stays while it is suspended',
      { powerState: 'SUSPENDED' },
      { state: 'BLOCKED', reason: 'is SUSPENDED. Resume it first.' },
    ],
    [
      'stays when it has crashed',
      { powerState: 'CRASHED' },
      { state: 'BLOCKED', reason: 'is CRASHED. Start or stop it first.' },
    ],
    [
      'stays until the node lets go of it',
      { powerState: 'STOPPED' },
      { state: 'BLOCKED', reason: 'is STOPPED, but its node has not let go of it yet' },
    ],
    [
      'stays for a while after its migration failed',
      { failure: { message: 'link down', retryAt } },
      {
        state: 'BLOCKED',
        reason:
          'its migration came to nothing: link down. It is tried again at 2026-05-04T09:01:00.000Z',
      },
    ],
    [
      'stays when no other node may take it',
      { request: { ...leaver('x').request, clusterId: 'west' } },
      {
        state: 'BLOCKED',
        reason: 'no other node can take it: a.example (is in another cluster)',
      },
    ],
  ])('%s', (_case, changes, step) => {
    expect(planEvacuation(HERE, [leaver('vm', changes)], [shelter('a')], SETTINGS)).toMatchObject([
      { virtualMachineId: 'vm', ...step },
    ]);
  });

  it('that runs stays while the node is silent; one that is off does not need it', () => {
    const off = leaver('off', { powerState: 'STOPPED', capacityClaimed: false });
    const silent = { id: 'here', reports: false };
    expect(planEvacuation(silent, [leaver('on'), off], [shelter('a')], SETTINGS)).toMatchObject([
      { virtualMachineId: 'on', state: 'BLOCKED', reason: expect.stringContaining('not report') },
      { virtualMachineId: 'off', state: 'MOVES' },
    ]);
  });

  it('has nowhere to go when there is no other node', () => {
    expect(planEvacuation(HERE, [leaver('vm')], [], SETTINGS)).toMatchObject([
      { state: 'BLOCKED', reason: 'there is no other node' },
    ]);
  });
});

describe('a plan', () => {
  it('does not count on room that another machine takes', () => {
    const steps = planEvacuation(HERE, [leaver('x'), leaver('y')], [shelter('a', 1)], SETTINGS);
    expect(steps.map((step) => step.state)).toEqual(['MOVES', 'BLOCKED']);
    expect(steps[1]?.reason).toBe('no other node can take it: a.example (has 0 of 1 vCPUs free)');
  });

  it('keeps machines apart that must be apart, within their project alone', () => {
    const apart = (id: string, projectId: string) => {
      const { request } = leaver(id);
      const constraints = { antiAffinityLabels: { app: 'db' } };
      return leaver(id, { projectId, labels: { app: 'db' }, request: { ...request, constraints } });
    };
    const leavers = [apart('x', 'p'), apart('y', 'p'), apart('z', 'q')];
    const steps = planEvacuation(HERE, leavers, [shelter('a')], SETTINGS);
    expect(steps.map(({ virtualMachineId, state }) => [virtualMachineId, state])).toEqual([
      ['x', 'MOVES'],
      ['y', 'BLOCKED'],
      ['z', 'MOVES'],
    ]);
  });

  it('never promises more of a node than it has, whatever the machines', () => {
    const states: PowerState[] = ['RUNNING', 'PAUSED', 'STOPPED', 'CRASHED'];
    const machines = fc.array(
      fc.record({ vcpus: fc.integer({ min: 1, max: 6 }), powerState: fc.constantFrom(...states) }),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(machines, fc.array(fc.nat(10), { maxLength: 4 }), (specs, rooms) => {
        const leavers = specs.map(({ vcpus, powerState }, i) =>
          leaver(`vm${i}`, { powerState, capacityClaimed: powerState !== 'STOPPED' }, vcpus),
        );
        const shelters = rooms.map((vcpus, i) => shelter(`n${i}`, vcpus));
        const steps = planEvacuation(HERE, leavers, shelters, SETTINGS);
        expect(steps.map((s) => s.virtualMachineId).sort()).toEqual(
          leavers.map((vm) => vm.id).sort(),
        );
        for (const { id, allocatable } of shelters) {
          const taken = steps
            .filter((step) => step.targetNodeId === id && step.holds)
            .map((step) => leavers.find((vm) => vm.id === step.virtualMachineId));
          const vcpus = taken.reduce((sum, vm) => sum + (vm?.request.resources.vcpus ?? 0), 0);
          expect(vcpus).toBeLessThanOrEqual(allocatable.vcpus);
        }
        for (const step of steps) expect(step.reason === null).toBe(step.targetNodeId !== null);
      }),
    );
  });
});
