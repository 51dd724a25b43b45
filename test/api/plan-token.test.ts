/** Plan tokens, of every mutation that the schema has: what a dry run showed is done exactly, or nothing is. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../support/app.js';
import { changedTables, digest } from '../support/digest.js';
import {
  createStage,
  inputFieldsOf,
  MUTATIONS,
  mutate,
  type Stage,
  sampleOf,
} from '../support/mutations.js';

let world: TestApp;
let stage: Stage;
beforeAll(async () => {
  world = await createTestApp();
  stage = await createStage(world);
});
afterAll(() => world.stop());

const STALE = { __typename: 'PlanStaleError', code: 'PLAN_STALE', path: ['planToken'] };

type Input = Readonly<Record<string, unknown>>;
const plan = async (mutation: string, input: Input): Promise<string> => {
  const { planToken } = await mutate(stage.admin, mutation, { ...input, dryRun: true });
  expect(planToken).toMatch(/^[\w-]{43}$/);
  return String(planToken);
};
const apply = (mutation: string, input: Input, planToken: string) =>
  mutate(stage.admin, mutation, { ...input, planToken });
const stale = async (mutation: string, input: Input, planToken: string) => {
  const before = await digest(world.data);
  expect(await apply(mutation, input, planToken)).toMatchObject(STALE);
  expect(changedTables(before, await digest(world.data))).toEqual(['audit_log']);
};

describe.each(MUTATIONS.filter((m) => inputFieldsOf(m).includes('planToken')))('%s', (mutation) => {
  it('refuses the plan of another request, and does what its own plan says', async () => {
    const other = await sampleOf(mutation, stage);
    const before = await digest(world.data);
    const strange = { ...other.input, planToken: 'of-something-else' };
    expect(await mutate(other.client, mutation, strange)).toMatchObject(STALE);
    expect(changedTables(before, await digest(world.data))).toEqual(['audit_log']);

    const { client, input } = await sampleOf(mutation, stage);
    const { planToken } = await mutate(client, mutation, { ...input, dryRun: true });
    const again = await mutate(client, mutation, { ...input, dryRun: true, planToken });
    expect(again).toMatchObject({ planToken, dryRun: true });
    const done = await mutate(client, mutation, { ...input, planToken });
    expect(done).toMatchObject({ dryRun: false, planToken: null });
  });
});
