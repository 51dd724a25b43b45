/** Random mutations at the same moment, on a real PostgreSQL: who comes second gets an answer too, and not a bug's message. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { createTestApp, type TestApp } from '../support/app.js';
import {
  type Caller,
  createCaller,
  drawing,
  LEFT_ALONE,
  LOG_LEVEL,
  OPTIONS,
  RUNS,
  TIMEOUT_MS,
  viewer,
} from './fuzz/caller.js';
import { type Operation, operationOf } from './fuzz/operations.js';
import { schema } from './schema.js';

let world: TestApp;
let caller: Caller;

beforeAll(async () => {
  world = await createTestApp({ on: 'postgres', logLevel: LOG_LEVEL });
  caller = await createCaller(world);
});
afterAll(() => world.stop());

const options = { ...OPTIONS, numRuns: Math.ceil(RUNS / 6) };

function mutationOf(generator: fc.GeneratorValue): Operation {
  const settings = { ids: caller.place().ids, wildness: 0, without: LEFT_ALONE };
  return operationOf(drawing(generator), schema, 'mutation', settings);
}

describe('at the same moment', () => {
  it('random mutations are all answered', { timeout: TIMEOUT_MS }, async () => {
    const several = fc.array(fc.tuple(fc.gen(), viewer), { minLength: 4, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(several, async (all) => {
        await Promise.all(
          all.map(([generator, who]) => caller.attempt(who, mutationOf(generator))),
        );
      }),
      options,
    );
  });

  it('the same mutation is answered each time it is sent', { timeout: TIMEOUT_MS }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.gen(), async (generator) => {
        const operation = mutationOf(generator);
        await Promise.all(Array.from({ length: 5 }, () => caller.attempt('admin', operation)));
      }),
      options,
    );
  });
});
