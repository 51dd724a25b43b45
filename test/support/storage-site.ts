/** A small datacenter for tests of storage: a node with an agent, a pool, a project, and sums that must always agree. */
import { expect } from 'vitest';
import { taskDeadlines } from '../../src/controllers/task-keeper.js';
import type { Task, Volume } from '../../src/gen/client/client.js';
import { decodeGlobalId } from '../../src/ids.js';
import { createTestApp, type TestApp, type TestAppOptions } from './app.js';
import type { Client } from './client.js';
import { type MutationAnswer, mutate } from './mutations.js';
import type { Made } from './seed.js';
import { createTestAgent, type TestAgent } from './test-agent.js';
import { createTestClock, type TestClock } from './test-clock.js';

export const GIB = 2n ** 30n;

export const uuidOf = (id: unknown): string => decodeGlobalId(String(id))?.id ?? '';

export interface Site {
  readonly world: TestApp;
  readonly clock: TestClock;
  readonly admin: Client;
  readonly cluster: Made;
  readonly node: Made;
  readonly agent: TestAgent;
  readonly project: Made;
  readonly pool: Made;
  /** Reasons for which the agent's next jobs fail, by operation. */
  readonly failures: Map<string, string>;
  /** A mutation by the administrator that must succeed; its payload's parts by name. */
  done(mutation: string, input: object): Promise<Record<string, Record<string, unknown>>>;
  /** A mutation by the administrator, whatever it answers. */
  ask(mutation: string, input: object): Promise<MutationAnswer>;
  /** The agent takes its jobs, does them, and says so. */
  settle(): Promise<void>;
  /** Time passes until every task is overdue, and the controller looks at them. */
  expire(): Promise<void>;
  /** A READY volume that went all the way through the API. */
  volume(name: string, input?: object): Promise<Made>;
  volumeRow(volume: { uuid: string }): Promise<Volume | null>;
  lastTask(about: { uuid: string }): Promise<Task>;
  /** Claims and usage are the sums of the rows. Growth that goes on is counted already. */
  expectSums(): Promise<void>;
}

export async function createSite(options: TestAppOptions = {}): Promise<Site> {
  const clock = createTestClock();
  const world = await createTestApp({ clock, ...options });
  const { seed, data } = world;
  await seed.user('ADMIN', { username: 'ada' });
  const admin = await world.signIn('ada');
  const cluster = await seed.cluster();
  const node = await seed.node(cluster, { hostname: 'alone' });
  const failures = new Map<string, string>();
  const failure = ({ operation }: { operation: string }) => failures.get(operation) ?? null;
  const agent = await createTestAgent(world, node, { clock: clock.source, jobs: { failure } });
  const project = await seed.project();
  const pool = await seed.pool({ name: 'flash', capacityBytes: 1000n * GIB });

  const site: Site = {
    world,
    clock,
    admin,
    cluster,
    node,
    agent,
    project,
    pool,
    failures,
    ask: (mutation, input) => mutate(admin, mutation, input as Record<string, unknown>),
    async done(mutation, input) {
      const answer = await site.ask(mutation, input);
      expect(answer, mutation).toMatchObject({ __typename: expect.stringMatching(/Payload$/) });
      return answer as unknown as Record<string, Record<string, unknown>>;
    },
    async settle() {
      await agent.report();
      await agent.report();
    },
    async expire() {
      clock.advance(2 * 3_600_000);
      await taskDeadlines.run(world.app.services, () => true, new AbortController().signal, new Date(0)); // biome-ignore format: one call
      clock.advance(-2 * 3_600_000); // sessions go on
    },
    async volume(name, input = {}) {
      const base = { projectId: project.id, poolId: pool.id, name, sizeGib: 10 };
      const { volume } = await site.done('createVolume', { ...base, ...input });
      await site.settle();
      const uuid = uuidOf(volume?.id);
      expect(await site.volumeRow({ uuid })).toMatchObject({ phase: 'READY' });
      return { id: String(volume?.id), uuid, name };
    },
    volumeRow: ({ uuid }) => data.db.volume.findUnique({ where: { id: uuid } }),
    lastTask: ({ uuid }) =>
      data.db.task.findFirstOrThrow({
        where: { resourceId: uuid },
        orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
      }),
    async expectSums() {
      const pools = await data.db.$queryRaw`
        SELECT p.name FROM storage_pools p
        WHERE claimed_bytes <> (SELECT coalesce(sum(claimed_bytes), 0) FROM volumes WHERE pool_id = p.id)`;
      expect(pools).toEqual([]);
      const projects = await data.db.$queryRaw`
        SELECT name FROM projects p
        WHERE used_volumes <> (SELECT count(*) FROM volumes WHERE project_id = p.id)
          OR used_storage_gib <> (
            SELECT coalesce(sum(ceil(coalesce(
              (SELECT (details->>'sizeBytes')::bigint FROM tasks t WHERE t.volume_id = v.id AND operation = 'GROW_VOLUME' AND status IN ('PENDING', 'RUNNING')),
              size_bytes) / 1073741824.0)), 0) FROM volumes v WHERE project_id = p.id)`;
      expect(projects).toEqual([]);
    },
  };
  return site;
}
