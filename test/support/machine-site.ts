/** A small datacenter for tests of operations on machines: two nodes with agents, a pool, a project; time and reports by hand. */
import { expect } from 'vitest';
import { taskDeadlines } from '../../src/controllers/task-keeper.js';
import type { Prisma, Project, Task, VirtualMachine, Volume } from '../../src/gen/client/client.js';
import { createTestApp, type TestApp, type TestAppOptions } from './app.js';
import type { Client } from './client.js';
import { violations } from './invariants.js';
import { type MutationAnswer, mutate } from './mutations.js';
import { operate } from './operations.js';
import type { Made } from './seed.js';
import { createTestAgent, type TestAgent } from './test-agent.js';
import { createTestClock, type TestClock } from './test-clock.js';

const AT_ONCE = {
  start: 0,
  stop: 0,
  forcedStop: 0,
  reboot: 0,
  reset: 0,
  arrive: 0,
  resize: 0,
  pause: 0,
  resume: 0,
  suspend: 0,
  delete: 0,
};

/** How long a simulated migration copies, in milliseconds. */
export const COPY_MS = 4_000;

type MachineColumns = Partial<Prisma.VirtualMachineCreateManyInput>;

/** A cluster of its own with two nodes and their agents. */
export interface Place {
  readonly cluster: Made;
  readonly a: Made;
  readonly b: Made;
  readonly agentA: TestAgent;
  readonly agentB: TestAgent;
}

export interface MachineSite {
  readonly world: TestApp;
  readonly clock: TestClock;
  readonly admin: Client;
  readonly project: Made;
  readonly pool: Made;
  /** Reasons for which what agents begin from now on fails, by operation. */
  readonly failures: Map<string, string>;
  /** A mutation by the administrator, whatever it answers. */
  ask(mutation: string, input: object): Promise<MutationAnswer>;
  /** A mutation by the administrator that must succeed; its payload's objects by name. */
  done(
    mutation: string,
    input: object,
  ): Promise<Record<string, { id: string } & Record<string, unknown>>>;
  agentOf(node: Made): Promise<TestAgent>;
  place(): Promise<Place>;
  /** A STOPPED machine that has been on node `a`. */
  machine(place: Place, columns?: MachineColumns, within?: Made): Promise<Made>;
  /** The same, started on node `a`. */
  running(place: Place, columns?: MachineColumns, within?: Made): Promise<Made>;
  /** The agent takes its orders and jobs, does them, and says so. */
  settle(agent: TestAgent): Promise<void>;
  row(vm: { uuid: string }): Promise<VirtualMachine>;
  volume(volume: { uuid: string }): Promise<Volume>;
  vcpusOn(node: Made): Promise<number>;
  usage(
    of?: Made,
  ): Promise<
    Pick<
      Project,
      'usedVcpus' | 'usedMemoryMib' | 'usedSnapshots' | 'usedVolumes' | 'usedStorageGib'
    >
  >;
  lastTask(vm: { uuid: string }): Promise<Task>;
  /** Time passes until every task is overdue (or so many milliseconds), and the controller looks at them. */
  expire(afterMs?: number): Promise<void>;
  expectSound(): Promise<void>;
}

export async function createMachineSite(options: TestAppOptions = {}): Promise<MachineSite> {
  const clock = createTestClock();
  const world = await createTestApp({ clock, ...options });
  const { seed, data } = world;
  await seed.user('ADMIN', { username: 'ada' });
  const admin = await world.signIn('ada');
  const project = await seed.project();
  const pool = await seed.pool({ name: 'flash' });
  const failures = new Map<string, string>();
  const failure = ({ operation }: { operation: string | null }) =>
    failures.get(operation ?? '') ?? null;

  const site: MachineSite = {
    world,
    clock,
    admin,
    project,
    pool,
    failures,
    ask: (mutation: string, input: object) =>
      mutate(admin, mutation, input as Record<string, unknown>),
    async done(mutation: string, input: object) {
      const answer = await site.ask(mutation, input);
      expect(answer, mutation).toMatchObject({ __typename: expect.stringMatching(/Payload$/) });
      return answer as unknown as Record<string, { id: string } & Record<string, unknown>>;
    },
    agentOf: (node: Made): Promise<TestAgent> =>
      createTestAgent(world, node, {
        clock: clock.source,
        durations: AT_ONCE,
        failure,
        jobs: { clock: clock.source, failure, durations: { MIGRATE: COPY_MS } },
      }),
    async place() {
      const cluster = await seed.cluster();
      const a = await seed.node(cluster);
      const b = await seed.node(cluster);
      return { cluster, a, b, agentA: await site.agentOf(a), agentB: await site.agentOf(b) };
    },
    machine: ({ cluster, a }, columns = {}, within = project) =>
      seed.vm(within, { cluster, node: a, ...columns }),
    async running(place, columns = {}, within = project) {
      const vm = await site.machine(place, columns, within);
      await operate(admin, 'START', vm.id);
      await site.settle(place.agentA);
      const now = { powerState: 'RUNNING', nodeId: place.a.uuid };
      expect(await site.row(vm)).toMatchObject(now);
      return vm;
    },
    async settle(agent: TestAgent) {
      await agent.report();
      await agent.report();
    },
    row: ({ uuid }: { uuid: string }) =>
      data.db.virtualMachine.findUniqueOrThrow({ where: { id: uuid } }),
    volume: ({ uuid }: { uuid: string }) =>
      data.db.volume.findUniqueOrThrow({ where: { id: uuid } }),
    async vcpusOn(node: Made): Promise<number> {
      const { allocated } = await data.db.node.findUniqueOrThrow({ where: { id: node.uuid } });
      return (allocated as { vcpus: number }).vcpus;
    },
    usage: async (of: Made = project) => {
      const row = await data.db.project.findUniqueOrThrow({ where: { id: of.uuid } });
      const { usedVcpus, usedMemoryMib, usedSnapshots, usedVolumes, usedStorageGib } = row;
      return { usedVcpus, usedMemoryMib, usedSnapshots, usedVolumes, usedStorageGib };
    },
    lastTask: ({ uuid }: { uuid: string }) =>
      data.db.task.findFirstOrThrow({
        where: { virtualMachineId: uuid },
        orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
      }),
    async expire(afterMs = 2 * 86_400_000) {
      clock.advance(afterMs);
      await taskDeadlines.run(
        world.app.services,
        () => true,
        new AbortController().signal,
        new Date(0),
      );
      clock.advance(-afterMs); // sessions go on
    },
    async expectSound() {
      expect(await violations(data.db)).toEqual([]);
    },
  };
  return site;
}
