/** Silence of nodes, their conditions, and what phase is shown. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NodeIntent, NodePhase } from '../../src/gen/client/enums.js';
import {
  effectivePhase,
  phaseAfterSilence,
  phaseWhere,
  setCondition,
} from '../../src/modules/node/rules.js';

const LIMITS = { notReadyAfterMs: 30_000, disconnectedAfterMs: 90_000 };
const NOW = new Date('2026-05-04T09:00:00Z');
const ago = (ms: number) => new Date(NOW.getTime() - ms);
const PHASES = Object.values(NodePhase);
const INTENTS = Object.values(NodeIntent);

describe('the phase that silence calls for', () => {
  it.each([
    ['READY', 0, null],
    ['READY', 29_999, null],
    ['READY', 30_000, 'NOT_READY'],
    ['READY', 89_999, 'NOT_READY'],
    ['READY', 90_000, 'DISCONNECTED'],
    ['NOT_READY', 30_000, null],
    ['NOT_READY', 89_999, null],
    ['NOT_READY', 90_000, 'DISCONNECTED'],
    ['DISCONNECTED', 30_000, null],
    ['DISCONNECTED', 1e9, null],
    ['READY', -5_000, null],
  ] as const)('%s after %i ms: %s', (phase, silence, due) => {
    expect(phaseAfterSilence({ phase, lastHeartbeat: ago(silence) }, NOW, LIMITS)).toBe(due);
  });

  it.each(PHASES)('a node that never reported stays %s', (phase) => {
    expect(phaseAfterSilence({ phase, lastHeartbeat: null }, NOW, LIMITS)).toBeNull();
  });

  it('only ever makes it worse, and asking again after it was done changes nothing', () => {
    const rank: Partial<Record<NodePhase, number>> = { READY: 0, NOT_READY: 1, DISCONNECTED: 2 };
    fc.assert(
      fc.property(
        fc.constantFrom('READY' as const, 'NOT_READY' as const, 'DISCONNECTED' as const),
        fc.nat(200_000),
        (phase, silence) => {
          const lastHeartbeat = ago(silence);
          const due = phaseAfterSilence({ phase, lastHeartbeat }, NOW, LIMITS);
          if (due === null) return;
          expect(rank[due]).toBeGreaterThan(rank[phase] ?? 0);
          expect(phaseAfterSilence({ phase: due, lastHeartbeat }, NOW, LIMITS)).toBeNull();
        },
      ),
    );
  });
});

describe('the phase that is shown', () => {
  it.each(PHASES)('is the intent where that takes a node out of service, else %s', (phase) => {
    expect(effectivePhase({ phase, intent: 'MAINTENANCE' })).toBe('MAINTENANCE');
    expect(effectivePhase({ phase, intent: 'DRAINING' })).toBe('DRAINING');
    expect(effectivePhase({ phase, intent: 'CORDONED' })).toBe(phase);
    expect(effectivePhase({ phase, intent: 'IN_SERVICE' })).toBe(phase);
  });

  it('is what a filter by phase finds, for every phase, intent and filter', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...PHASES),
        fc.constantFrom(...INTENTS),
        fc.subarray(PHASES),
        (phase, intent, filter) => {
          const node = { phase, intent };
          expect(holds(phaseWhere(filter), node)).toBe(filter.includes(effectivePhase(node)));
        },
      ),
    );
  });
});

/** Prisma's conditions, as far as `phaseWhere` uses them. */
function holds(where: Record<string, unknown>, row: Record<string, string>): boolean {
  return Object.entries(where).every(([key, condition]) => {
    if (key === 'OR') return (condition as Record<string, unknown>[]).some((w) => holds(w, row));
    const { in: among, notIn } = condition as { in?: string[]; notIn?: string[] };
    const value = row[key] ?? '';
    return (among?.includes(value) ?? true) && !(notIn?.includes(value) ?? false);
  });
}

describe('conditions', () => {
  const ready = (status: 'TRUE' | 'FALSE' | 'UNKNOWN', reason = 'R') => ({
    type: 'Ready',
    status,
    reason,
    message: 'm',
  });
  const disk = { ...ready('TRUE'), type: 'DiskHealthy', changedAt: '2026-01-01T00:00:00.000Z' };

  it('stand once for each type, however often they are set', () => {
    let conditions = setCondition([disk], ready('TRUE'), ago(3_000));
    conditions = setCondition(conditions, ready('FALSE'), ago(2_000));
    conditions = setCondition(conditions, ready('FALSE', 'other'), ago(1_000));
    expect(conditions).toEqual([
      disk,
      { ...ready('FALSE', 'other'), changedAt: ago(2_000).toISOString() },
    ]);
  });

  it('keep the moment of the last change while the status is the same', () => {
    const first = setCondition([], ready('TRUE'), ago(9_000));
    expect(setCondition(first, ready('TRUE'), NOW)).toEqual(first);
  });

  it('do not change the list that they are given', () => {
    const list = [disk];
    setCondition(list, ready('TRUE'), NOW);
    expect(list).toEqual([disk]);
  });
});
