/**
 * Vitest reporter that writes the counts of a run into the file named by TEST_SUMMARY_FILE, as
 * `key=value` lines for a shell. Without that variable it does nothing.
 * A run of all tests that provoked some declared error nowhere has failed, too: see declared-errors.ts.
 * The file says `complete=0` until the very end, so a runner that crashed cannot look like a success.
 */
import { renameSync, writeFileSync } from 'node:fs';
import type { SerializedError } from 'vitest';
import type { Reporter, TestModule, Vitest } from 'vitest/node';
import { unprovokedInRun } from './declared-errors.js';

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/**
 * Adds up the tests of one file. What failed outside of any test (the file did not load, a hook
 * threw) counts as one failure for each place, so that it can never vanish behind passed tests.
 */
export function countModule(module: TestModule): Counts {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const test of module.children.allTests()) {
    const { state } = test.result();
    if (state === 'passed') counts.passed += 1;
    else if (state === 'skipped') counts.skipped += 1;
    else counts.failed += 1; // failed, or still pending when the run was cut off
  }
  for (const place of [module, ...module.children.allSuites()]) {
    if (place.errors().length > 0) counts.failed += 1;
  }
  if (counts.failed === 0 && module.state() === 'failed') counts.failed = 1;
  return counts;
}

export default class SummaryReporter implements Reporter {
  readonly #file = process.env.TEST_SUMMARY_FILE;
  readonly #modules = new Map<string, Counts>();

  #vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunStart(): void {
    this.#write(0, false);
  }

  onTestModuleEnd(module: TestModule): void {
    this.#modules.set(module.id, countModule(module));
    this.#write(0, false);
  }

  async onTestRunEnd(
    modules: readonly TestModule[],
    unhandled: readonly SerializedError[],
  ): Promise<void> {
    for (const module of modules) this.#modules.set(module.id, countModule(module));
    const missing = (await this.#ranAll(modules)) ? unprovokedInRun() : [];
    for (const pair of missing)
      this.#vitest?.logger.error(`No test makes ${pair.replace(' ', ' answer with ')}.`);
    if (missing.length > 0) process.exitCode = 1;
    this.#write(unhandled.length + missing.length, true);
  }

  /** Whether every test of every file ran and passed: only then does it say something that an error was never seen. */
  async #ranAll(modules: readonly TestModule[]): Promise<boolean> {
    const counts = [...this.#modules.values()];
    if (counts.some(({ failed, skipped }) => failed > 0 || skipped > 0)) return false;
    const files = await this.#vitest?.globTestSpecifications();
    return files !== undefined && files.length === modules.length;
  }

  #write(extraFailures: number, complete: boolean): void {
    if (!this.#file) return;
    const total: Counts = { passed: 0, failed: extraFailures, skipped: 0 };
    for (const counts of this.#modules.values()) {
      total.passed += counts.passed;
      total.failed += counts.failed;
      total.skipped += counts.skipped;
    }
    const lines = Object.entries({ ...total, complete: complete ? 1 : 0 });
    // Renamed into place, so that a reader never sees half of it.
    const draft = `${this.#file}.draft`;
    writeFileSync(draft, lines.map(([key, value]) => `${key}=${value}\n`).join(''));
    renameSync(draft, this.#file);
  }
}
