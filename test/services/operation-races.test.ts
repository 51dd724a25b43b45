/**
 * Races of operations on machines, of two instances on one PostgreSQL whose locks do not know of each other. Where it matters who
 * comes first, a transaction of the test holds the machine's row until the command waits for it.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { maintenance } from '../../src/controllers/maintenance.js';
import { nodeHealth } from '../../src/controllers/node-health.js';
import type { Controller } from '../../src/controllers/runner.js';
import type { Data, Tx } from '../../src/data/client.js';
import { newId } from '../../src/ids.js';
import type { TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { COPY_MS, createMachineSite, type MachineSite } from '../support/machine-site.js';
import { type MutationAnswer, mutate } from '../support/mutations.js';
import type { Made } from '../support/seed.js';
import { until } from '../support/until.js';
import { createCrowdApp, openPatientData } from './crowd.js';

let data: Data;
let site: MachineSite;
let twin: TestApp;
let other: Client;
beforeAll(async () => {
  data = await openPatientData('postgres');
  site = await createMachineSite({ data });
  twin = await createCrowdApp(data);
  other = await twin.signIn('ada');
});
afterEach(() => site.expectSound());
afterAll(async () => {
  await Promise.all([site.world.stop(), twin.stop()]);
  await data.close();
});

const ROUNDS = 6;
const both = (first: readonly [string, object], second: readonly [string, object]) =>
  Promise.all([
    site.ask(...first),
    mutate(other, second[0], second[1] as Record<string, unknown>),
  ]) as Promise<[MutationAnswer, MutationAnswer]>;
const codes = (answers: readonly MutationAnswer[]) =>
  answers.map(({ code }) => String(code ?? 'DONE')).toSorted();
const LOST = ['BUSY', 'CONFLICT'];

/** `work` begins while the machine's row is held, and waits for it; `meanwhile` is committed first. */
async function overtaken<T>(
  vm: Made,
  work: () => Promise<T>,
  meanwhile: (tx: Tx) => Promise<unknown>,
): Promise<T> {
  let pending: Promise<T> | undefined;
  await data.transaction(async (tx) => {
    await tx.$queryRaw`SELECT id FROM virtual_machines WHERE id = ${vm.uuid}::uuid FOR UPDATE`;
    pending = work();
    pending.catch(() => undefined);
    await until('it waits for the machine', async () => {
      const waiting = await data.db.$queryRaw<unknown[]>`
        SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      return waiting.length > 0;
    });
    await meanwhile(tx);
  });
  if (!pending) throw new Error('it never began');
  return pending;
}

describe('of two at once', () => {
  it('who migrate one machine, one does, and the other holds nothing', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const place = await site.place();
      const vm = await site.running(place);
      const move = ['migrateVirtualMachine', { id: vm.id }] as const;
      const [lost, won] = codes(await both(move, move));
      expect(won).toBe('DONE');
      expect(LOST).toContain(lost);
      await site.expectSound();
    }
  });

  it('who attach one volume to two machines, one does', async () => {
    const place = await site.place();
    for (let round = 0; round < ROUNDS; round += 1) {
      const [one, two] = [await site.machine(place), await site.machine(place)] as const;
      const { id: volumeId } = await site.world.seed.claimedVolume(site.project, site.pool);
      const attach = (vm: Made) =>
        ['attachVolume', { virtualMachineId: vm.id, disk: { name: 'data', volumeId } }] as const;
      const outcome = codes(await both(attach(one), attach(two)));
      expect(outcome.filter((code) => code === 'DONE')).toHaveLength(1);
      await site.expectSound();
    }
  });

  it('who start a machine and resize it, both may, one after the other, or one does', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const vm = await site.machine(await site.place());
      const outcome = codes(
        await both(
          ['startVirtualMachine', { id: vm.id }],
          ['resizeVirtualMachine', { id: vm.id, cpu: { cores: 4 } }],
        ),
      );
      expect(outcome).toContain('DONE');
      await site.expectSound();
    }
  });

  it('who delete a snapshot and copy a volume from it, one does', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const place = await site.place();
      const vm = await site.machine(place);
      const volume = await site.world.seed.claimedVolume(site.project, site.pool);
      const disk = { name: 'data', volumeId: volume.id };
      await site.done('attachVolume', { virtualMachineId: vm.id, disk });
      const input = { virtualMachineId: vm.id, name: 'one' };
      const { virtualMachineSnapshot } = await site.done('createVirtualMachineSnapshot', input);
      await place.agentA.report();
      site.clock.advance(10_000);
      await place.agentA.report();
      const snapshotId = virtualMachineSnapshot?.id;
      const base = { projectId: site.project.id, poolId: site.pool.id, name: `copy-${round}` };
      const outcome = codes(
        await both(
          ['deleteVirtualMachineSnapshot', { virtualMachineId: vm.id, id: snapshotId }],
          ['createVolume', { ...base, source: { volumeId: volume.id, snapshotId } }],
        ),
      );
      expect(outcome.filter((code) => code === 'DONE')).toHaveLength(1);
    }
  });
});

describe('a migration that two cancel at once', () => {
  it('is told to stop once, and the audit tells of it once', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const place = await site.place();
      const vm = await site.running(place);
      const { task } = await site.done('migrateVirtualMachine', { id: vm.id });
      const cancel = ['cancelTask', { id: task?.id }] as const;
      expect(codes(await both(cancel, cancel))).toEqual(['DONE', 'DONE']);
      const { id: resourceId } = await site.lastTask(vm);
      const where = { action: 'task.cancel', resourceId };
      const told = await data.db.auditEntry.findMany({ where });
      expect(told.filter(({ details }) => 'after' in (details as object))).toHaveLength(1);
      await site.expire();
    }
  });
});

describe('a machine that starts', () => {
  const startedMeanwhile = (vm: Made) => async (tx: Tx) => {
    const { generation, projectId } = await tx.virtualMachine.update({
      where: { id: vm.uuid },
      data: { desiredState: 'RUNNING', generation: { increment: 1 } },
    });
    await tx.task.create({
      data: {
        ...{ id: newId(), operation: 'START', generation, projectId, virtualMachineId: vm.uuid },
        ...{ resourceType: 'VirtualMachine', resourceId: vm.uuid, resourceName: vm.name },
        ...{ createdByName: 'somebody', deadlineAt: new Date(Date.now() + 60_000) },
      },
    });
  };

  it('while it is resized as one that is off, is not', async () => {
    const vm = await site.machine(await site.place());
    const resize = () => site.ask('resizeVirtualMachine', { id: vm.id, cpu: { cores: 4 } });
    expect(await overtaken(vm, resize, startedMeanwhile(vm))).toMatchObject({ code: 'BUSY' });
    expect(await site.row(vm)).toMatchObject({ resources: { vcpus: 1 } });
  });

  it('while a disk is attached as to one that is off, does not get it behind its back', async () => {
    const vm = await site.machine(await site.place());
    const volume = await site.world.seed.claimedVolume(site.project, site.pool);
    const disk = { name: 'data', volumeId: volume.id };
    const attach = () => site.ask('attachVolume', { virtualMachineId: vm.id, disk });
    expect(await overtaken(vm, attach, startedMeanwhile(vm))).toMatchObject({ code: 'BUSY' });
    expect(await site.volume(volume)).toMatchObject({ phase: 'READY', attachedVmId: null });
  });
});

describe('a machine that was thought to be off and is found running', () => {
  it('while it is resized, is counted as large as it is by then', async () => {
    const place = await site.place();
    const vm = await site.running(place);
    const off = { powerState: 'STOPPED', desiredState: 'STOPPED', capacityClaimed: false } as const;
    await data.db.virtualMachine.update({ where: { id: vm.uuid }, data: off });
    await data.db.node.update({
      where: { id: place.a.uuid },
      data: { allocated: { vcpus: 0, memoryMib: 0, storageGib: 0 } },
    });
    const resources = { vcpus: 4, memoryMib: 1024, storageGib: 0 };
    await overtaken(
      vm,
      () => place.agentA.report(),
      async (tx) => {
        const usedVcpus = { increment: 3 };
        await tx.project.update({ where: { id: site.project.uuid }, data: { usedVcpus } });
        await tx.virtualMachine.update({ where: { id: vm.uuid }, data: { resources } });
      },
    );
    expect(await site.row(vm)).toMatchObject({ powerState: 'RUNNING', capacityClaimed: true });
    expect(await site.vcpusOn(place.a)).toBe(4);
  });
});

describe('what is written about a machine while a controller waits for it', () => {
  const run = ({ run }: Controller) =>
    run(site.world.app.services, () => true, new AbortController().signal, new Date(0));
  const told = async (action: string, vm: Made) => {
    const where = { action, resourceId: vm.uuid };
    const { details } = await data.db.auditEntry.findFirstOrThrow({ where });
    return details as { before: object; after: object };
  };

  it('is no news of the evacuation: one that is resized moves where it fits by then', async () => {
    const place = await site.place();
    const vm = await site.machine(place);
    const allocatable = { vcpus: 2, memoryMib: 65_536, storageGib: 0 };
    await data.db.node.update({ where: { id: place.b.uuid }, data: { allocatable } });
    await data.db.node.update({ where: { id: place.a.uuid }, data: { intent: 'DRAINING' } });
    const resized = (vcpus: number) => async (tx: Tx) => {
      const resources = { vcpus, memoryMib: 1024, storageGib: 0 };
      const { resources: was } = await site.row(vm);
      const usedVcpus = { increment: vcpus - (was as { vcpus: number }).vcpus };
      await tx.project.update({ where: { id: site.project.uuid }, data: { usedVcpus } });
      await tx.virtualMachine.update({ where: { id: vm.uuid }, data: { resources } });
    };
    await overtaken(vm, () => run(maintenance), resized(8));
    expect(await site.row(vm)).toMatchObject({ nodeId: place.a.uuid });
    await data.db.node.update({ where: { id: place.a.uuid }, data: { intent: 'DRAINING' } });
    await data.transaction(resized(1));
    await overtaken(vm, () => run(maintenance), resized(2));
    expect(await site.row(vm)).toMatchObject({ nodeId: place.b.uuid });
    expect(Object.keys((await told('virtualMachine.evacuate', vm)).before)).toEqual(['nodeId']);
  });

  it('is no news of the silence of its node', async () => {
    const vm = await site.running(await site.place());
    site.clock.advance(600_000);
    await overtaken(
      vm,
      () => run(nodeHealth),
      (tx) => tx.virtualMachine.update({ where: { id: vm.uuid }, data: { statusMessage: 'news' } }),
    );
    site.clock.advance(-600_000);
    expect(await told('node.markSilent', vm)).toMatchObject({ before: { statusMessage: 'news' } });
  });
});

describe('a migration that is past its deadline', () => {
  it('and switches nodes at that moment gives back what it holds then, not what it held', async () => {
    const place = await site.place();
    const vm = await site.running(place);
    await site.done('migrateVirtualMachine', { id: vm.id });
    const { id } = await site.lastTask(vm);
    await overtaken(
      vm,
      () => site.expire(),
      async (tx) => {
        // what the report does that says that the copy is done
        const nodeId = place.b.uuid;
        await tx.$executeRaw`UPDATE nodes SET allocated = '{"vcpus":0,"memoryMib":0,"storageGib":0}' WHERE id = ${place.a.uuid}::uuid`;
        await tx.virtualMachine.update({
          where: { id: vm.uuid },
          data: { nodeId, generation: { increment: 1 } },
        });
        const { details, generation } = await tx.task.findUniqueOrThrow({ where: { id } });
        const arriving = { ...(details as object), phase: 'ARRIVING' };
        await tx.task.update({
          where: { id },
          data: { nodeId, generation: generation + 1, details: arriving },
        });
      },
    );
    expect(await site.lastTask(vm)).toMatchObject({ status: 'TIMED_OUT' });
    expect(await site.vcpusOn(place.b)).toBe(1);
    expect(await site.row(vm)).toMatchObject({ nodeId: place.b.uuid, desiredState: 'RUNNING' });
  });

  it('or cancelled while its agent reports the end has one end, and figures that agree', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const place = await site.place();
      const vm = await site.running(place);
      const { task } = await site.done('migrateVirtualMachine', { id: vm.id });
      await place.agentA.report();
      site.clock.advance(COPY_MS);
      await Promise.all([
        place.agentA.report(),
        mutate(other, 'cancelTask', { id: task?.id ?? '' }),
        ...(round % 2 ? [site.expire()] : []),
      ]);
      await site.expectSound();
    }
  });
});
