/** Sends random operations to an app, and takes offence at what no caller should ever get. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { isUnionType } from 'graphql';
import { expect } from 'vitest';
import type { TestApp } from '../../support/app.js';
import { root, schema } from '../schema.js';
import type { Operation } from './operations.js';
import { HIDDEN, makePlace, type Place, VIEWERS, type Viewer } from './place.js';
import type { Draw } from './values.js';

export const RUNS = Number(process.env.QUANTIX_FUZZ_RUNS ?? 250);
const SEED = Number(process.env.QUANTIX_FUZZ_SEED ?? 20_260_131);
export const LOG_LEVEL = process.env.QUANTIX_FUZZ_LOG ?? 'silent';
export const OPTIONS = { numRuns: RUNS, seed: SEED, endOnFailure: true };
/** After signing out all else would only be refused; and waiting takes its time by intent. */
export const LEFT_ALONE = ['logout', 'waitForTask'];
/** No single answer may take this long; no property may take this long for all of its runs. */
const LONGEST_MS = 10_000;
export const TIMEOUT_MS = 60_000 + RUNS * 200;
/** Operations delete, disable and rename: after as many, the place is made anew. */
const WEAR = 150;

export interface Answered {
  readonly data?: Record<string, { __typename?: string } | null> | null;
  readonly errors?: readonly {
    readonly message?: unknown;
    readonly extensions?: { readonly code?: unknown };
  }[];
}

export interface Caller {
  readonly place: () => Place;
  /** Sends a body as it is. */
  ask(viewer: Viewer, body: BodyInit): Promise<Answered>;
  attempt(viewer: Viewer, operation: Operation): Promise<Answered>;
}

/** What must not leave the server: stacks, files, the names of what it is built from. */
export const TRACES =
  /INTERNAL_SERVER_ERROR|\\n\s*at |node_modules|\.[jt]s:\d+|PrismaClient|invocation/;

/** The codes of docs/errors.md, second table. */
const DOCUMENTED = [
  ...readFileSync(join(root, 'docs/errors.md'), 'utf8').matchAll(/^\| `([A-Z_]+)` \|/gm),
].map(([, code]) => code);

/** The administrator more often than the others: most is allowed to that one. */
export const viewer = fc.noBias(fc.constantFrom(...VIEWERS, 'admin' as const, 'admin' as const));

export const drawing =
  (generator: fc.GeneratorValue): Draw =>
  (arbitrary) =>
    generator(() => arbitrary);

export async function createCaller(world: TestApp): Promise<Caller> {
  let place = await makePlace(world);
  let worn = 0;

  async function ask(viewer: Viewer, body: BodyInit): Promise<Answered> {
    const { token, raw } = place.clients[viewer];
    const headers = {
      'content-type': 'application/json',
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    };
    const answering = raw({ method: 'POST', headers, body }).then(async (response) => ({
      status: response.status,
      text: await response.text(),
    }));
    const { status, text } = await inTime(answering);
    expect(status, text.slice(0, 500)).toBeLessThan(500);
    expect(text).not.toMatch(TRACES);
    if (viewer !== 'admin' && text.includes(HIDDEN))
      expect(await roleOf(viewer), text.slice(0, 2_000)).toBe('ADMIN');
    const answer = JSON.parse(text) as Answered;
    for (const { message, extensions } of answer.errors ?? []) {
      expect(typeof message).toBe('string');
      expect(DOCUMENTED, String(message)).toContain(extensions?.code);
    }
    return answer;
  }

  /** As it is now: a random mutation may have made somebody an administrator. */
  async function roleOf(viewer: Viewer): Promise<string> {
    const query = '{ viewer { role } }';
    const { data } = await place.clients[viewer].answer<{ viewer?: { role?: string } }, object>(
      query,
    );
    return data?.viewer?.role ?? 'nobody';
  }

  async function attempt(viewer: Viewer, operation: Operation): Promise<Answered> {
    const { query, variables, kind } = operation;
    try {
      const answer = await ask(viewer, JSON.stringify({ query, variables }));
      if (kind === 'mutation') checkMutations(operation, answer);
      const signedOut = answer.errors?.some(
        ({ extensions }) => extensions?.code === 'UNAUTHENTICATED',
      );
      worn += signedOut && viewer !== 'anonymous' ? WEAR : 1;
      if (worn >= WEAR) {
        worn = 0;
        place = await makePlace(world);
      }
      return answer;
    } catch (error) {
      const sent = `as ${viewer}:\n${query}\nwith ${JSON.stringify(variables)}`;
      throw new Error(`${sent}\n${(error as Error).message}`, { cause: error });
    }
  }

  return { place: () => place, ask, attempt };
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer')), LONGEST_MS);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** A mutation answers with a declared member of its union, or says at the top why there is no answer. */
function checkMutations({ roots }: Operation, { data, errors }: Answered): void {
  if (!data) expect(errors?.length).toBeGreaterThan(0);
  for (const { key, field } of roots) {
    const union = schema.getType(`${field.charAt(0).toUpperCase()}${field.slice(1)}Result`);
    if (!isUnionType(union)) throw new Error(`${field} has no result union`);
    const result = data?.[key]; // absent also with @skip
    if (result) expect(union.getTypes().map(({ name }) => name)).toContain(result.__typename);
  }
}
