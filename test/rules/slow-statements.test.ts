/** The log of slow statements: what is in a line, and how many there are. */
import { describe, expect, it } from 'vitest';
import { LINES, slowStatementLog, WINDOW_MS } from '../../src/core/slow-statements.js';

function stage(thresholdMs: number) {
  const lines: Record<string, unknown>[] = [];
  let now = 0;
  let counted = 0;
  const listen = slowStatementLog({
    thresholdMs,
    log: { warn: (line: object) => lines.push(line as Record<string, unknown>) } as never,
    monotonic: () => now,
    requestId: () => 'request-1',
    count: () => {
      counted += 1;
    },
  });
  return {
    lines,
    listen,
    counted: () => counted,
    pass: (ms: number) => {
      now += ms;
    },
  };
}

describe('the log of slow statements', () => {
  it.each([
    [500, 499.9, 0],
    [500, 500, 1],
    [0, 100_000, 0],
  ])('with a threshold of %d ms, a statement of %d ms makes %d lines', (threshold, took, lines) => {
    const { listen, ...seen } = stage(threshold);
    listen('SELECT 1', took);
    expect([seen.lines.length, seen.counted()]).toEqual([lines, lines]);
  });

  it('names duration, statement and request, and cuts what is very long', () => {
    const { listen, lines } = stage(1);
    listen(`SELECT ${'x'.repeat(100_000)}`, 12.6);
    expect(lines[0]).toMatchObject({ durationMs: 13, requestId: 'request-1' });
    expect(String(lines[0]?.statement)).toHaveLength(2_000);
  });

  it('does not flood: it counts all, writes some, and says later how many were left out', () => {
    const { listen, lines, counted, pass } = stage(1);
    for (let i = 0; i < 1_000; i += 1) listen('SELECT 1', 5);
    expect([lines.length, counted()]).toEqual([LINES, 1_000]);
    pass(WINDOW_MS - 1);
    listen('SELECT 1', 5);
    expect(lines).toHaveLength(LINES);
    pass(1);
    listen('SELECT 2', 5);
    listen('SELECT 3', 5);
    expect(lines.slice(LINES)).toEqual([
      { durationMs: 5, statement: 'SELECT 2', requestId: 'request-1', unlogged: 1_001 - LINES },
      { durationMs: 5, statement: 'SELECT 3', requestId: 'request-1' },
    ]);
  });
});
