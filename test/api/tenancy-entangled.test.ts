/**
 * Every mutation of the schema, given by a member to objects that another project holds and is held by, in each way that the tables have
 * room for: whatever it answers (payload, error, each of many, dry run or not), it names nothing of the other project.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { holdEverything, tieEverything } from '../support/entangle.js';
import {
  documentOf,
  inputFieldsOf,
  MUTATIONS,
  type Stage,
  sampleOf,
} from '../support/mutations.js';
import { MARK, makeSecretProject, type SecretProject } from '../support/secret-project.js';

let world: TestApp;
let secret: SecretProject;
let stage: Stage;
beforeAll(async () => {
  world = await createTestApp();
  secret = await makeSecretProject(world);
  const { admin, own, cluster } = secret;
  const groupUuid = own.groupUuid;
  stage = {
    world,
    admin,
    project: { ...own, groupUuid },
    cluster,
    node: await world.seed.node(cluster),
  };
});
afterAll(() => world.stop());

/** What a member has no part in: they are answered to whoever shows a password or a token. */
const BY_THEMSELVES = [
  'changePassword',
  'enrolHypervisorNode',
  'login',
  'logout',
  'redeemConsoleTicket',
  'reportNode',
  'revokeOtherSessions',
];

async function ask(client: Client, mutation: string, input: object): Promise<[string, string[]]> {
  const { data, errors } = await client.answer<{ answer: { __typename: string } }, unknown>(
    documentOf(mutation),
    { input },
  );
  return [data?.answer.__typename ?? 'errors', secret.leaksIn([data, errors], input)];
}

it('what a mutation answers about entangled objects names none of the other project', async () => {
  const alone: string[] = [];
  const leaks: unknown[] = [];
  const answers = new Map<string, number>();
  for (const mutation of MUTATIONS) {
    const { client, input } = await sampleOf(mutation, stage);
    if (client !== stage.admin) {
      alone.push(mutation);
      continue;
    }
    await holdEverything(world.data.db, secret);
    const dry = inputFieldsOf(mutation).includes('dryRun') ? { dryRun: true } : {};
    const held = await ask(secret.member, mutation, { ...input, ...dry });
    await tieEverything(world.data.db, secret);
    const tied = await ask(secret.member, mutation, input);
    for (const [name, found] of [held, tied]) {
      answers.set(name, (answers.get(name) ?? 0) + 1);
      if (found.length > 0) leaks.push([mutation, name, found]);
    }
  }
  expect(leaks).toEqual([]);
  expect(alone).toEqual(BY_THEMSELVES);
  // It is entangled indeed: refusals of these kinds, and not all are refused.
  for (const name of ['InUseError', 'NoSuitableNodeError', 'ForbiddenError'])
    expect([name, answers.get(name) ?? 0]).not.toEqual([name, 0]);
  expect([...answers.keys()].filter((name) => name.endsWith('Payload')).length).toBeGreaterThan(30);
}, 120_000);

/** Those that take many by their ids, or by a filter that finds them. */
const BULK = MUTATIONS.filter((mutation) => inputFieldsOf(mutation).includes('filter'));

it('many at once find none of the other project, neither by their ids nor by a filter', async () => {
  expect(BULK).toEqual(MUTATIONS.filter((mutation) => mutation.startsWith('bulk')));
  for (const mutation of BULK) {
    const { input } = await sampleOf(mutation, stage);
    const { ids, ...rest } = input;
    const foreign = mutation.includes('Volume')
      ? secret.volume
      : mutation.includes('Alert')
        ? secret.alert
        : secret.vm;
    const byId = { ...rest, ids: [foreign.id] };
    const text = mutation.includes('Alert') ? 'title' : 'name';
    const byFilter = [
      { filter: { [text]: { contains: MARK } } },
      { filter: { project: { eq: secret.project.id } } },
      { filter: { [text]: { contains: MARK }, not: { project: { eq: secret.own.id } } } },
    ];
    const document = documentOf(mutation);
    const { data } = await secret.member.answer<{ answer: Record<string, unknown> }, unknown>(
      document,
      { input: byId },
    );
    expect([mutation, secret.leaksIn(data, byId)]).toEqual([mutation, []]);
    expect(JSON.stringify(data)).toContain('NOT_FOUND');
    for (const { filter } of byFilter) {
      const given = { ...rest, filter };
      const answer = await secret.member.answer<{ answer: Record<string, unknown> }, unknown>(
        document,
        { input: given },
      );
      expect([mutation, filter, secret.leaksIn(answer.data, given)]).toEqual([
        mutation,
        filter,
        [],
      ]);
      expect(answer.data?.answer).toMatchObject({
        succeededCount: 0,
        failedCount: 0,
        remainingCount: 0,
      });
    }
  }
}, 60_000);
