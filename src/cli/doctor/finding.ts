/** What the doctor says: how bad it is, what was seen, and what to do about it. */

/** From good to bad: the worst one is the result. */
export const LEVELS = ['ok', 'notice', 'warning', 'problem'] as const;
export type Level = (typeof LEVELS)[number];

/** What a check makes of its facts. `seen` has the figures; `advice` is one sentence, with a command where there is one. */
export interface Judgement {
  readonly level: Level;
  readonly seen: string;
  readonly advice: string | null;
}

export interface Finding extends Judgement {
  /** The check's name. */
  readonly check: string;
}

export const ok = (seen: string): Judgement => ({ level: 'ok', seen, advice: null });
export const notice = (seen: string, advice: string | null = null): Judgement => ({
  level: 'notice',
  seen,
  advice,
});
export const warning = (seen: string, advice: string): Judgement => ({
  level: 'warning',
  seen,
  advice,
});
export const problem = (seen: string, advice: string): Judgement => ({
  level: 'problem',
  seen,
  advice,
});

export function worst(findings: readonly Judgement[]): Level {
  const ranks = findings.map(({ level }) => LEVELS.indexOf(level));
  return LEVELS[Math.max(0, ...ranks)] ?? 'ok';
}

/** An error in one line, for people. Drivers put no secrets into theirs. */
export function reasonOf(error: unknown): string {
  const first = error instanceof AggregateError ? (error.errors[0] ?? error) : error;
  const text = first instanceof Error ? first.message : String(first);
  return text.replace(/\s+/g, ' ').trim() || 'no reason given';
}
