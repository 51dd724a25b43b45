/**
 * A storm: many callers create, start, stop and delete machines at random while the nodes' agents report, fail and restart.
 * At no moment is a node promised more than it has; in the end every figure is what a recount says.
 */
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Data } from '../../src/data/client.js';
import type { TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { mutate } from '../support/mutations.js';
import { operate } from '../support/operations.js';
import type { Made } from '../support/seed.js';
import { createTestAgent, type TestAgent } from '../support/test-agent.js';
import { createTestClock } from '../support/test-clock.js';
import { until } from '../support/until.js';
import { OPERATION_NAMES } from '../support/vm-states.js';
import { ADAPTERS, createCrowdApp, openPatientData, recount } from './crowd.js';

const CALLERS = 6;
const CALLS_EACH = 25;
/** Two nodes of four processors each, and up to sixteen machines that want one. */
const VCPUS = 4;
const MAX_MACHINES = 16;

/** A small generator (mulberry32): the same storm each time, as far as the order of answers allows. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

describe.each(ADAPTERS)('on %s', (on) => {
  let data: Data;
  let world: TestApp;
  let admin: Client;
  let project: Made;
  let nodes: Made[];
  let agents: TestAgent[];
  /** Of the simulated hypervisors; each round of an agent takes a second of it. */
  const clock = createTestClock();

  beforeAll(async () => {
    data = await openPatientData(on);
    world = await createCrowdApp(data);
    const { seed } = world;
    await seed.user('ADMIN', { username: 'ada' });
    admin = await world.signIn('ada');
    project = await seed.project({ quota: { virtualMachines: MAX_MACHINES } });
    const cluster = await seed.cluster();
    const allocatable = { vcpus: VCPUS, memoryMib: 65_536, storageGib: 0 };
    nodes = [await seed.node(cluster, { allocatable }), await seed.node(cluster, { allocatable })];
    const random = randomFrom(7);
    agents = await Promise.all(
      nodes.map((node) =>
        createTestAgent(world, node, {
          clock: clock.source,
          failure: () => (random(8) === 0 ? 'the disk is full' : null),
        }),
      ),
    );
  });
  afterAll(async () => {
    await world.stop();
    await data.close();
  });

  /** Every answer that a caller may get in a storm; anything else is a defect. */
  const EXPECTED = new Set([
    'BusyError',
    'ConflictError',
    'InvalidStateError',
    'NoSuitableNodeError',
    'NotFoundError',
    'QuotaExceededError',
  ]);
  const seen = new Map<string, number>();
  const note = (kind: string, operation: string): void => {
    seen.set(`${operation} ${kind}`, (seen.get(`${operation} ${kind}`) ?? 0) + 1);
    if (!kind.endsWith('Payload')) expect(EXPECTED).toContain(kind);
  };

  async function call(random: (below: number) => number, caller: number, turn: number) {
    const machines = await data.db.virtualMachine.findMany({ where: { projectId: project.uuid } });
    if (random(4) === 0 || machines.length === 0) {
      const answer = await mutate(admin, 'createVirtualMachine', {
        projectId: project.id,
        name: `vm-${caller}-${turn}`,
        spec: { cpu: { cores: 1 }, memory: { sizeMib: 1024 } },
      });
      note(answer.__typename, 'CREATE');
      return;
    }
    const vm = machines[random(machines.length)];
    const operation = random(2)
      ? 'START'
      : (OPERATION_NAMES[random(OPERATION_NAMES.length)] ?? 'START');
    const id = Buffer.from(`VirtualMachine:${vm?.id}`).toString('base64url');
    const force = operation === 'DELETE' && random(2) === 0 ? { force: true } : {};
    note((await operate(admin, operation, id, force)).__typename, operation);
  }

  async function overpromised(): Promise<number> {
    const [row] = await data.db.$queryRaw<{ count: number }[]>`
      SELECT count(*)::int AS count FROM nodes WHERE (allocated->>'vcpus')::int > ${VCPUS}`;
    return row?.count ?? 0;
  }

  it('ends with the figures of a recount, and never promised more than there is', async () => {
    let calling = true;
    let rounds = 0;
    const work = async (agent: TestAgent) => {
      const random = randomFrom(99);
      while (calling) {
        await agent.report();
        await setImmediate(); // nothing of a round in this process lets go by itself, and others want their turn
        clock.advance(1_000);
        rounds += 1;
        if (random(25) === 0) agent.restart();
        const running = agent.hypervisor.observe().filter((vm) => vm.powerState === 'RUNNING');
        if (random(10) === 0) agent.hypervisor.crash(running[0]?.virtualMachineId ?? '');
      }
    };
    let worst = 0;
    const watch = async () => {
      while (calling) {
        worst = Math.max(worst, await overpromised());
        await setImmediate();
      }
    };
    const callers = Array.from({ length: CALLERS }, async (_, caller) => {
      const random = randomFrom(caller + 1);
      for (let turn = 0; turn < CALLS_EACH; turn += 1) await call(random, caller, turn);
    });
    const background = [...agents.map(work), watch()];
    // The agents get on as well, however fast the callers are.
    const enough = Promise.all(callers).then(() => until('rounds of agents', () => rounds > 10));
    await enough.finally(() => {
      calling = false;
    });
    await Promise.all(background);
    expect(worst).toBe(0);
    for (const needed of ['CREATE CreateVirtualMachinePayload', 'START StartVirtualMachinePayload'])
      expect(seen.get(needed)).toBeGreaterThan(0);

    await settle();
    const { counted, kept } = await recount(data);
    expect(kept).toEqual(counted);
    const machines = await data.db.virtualMachine.findMany({ where: { projectId: project.uuid } });
    expect(machines.length).toBeGreaterThan(0);
    for (const { name, powerState, desiredState, capacityClaimed } of machines) {
      // What is on holds its share of a node, and what is off does not.
      expect([name, powerState, capacityClaimed]).toEqual([
        name,
        powerState,
        powerState !== 'STOPPED',
      ]);
      const settled = powerState === 'CRASHED' ? 'STOPPED' : powerState;
      expect([name, desiredState]).toEqual([name, settled]);
    }
  }, 180_000);

  /** Lets the agents finish what was asked of them. */
  async function settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; ) {
      const answers = [];
      for (const agent of agents) answers.push(await agent.report());
      clock.advance(60_000);
      quiet = answers.some((answer) => answer.assignments.length > 0) ? 0 : quiet + 1;
    }
    const unfinished = { status: { in: ['PENDING', 'RUNNING'] as ('PENDING' | 'RUNNING')[] } };
    expect(await data.db.task.count({ where: unfinished })).toBe(0);
  }

  it('after which everything can be stopped and deleted, and nothing is left of it', async () => {
    const id = (uuid: string) => Buffer.from(`VirtualMachine:${uuid}`).toString('base64url');
    for (const { id: uuid } of await data.db.virtualMachine.findMany()) {
      const answer = await operate(admin, 'DELETE', id(uuid), { force: true });
      expect(answer.__typename).toBe('DeleteVirtualMachinePayload');
    }
    await settle();
    for (const { id: uuid } of await data.db.virtualMachine.findMany()) {
      // A deletion that the agent failed at settles for what is; the next attempt may succeed.
      for (let left = true; left; ) {
        await operate(admin, 'DELETE', id(uuid), { force: true });
        await settle();
        left = (await data.db.virtualMachine.count({ where: { id: uuid } })) > 0;
      }
    }
    const { kept } = await recount(data);
    expect(kept.filter((line) => !/( 0)+$/.test(line))).toEqual([]);
    for (const agent of agents) expect(agent.hypervisor.observe()).toEqual([]);
  }, 60_000);
});
