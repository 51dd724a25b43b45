/**
 * The model: whatever clients, agents and crashes do at the same time, what must be true of a datacenter stays true, every task
 * ends, and the audit log tells how everything came to be. `MODEL_SEED=7 MODEL_COMMANDS=2000` repeats a run, or makes it longer.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyAudit } from '../../src/core/audit-verify.js';
import { undiscarded, violations } from '../support/invariants.js';
import { documentOf, type MutationAnswer } from '../support/mutations.js';
import { createGenerator, type Given } from './model/commands.js';
import { createDatacenter, type Datacenter } from './model/datacenter.js';
import { historyFaults } from './model/history.js';
import { COMMANDS, randomFrom, seeds } from './model/random.js';

const CALLERS = 4;
/** After each of these parts everything stops for a look. */
const PARTS = 4;
const ATTEMPTS = 8;

describe.each(seeds())('with the seed %i', (seed) => {
  const random = randomFrom(seed);
  const seen = new Map<string, number>();
  const faults: string[] = [];
  let world: Datacenter;

  beforeAll(async () => {
    world = await createDatacenter(random);
  });
  afterAll(() => world.stop());

  /** Null: the client does not know whether it was done. */
  async function send({ mutation, input }: Given): Promise<MutationAnswer | null> {
    const answer = await world
      .client()
      .answer<{ answer: MutationAnswer }, unknown>(documentOf(mutation), { input });
    if (answer.data) return answer.data.answer;
    const lost = answer.errors.every(({ extensions }) => extensions.code === 'UNAVAILABLE');
    if (!lost)
      faults.push(`${mutation} ${JSON.stringify(input)}: ${JSON.stringify(answer.errors)}`);
    return null;
  }

  /** With a key a client may ask again until it knows; and sometimes it forgets what it heard. */
  async function give(command: Given): Promise<void> {
    const keyed = random.once(2);
    const input = keyed ? { ...command.input, idempotencyKey: randomUUID() } : command.input;
    let known: string | undefined;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const answer = await send({ ...command, input });
      const is = answer?.__typename ?? 'lost';
      seen.set(`${command.mutation} ${is}`, (seen.get(`${command.mutation} ${is}`) ?? 0) + 1);
      if (known?.endsWith('Payload') && answer && is !== known)
        faults.push(`${command.mutation}: first ${known}, then ${JSON.stringify(answer)}`);
      if (attempt > 0 && is === 'AlreadyExistsError')
        faults.push(
          `${command.mutation} met what its first attempt made: ${JSON.stringify(answer)}`,
        );
      known = answer ? is : known;
      if (!keyed || (answer && !random.once(6))) return;
    }
  }

  /** Agents report one by one each, all the time, but not more often than clients give commands. */
  async function storm(part: number): Promise<void> {
    const rounds = world.agents.map(() => Promise.resolve());
    const resting = new Set(world.agents.keys());
    const wake = (index: number): void => {
      const agent = world.agents[index];
      if (!agent || !resting.delete(index)) return;
      rounds[index] = world.round(agent).finally(() => resting.add(index));
    };
    const callers = Array.from({ length: CALLERS }, async (_, caller) => {
      const next = createGenerator(world.data.db, random, `${part}${caller}`);
      for (let turn = 0; turn < COMMANDS / CALLERS / PARTS; turn += 1) {
        for (const index of world.agents.keys()) wake(index);
        const command = await next().catch(() => null); // its connection was cut
        if (command) await give(command);
        if (random.once(6)) await world.drain();
        if (random.once(80)) await world.crash();
        if (random.once(40)) await world.silence(random.of([45_000, 600_000]) ?? 0);
      }
    });
    await Promise.all(callers);
    await Promise.all(rounds);
  }

  it('nothing is ever counted wrong, held twice, lost or untold', async () => {
    for (let part = 0; part < PARTS; part += 1) {
      world.trouble = true;
      await storm(part);
      world.trouble = false;
      const found = (await violations(world.data.db)).map((says) => `in the storm: ${says}`);
      await world.settle();
      const { db } = world.data;
      found.push(
        ...(await violations(db)),
        ...(await undiscarded(db)),
        ...(await historyFaults(db)),
      );
      const { faults: broken, unsealed } = await verifyAudit(db);
      found.push(...broken.map((fault) => `the chain of seals: ${JSON.stringify(fault)}`));
      if (unsealed > 0) found.push(`${unsealed} audit entries have no seal`);
      expect([...found, ...faults, ...world.bugs], `part ${part} of seed ${seed}`).toEqual([]);
    }
    if (process.env.MODEL_LOG)
      console.log(
        seed,
        world.cuts(),
        await world.deadlocks(),
        Object.fromEntries([...seen].sort()),
      );
  }, 600_000);

  it('every task has ended, and every machine is where and what it should be', async () => {
    const { db } = world.data;
    expect(await db.task.findMany({ where: { finishedAt: null } })).toEqual([]);
    const machines = await db.virtualMachine.findMany({ include: { node: true } });
    const hosts = world.agents.map(({ agent }) => agent.hypervisor.observe());
    for (const vm of machines) {
      const settled = vm.powerState === 'CRASHED' ? 'STOPPED' : vm.powerState;
      expect([vm.name, vm.desiredState]).toEqual([vm.name, settled]);
      const on = hosts
        .flat()
        .filter(
          ({ virtualMachineId }) =>
            Buffer.from(virtualMachineId, 'base64url').toString() === `VirtualMachine:${vm.id}`,
        );
      const alive = on.filter(({ powerState }) => powerState !== 'STOPPED');
      expect([vm.name, alive.length]).toEqual([vm.name, vm.powerState === 'STOPPED' ? 0 : 1]);
      expect([vm.name, vm.capacityClaimed]).toEqual([vm.name, vm.powerState !== 'STOPPED']);
    }
  });
});
