/** How a check is made: it collects facts within its time, and a pure function judges them. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../../config/model.js';
import { type Finding, type Judgement, notice, reasonOf, warning } from './finding.js';

/** What checks may look at. */
export interface Site {
  readonly config: Config;
  /** Files that hold the configuration or a secret of it. */
  readonly files: readonly SettingFile[];
  /**
   * Rows of one statement at PostgreSQL, sent when the ones before it are done.
   * @throws {NotReached} there is no connection; the check "postgres" tells why
   */
  query<Row extends object>(sql: string, parameters?: readonly unknown[]): Promise<Row[]>;
}

export interface SettingFile {
  /** The setting that names it; "config.yaml" for the file of the settings itself. */
  readonly setting: string;
  readonly file: string;
  readonly holdsSecret: boolean;
}

export class NotReached extends Error {}

export interface Check {
  readonly name: string;
  /** What it looks at, for docs/doctor.md. */
  readonly about: string;
  run(site: Site): Promise<Judgement[]>;
}

export interface FactCheck<Facts> extends Check {
  collect(site: Site): Promise<Facts>;
  judge(facts: Facts): Judgement[];
}

export function defineCheck<Facts>(check: {
  readonly name: string;
  readonly about: string;
  collect(site: Site): Promise<Facts>;
  judge(facts: Facts): Judgement[];
}): FactCheck<Facts> {
  return { ...check, run: async (site) => check.judge(await check.collect(site)) };
}

/** No check takes longer, whatever hangs; they all run at once. */
export const DEADLINE_MS = 8_000;

export async function runCheck(
  check: Check,
  site: Site,
  deadlineMs: number = DEADLINE_MS,
): Promise<Finding[]> {
  const waiting = new AbortController();
  const late = sleep(deadlineMs, 'late' as const, { signal: waiting.signal });
  late.catch(() => {});
  const done = check.run(site).catch((error: unknown): Judgement[] => {
    if (error instanceof NotReached) return [notice('not checked: PostgreSQL cannot be used')];
    return [notice(`not checked: ${reasonOf(error)}`)];
  });
  const judgements = await Promise.race([done, late]);
  waiting.abort();
  const found =
    judgements === 'late'
      ? [
          warning(
            `not checked: no answer within ${deadlineMs / 1000} s`,
            'Look for a server that hangs, or a network that drops packets.',
          ),
        ]
      : judgements;
  return found.map((judgement) => ({ check: check.name, ...judgement }));
}
