/** Recommendations: every pair of status and decision, and when a migration makes no sense any more. */
import { describe, expect, it } from 'vitest';
import { DrsStatus } from '../../src/gen/client/enums.js';
import {
  allowedDecisions,
  DRS_OPERATIONS,
  DRS_TRANSITIONS,
  type DrsOperation,
  requireDecision,
  staleness,
  whyExpired,
} from '../../src/modules/drs/rules.js';

describe('a decision', () => {
  it.each([
    ['PENDING', ['APPROVE', 'REJECT', 'APPLY']],
    ['APPROVED', ['REJECT', 'APPLY']],
    ['APPLIED', []],
    ['REJECTED', []],
    ['EXPIRED', []],
  ] as const)('on one that is %s can be %j, and nothing else', (status, allowed) => {
    expect(allowedDecisions(status)).toEqual(allowed);
    for (const operation of Object.keys(DRS_OPERATIONS) as DrsOperation[]) {
      const decide = () => requireDecision(operation, status);
      if ((allowed as readonly string[]).includes(operation)) expect(decide).not.toThrow();
      else expect(decide).toThrow(`${operation} is not possible while the state is ${status}`);
    }
  });

  it('is final: there is no way back to PENDING, and none out of an end', () => {
    const ways = Object.values(DRS_TRANSITIONS).flat();
    expect(ways).not.toContain('PENDING');
    for (const end of ['APPLIED', 'REJECTED', 'EXPIRED'] as const)
      expect(DRS_TRANSITIONS[end]).toEqual([]);
    expect(Object.keys(DRS_TRANSITIONS).sort()).toEqual(Object.values(DrsStatus).sort());
  });
});

describe('a migration that is recommended', () => {
  const fresh = {
    sourceNodeId: 'a',
    targetNodeId: 'b',
    machine: { nodeId: 'a', powerState: 'RUNNING' },
    source: { phase: 'READY', intent: 'IN_SERVICE' },
  };
  it.each<[string, object, string | null]>([
    ['makes sense while all is as it was', {}, null],
    ['relieves a cordoned node, too', { source: { phase: 'READY', intent: 'CORDONED' } }, null],
    ['needs its target', { targetNodeId: null }, 'its target is gone'],
    [
      'is for a machine that runs',
      { machine: { nodeId: 'a', powerState: 'STOPPED' } },
      'the virtual machine is STOPPED',
    ],
    [
      'is for a machine that is where it was',
      { machine: { nodeId: 'c', powerState: 'RUNNING' } },
      'the virtual machine is not on the source node any more',
    ],
    [
      'is for a machine that is not there yet',
      { sourceNodeId: null, machine: { nodeId: 'b', powerState: 'RUNNING' } },
      'the virtual machine is on the target already',
    ],
    [
      'needs a source that reports',
      { source: { phase: 'NOT_READY', intent: 'IN_SERVICE' } },
      'the source node does not report',
    ],
    [
      'needs a source in service',
      { source: { phase: 'READY', intent: 'MAINTENANCE' } },
      'the source node is out of service',
    ],
  ])('%s', (_case, changes, why) => {
    expect(staleness({ ...fresh, ...changes })).toBe(why);
  });
});

describe('a recommendation that waits', () => {
  const NOW = new Date('2026-05-04T09:00:00Z');
  const HOUR = 3_600_000;
  const waiting = {
    status: 'PENDING',
    recommendationType: 'MIGRATE',
    createdAt: new Date(NOW.getTime() - HOUR),
    sourceNodeId: 'a',
    targetNodeId: 'b',
    virtualMachine: { nodeId: 'a', powerState: 'RUNNING' },
    targetNode: { intent: 'IN_SERVICE' },
  } as const;
  const machine = (changes: object) => ({
    virtualMachine: { ...waiting.virtualMachine, ...changes },
  });
  it.each<[string, object, string | null]>([
    ['stays while all is as it was', {}, null],
    ['stays when it was approved', { status: 'APPROVED' }, null],
    ['stays while its machine is not heard of', machine({ powerState: 'UNKNOWN' }), null],
    ['stays while its target takes no more', { targetNode: { intent: 'CORDONED' } }, null],
    ['expires with age', { createdAt: new Date(NOW.getTime() - 2 * HOUR) }, 'it is too old'],
    ['expires without machine', { virtualMachine: null }, 'its virtual machine is gone'],
    ['expires without target', { targetNodeId: null }, 'its target is gone'],
    [
      'expires with its target',
      { targetNode: { intent: 'MAINTENANCE' } },
      'its target is out of service',
    ],
    [
      'expires when the machine stops',
      machine({ powerState: 'STOPPED' }),
      'the virtual machine is STOPPED',
    ],
    [
      'expires when the machine moves',
      machine({ nodeId: 'c' }),
      'the virtual machine is not on the source node any more',
    ],
    [
      'expires when it is done otherwise',
      { sourceNodeId: null, ...machine({ nodeId: 'b' }) },
      'the virtual machine is on the target already',
    ],
    [
      'about a node goes by its age alone',
      { recommendationType: 'POWER_ON', virtualMachine: null },
      null,
    ],
    ['stays what somebody made of it', { status: 'REJECTED', virtualMachine: null }, null],
  ])('%s', (_case, changes, why) => {
    expect(whyExpired({ ...waiting, ...changes }, NOW, 2 * HOUR)).toBe(why);
  });
});
