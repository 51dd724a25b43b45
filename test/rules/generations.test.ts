/** When the marks of the response cache settle: not before the last commit that may still change what they stand for. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { openGenerations } from '../../src/core/cache.js';
import { createMetrics } from '../../src/core/metrics.js';
import type { Ephemeral, Mark } from '../../src/ephemeral/ephemeral.js';
import { openInProcessEphemeral } from '../../src/ephemeral/in-process.js';
import { ephemeralTtlMs } from '../../src/ephemeral/keys.js';
import { createLogger } from '../../src/log.js';

const CLUSTER = new Set(['Cluster']);
const DOUBT_MS = ephemeralTtlMs.unsettledGeneration;

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function open() {
  const said: boolean[] = [];
  const ephemeral: Ephemeral = {
    ...openInProcessEphemeral(),
    kind: 'redis',
    degraded: false,
    async mark(_keys: readonly string[], { working }: Mark) {
      said.push(working);
    },
  };
  const generations = openGenerations({
    ...{ ephemeral, metrics: createMetrics(), log: createLogger({ level: 'silent' }) },
    isShared: () => true,
  });
  /** Whether the mark is left unsettled. */
  const isUnsettled = () => said.at(-1);
  return { generations, isUnsettled, said };
}

it('with the commit, and with the last one of several', async () => {
  const { generations, isUnsettled } = open();
  await generations.unsettle(CLUSTER);
  await generations.unsettle(CLUSTER);
  await generations.settle(CLUSTER);
  expect(isUnsettled()).toBe(true);
  await generations.settle(CLUSTER);
  expect(isUnsettled()).toBe(false);
});

it('after a while when it is not known what became of a commit, whoever commits meanwhile', async () => {
  const { generations, isUnsettled } = open();
  await generations.unsettle(CLUSTER);
  await generations.settle(CLUSTER, true);
  await generations.unsettle(CLUSTER);
  await generations.settle(CLUSTER);
  await vi.advanceTimersByTimeAsync(DOUBT_MS - 1);
  expect(isUnsettled()).toBe(true);
  await vi.advanceTimersByTimeAsync(1);
  expect(isUnsettled()).toBe(false);
});

it('never once this process closes', async () => {
  const { generations, said } = open();
  await generations.unsettle(CLUSTER);
  await generations.settle(CLUSTER, true);
  generations.close();
  await vi.advanceTimersByTimeAsync(DOUBT_MS);
  expect(said).not.toContain(false);
});
