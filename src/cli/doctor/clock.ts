/** Our clock against that of PostgreSQL: both write times that are compared. */
import { defineCheck } from './check.js';
import { type Judgement, ok, problem, warning } from './finding.js';
import { time } from './units.js';

export interface ClockFacts {
  /** How far ours is ahead, measured at the middle of the question. */
  readonly aheadMs: number;
  /** The question's way there and back: so inexact is the above, half to each side. */
  readonly roundTripMs: number;
}

const OFF_MS = 1_000;
const FAR_OFF_MS = 10_000;

export function judgeClock({ aheadMs, roundTripMs }: ClockFacts): Judgement[] {
  const sure = Math.abs(aheadMs) - roundTripMs / 2;
  const seen = `this machine's clock is ${time(Math.abs(aheadMs) / 1000)} ${aheadMs < 0 ? 'behind' : 'ahead of'} that of PostgreSQL`;
  const advice = 'Run a time daemon (chrony, ntpd) on both machines.';
  if (sure >= FAR_OFF_MS)
    return [problem(`${seen}: live nodes can look dead, and sessions end early`, advice)];
  if (sure >= OFF_MS) return [warning(seen, advice)];
  return [
    ok(`within ${time((Math.abs(aheadMs) + roundTripMs / 2) / 1000)} of the clock of PostgreSQL`),
  ];
}

export const clock = defineCheck({
  name: 'clock',
  about: 'The clock of this machine against that of PostgreSQL.',
  async collect({ query }): Promise<ClockFacts> {
    await query('SELECT 1'); // so that connecting is not measured
    const before = Date.now();
    const [row] = await query<{ now: number }>(
      'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now',
    );
    const after = Date.now();
    if (!row) throw new Error('the server does not tell its time');
    return { aheadMs: (before + after) / 2 - row.now, roundTripMs: after - before };
  },
  judge: judgeClock,
});
