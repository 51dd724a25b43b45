/** No test file may leave a warning of a leak. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, expect } from 'vitest';
import { noteLeakWarning, takeLeakWarnings } from './leak-warnings.js';

beforeAll(() => void process.on('warning', noteLeakWarning));
afterAll(async () => {
  await nextTurn(); // they are told a tick late
  process.off('warning', noteLeakWarning);
  expect(takeLeakWarnings()).toEqual([]);
});
