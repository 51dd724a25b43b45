/** What several of these tests ask and expect in the same words. */
import { expect } from 'vitest';
import type { Finished } from '../support/program.js';

const STACK = /^\s+at .+:\d+:\d+\)?$/m;

/** An expected failure: this exit code, this message on standard error, and no stack trace for the user to wonder about. */
export function expectFailure(finished: Finished, code: 1 | 2, message: string | RegExp): void {
  expect(finished.stderr).toMatch(message);
  expect(finished.code, finished.stderr).toBe(code);
  expect(finished.stderr).not.toMatch(STACK);
}

export interface Readiness {
  readonly status: number;
  readonly ready: boolean;
  readonly obstacles: readonly string[];
  readonly degraded: readonly string[];
}

/** What `/readyz` says. */
export async function readiness(url: string): Promise<Readiness> {
  const response = await fetch(`${url}/readyz`);
  return { ...((await response.json()) as Omit<Readiness, 'status'>), status: response.status };
}

/** Prometheus' text as figures by name and labels, e.g. `quantix_subscribers{field="taskChanged"}`. */
export async function figures(url: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const end = line.lastIndexOf(' ');
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

/** Open subscriptions, all fields together. */
export async function subscribers(url: string): Promise<number> {
  let sum = 0;
  for (const [name, value] of await figures(url))
    if (name.startsWith('quantix_subscribers')) sum += value;
  return sum;
}
