/**
 * The heart of the response cache: whatever is written, by whichever mutation or controller, an answer that was kept before says
 * the same as one that was not. Generated from the schema and from the samples of all mutations.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { binKeeper } from '../../src/controllers/bin-keeper.js';
import { nodeHealth } from '../../src/controllers/node-health.js';
import type { Controller } from '../../src/controllers/runner.js';
import { retention, taskDeadlines } from '../../src/controllers/task-keeper.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { ask, askAnew, cacheableDocuments } from '../support/caching.js';
import type { Client } from '../support/client.js';
import { changedTables, digest } from '../support/digest.js';
import { createStage, MUTATIONS, mutate, type Stage, sampleOf } from '../support/mutations.js';
import { createTestClock, type TestClock } from '../support/test-clock.js';

/** Relations hear of more than they can miss. */
const OWN = Object.entries(cacheableDocuments()).filter(([name]) => !name.includes('.'));
/** Lists of which a member sees a part, by way of other rows. */
const PARTS = /^(alerts|images|projects|tasks|virtualMachines)$/;

let clock: TestClock;
let world: TestApp;
let stage: Stage;
let documents: [string, Client, string][];
/** The tables that each document reads, as its SQL says: of what the cache thinks of it nothing is believed. */
const reads = new Map<string, string[]>();
beforeAll(async () => {
  clock = createTestClock();
  world = await createTestApp({
    clock,
    config: {
      cache: { ttlMs: 300_000 },
      deletion: { retentionMs: 60_000 },
      tasks: { timeoutMs: 60_000 },
    },
  });
  stage = await createStage(world);
  const projects = { [stage.project.uuid]: 'OPERATOR' } as const;
  const member = await world.signIn((await world.seed.user('OPERATOR', { projects })).name);
  documents = [
    ...OWN.map(([name, query]): [string, Client, string] => [name, stage.admin, query]),
    ...OWN.filter(([name]) => PARTS.test(name)).map(([name, query]): [string, Client, string] => [
      `${name} of the member`,
      member,
      query,
    ]),
  ];
  for (const [name, client, query] of documents) {
    const sql = await world.statementsOf(() => askAnew(client, query));
    reads.set(
      name,
      [...sql.join().matchAll(/"public"\."(\w+)"/g)].map(([, table]) => table ?? ''),
    );
  }
});
afterAll(() => world.stop());

/** Asks before and after `write`; the names of those whose kept answer is not what it should be: of rows that were written since. */
async function staleAfter(write: () => Promise<unknown>) {
  for (const [, client, query] of documents) await ask(client, query);
  const before = await digest(world.data);
  await write();
  const written = changedTables(before, await digest(world.data));
  const stale: string[] = [];
  let hits = 0;
  for (const [name, client, query] of documents) {
    const kept = await ask(client, query);
    expect([name, kept.errors]).toEqual([name, []]);
    if (!kept.cache?.hit) continue; // it was executed just now
    hits += 1;
    if (!written.some((table) => reads.get(name)?.includes(table))) continue;
    const anew = await askAnew(client, query);
    expect([name, anew.errors]).toEqual([name, []]);
    if (JSON.stringify(kept.data) !== JSON.stringify(anew.data)) stale.push(name);
  }
  return { stale, hits };
}

it('every document reads the table that it is about', () => {
  const tables = documents.map(([name]) => reads.get(name)?.length ?? 0);
  expect(Math.min(...tables)).toBeGreaterThan(0);
});

it('nothing is written: everything is a hit', async () => {
  expect(await staleAfter(async () => undefined)).toEqual({ stale: [], hits: documents.length });
});

it.each(MUTATIONS)('%s leaves no stale answer', async (mutation) => {
  const { client, input } = await sampleOf(mutation, stage);
  const { stale, hits } = await staleAfter(async () => {
    const answer = await mutate(client, mutation, input);
    expect(answer.__typename).toMatch(/Payload$/);
  });
  expect(stale).toEqual([]);
  expect(hits).toBeGreaterThan(0); // otherwise nothing would have been kept, and nothing shown
});

describe('a controller leaves no stale answer', () => {
  const round = (controller: Controller) =>
    staleAfter(() =>
      controller.run(
        world.app.services,
        () => true,
        new AbortController().signal,
        new Date(0), // leading for long
      ),
    );

  it('when a node has fallen silent', async () => {
    const node = await world.seed.node(stage.cluster, { lastHeartbeat: clock.now() });
    const running = { powerState: 'RUNNING', desiredState: 'RUNNING' } as const;
    await world.seed.vm(stage.project, { ...running, node, claimed: true });
    clock.advance(90_000);
    expect((await round(nodeHealth)).stale).toEqual([]);
    const { phase } = await world.data.db.node.findUniqueOrThrow({ where: { id: node.uuid } });
    expect(phase).toBe('DISCONNECTED');
  });

  it('when a task is overdue', async () => {
    const { id } = await world.seed.vm(stage.project, { cluster: stage.cluster });
    await world.seed.node(stage.cluster);
    await mutate(stage.admin, 'startVirtualMachine', { id });
    clock.advance(60_000);
    expect((await round(taskDeadlines)).stale).toEqual([]);
    expect(await world.data.db.task.count({ where: { status: 'TIMED_OUT' } })).toBeGreaterThan(0);
  });

  it('when finished tasks are forgotten', async () => {
    const vm = await world.seed.vm(stage.project);
    await world.seed.task(stage.project, vm, { finishedAt: new Date(0) });
    const before = await world.data.db.task.count();
    expect((await round(retention)).stale).toEqual([]);
    expect(await world.data.db.task.count()).toBeLessThan(before);
  });

  it('when the bin is emptied', async () => {
    const { uuid } = await world.seed.vm(stage.project, { deletedAt: clock.now() });
    clock.advance(60_000);
    expect((await round(binKeeper)).stale).toEqual([]);
    expect(await world.data.db.virtualMachine.count({ where: { id: uuid } })).toBe(0);
  });
});
