/**
 * Whatever is sent, the answer is an answer: never a bug's message, never a server error, never silence.
 * A failure prints what was sent. QUANTIX_FUZZ_SEED sends other things, QUANTIX_FUZZ_RUNS=20000 more of them,
 * QUANTIX_FUZZ_LOG=error shows what the server makes of them.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
  TRACES,
  viewer,
} from './fuzz/caller.js';
import { operationOf } from './fuzz/operations.js';
import { wild } from './fuzz/values.js';
import { schema, sdl } from './schema.js';

let world: TestApp;
let caller: Caller;

let heapBefore: number;

beforeAll(async () => {
  world = await createTestApp({ logLevel: LOG_LEVEL });
  caller = await createCaller(world);
  heapBefore = heapUsed();
});
afterAll(() => world.stop());

/** What is kept of strangers' requests (documents, plans, answers, counters) is bounded, however many of them there are. */
const MOST_GROWTH = 256 * 1024 * 1024;
const heapUsed = (): number => {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
};

const settings = (wildness: number) => ({ ids: caller.place().ids, wildness, without: LEFT_ALONE });

describe.each(['query', 'mutation'] as const)('a random %s', (kind) => {
  it(
    'that is right is answered, and well often enough for this to mean something',
    async () => {
      const outcomes = new Set<string>();
      let served = 0;
      await fc.assert(
        fc.asyncProperty(fc.gen(), viewer, async (generator, who) => {
          const operation = operationOf(drawing(generator), schema, kind, settings(0));
          const { data, errors } = await caller.attempt(who, operation);
          if (!errors) served += 1;
          for (const { key } of operation.roots) outcomes.add(data?.[key]?.__typename ?? 'none');
        }),
        OPTIONS,
      );
      expect(served).toBeGreaterThan(RUNS / 4);
      if (kind === 'mutation') expect(outcomes.size).toBeGreaterThan(8);
    },
    TIMEOUT_MS,
  );

  it(
    'that is a little wrong is answered',
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.gen(), viewer, async (generator, who) => {
          await caller.attempt(who, operationOf(drawing(generator), schema, kind, settings(3)));
        }),
        OPTIONS,
      );
    },
    TIMEOUT_MS,
  );
});

/** Pieces of documents, so that a random sequence of them gets far into the parser and behind it. */
const TOKENS = [
  '{',
  '{',
  '}',
  '}',
  '(',
  ')',
  '[',
  ']',
  ':',
  '!',
  '=',
  '|',
  '&',
  '@',
  '...',
  '$',
  '#a\n',
  ',',
  '"a"',
  '"""b"""',
  '"\\u{110000}"',
  '"\\ud800"',
  '1',
  '-0',
  '1.5e99',
  'null',
  'true',
  '\u0000',
  '\ufeff',
  '\u{1F600}',
  'query',
  'mutation',
  'subscription',
  'fragment',
  'on',
  'type',
  'extend',
  'schema',
  'id',
  'first',
  'input',
  'Query',
  'Mutation',
  'VirtualMachine',
  'Node',
  'F',
  '__typename',
  '__schema',
  '__type',
  'types',
  'fields',
  'name',
  'include',
  'if',
  'defer',
  'virtualMachines',
  'node',
  'nodes',
  'viewer',
  'login',
  'startVirtualMachine',
];

describe('random text', () => {
  it(
    'in place of a document is answered',
    async () => {
      const soup = fc
        .array(fc.constantFrom(...TOKENS), { maxLength: 60 })
        .map((all) => all.join(' '));
      const document = fc.oneof(soup, fc.string({ unit: 'binary', maxLength: 200 }));
      await fc.assert(
        fc.asyncProperty(document, viewer, async (query, who) => {
          await caller.ask(who, JSON.stringify({ query }));
        }),
        OPTIONS,
      );
    },
    TIMEOUT_MS,
  );

  it(
    'in place of a part of a document is answered',
    async () => {
      const cut = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), length: fc.nat(20) });
      const piece = fc.oneof(
        fc.constantFrom(...TOKENS),
        fc.string({ unit: 'binary', maxLength: 5 }),
      );
      await fc.assert(
        fc.asyncProperty(
          fc.gen(),
          cut,
          piece,
          viewer,
          async (generator, { at, length }, text, who) => {
            const { query, variables } = operationOf(
              drawing(generator),
              schema,
              'query',
              settings(0),
            );
            const start = Math.floor(at * query.length);
            const changed = query.slice(0, start) + text + query.slice(start + length);
            await caller.ask(who, JSON.stringify({ query: changed, variables }));
          },
        ),
        OPTIONS,
      );
    },
    TIMEOUT_MS,
  );

  it(
    'in place of a body is answered',
    async () => {
      const part = fc.oneof(fc.constantFrom('{ __typename }', sdl.slice(0, 1_000)), wild);
      const body = fc.oneof(
        fc.json(),
        fc.string({ unit: 'binary' }),
        fc
          .record(
            {
              query: part,
              variables: part,
              operationName: part,
              extensions: part,
              documentId: part,
            },
            { requiredKeys: [] },
          )
          .map((whole) => JSON.stringify(whole)),
      );
      await fc.assert(
        fc.asyncProperty(body, viewer, async (text, who) => {
          await caller.ask(who, text);
        }),
        OPTIONS,
      );
    },
    TIMEOUT_MS,
  );
});

describe('a random subscription', () => {
  it(
    'streams or is refused, and ends when the client goes',
    async () => {
      const { hints } = world.app.services;
      const before = hints.listeners();
      await fc.assert(
        fc.asyncProperty(fc.gen(), viewer, async (generator, who) => {
          const { query, variables } = operationOf(
            drawing(generator),
            schema,
            'subscription',
            settings(1),
          );
          const { token, raw } = caller.place().clients[who];
          const hangUp = new AbortController();
          const response = await raw({
            method: 'POST',
            headers: {
              'content-type': 'application/json',
              accept: 'text/event-stream',
              ...(token ? { authorization: `Bearer ${token}` } : {}),
            },
            body: JSON.stringify({ query, variables }),
            signal: hangUp.signal,
          });
          expect(response.status, query).toBeLessThan(500);
          const reader = response.body?.getReader();
          const heard = await Promise.race([
            reader?.read(),
            new Promise<undefined>((resolve) => setTimeout(resolve, 20)),
          ]);
          const text = new TextDecoder().decode(heard?.value as Uint8Array | undefined);
          expect(text, query).not.toMatch(TRACES);
          hangUp.abort();
        }),
        { ...OPTIONS, numRuns: Math.ceil(RUNS / 8) },
      );
      await expect.poll(() => hints.listeners()).toBe(before);
    },
    TIMEOUT_MS,
  );
});

it('all of this leaves little behind', () => {
  expect(heapUsed() - heapBefore).toBeLessThan(MOST_GROWTH);
});
