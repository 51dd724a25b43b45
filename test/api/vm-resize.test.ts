/** Resizing: at once while a machine is off, upwards by its agent while it runs; what is refused or fails changes nothing. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createMachineSite, type MachineSite, type Place } from '../support/machine-site.js';
import { operate } from '../support/operations.js';
import type { Made } from '../support/seed.js';

let site: MachineSite;
let place: Place;
beforeAll(async () => {
  site = await createMachineSite();
  place = await site.place();
});
afterEach(async () => {
  site.failures.clear();
  await site.expectSound();
});
afterAll(() => site.world.stop());

const resize = (vm: Made, input: object) =>
  site.ask('resizeVirtualMachine', { id: vm.id, ...input });
const size = (cores: number, sizeMib: number) => ({ cpu: { cores }, memory: { sizeMib } });
const HOT = { spec: { ...size(1, 1024), hotAdd: true } };
const resources = (vcpus: number, memoryMib: number) => ({ resources: { vcpus, memoryMib } });

/** All that a resize may change. */
const figures = async (vm: Made) => ({
  row: await site.row(vm),
  usage: await site.usage(),
  held: await site.vcpusOn(place.a),
});

describe('a machine that is off', () => {
  it('grows and shrinks at once: in its spec, its resources and its quota', async () => {
    const vm = await site.machine(place);
    const before = await figures(vm);
    expect(await resize(vm, size(4, 8192))).toMatchObject({ task: null });
    expect(await site.row(vm)).toMatchObject({ ...resources(4, 8192), spec: size(4, 8192) });
    expect(await site.usage()).toMatchObject({ usedVcpus: before.usage.usedVcpus + 3 });
    await site.expectSound();
    await resize(vm, { cpu: { cores: 2 } });
    expect(await site.row(vm)).toMatchObject({ ...resources(2, 8192), version: 3 });
    await operate(site.admin, 'START', vm.id);
    expect(await site.vcpusOn(place.a)).toBe(before.held + 2);
    await site.expectSound();
    await site.settle(place.agentA);
  });

  it('that is that size already is not written to', async () => {
    const vm = await site.machine(place);
    const before = await figures(vm);
    expect(await resize(vm, size(1, 1024))).toMatchObject({ task: null });
    expect(await figures(vm)).toEqual(before);
  });

  it('is refused what its quota, a limit of specs, or its version does not allow', async () => {
    const tight = await site.world.seed.project({ quota: { vcpus: 1, memoryMib: 1024 } });
    const vm = await site.machine(place, {}, tight);
    const before = await figures(vm);
    expect(await resize(vm, { cpu: { cores: 2 } })).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      resource: 'vcpus',
    });
    expect(await resize(vm, { memory: { sizeMib: 2048 } })).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      resource: 'memoryMib',
    });
    expect(await resize(vm, { cpu: { cores: 0 } })).toMatchObject({ code: 'VALIDATION' });
    expect(await resize(vm, { cpu: { cores: 2 }, expectedVersion: 7 })).toMatchObject({
      code: 'CONFLICT',
      currentVersion: 1,
    });
    expect(await figures(vm)).toEqual(before);
  });
});

describe('a machine that runs', () => {
  it('grows where its spec allows that, with quota and capacity from the beginning', async () => {
    const vm = await site.running(place, HOT);
    const before = await figures(vm);
    expect(await resize(vm, size(3, 4096))).toMatchObject({ task: { operation: 'RESIZE' } });
    expect((await figures(vm)).usage.usedVcpus).toBe(before.usage.usedVcpus + 2);
    expect(await site.vcpusOn(place.a)).toBe(before.held + 2);
    await site.expectSound();
    expect((await place.agentA.report()).assignments).toMatchObject([
      { operation: 'RESIZE', vcpus: 3, memoryMib: 4096, desiredState: 'RUNNING' },
    ]);
    await place.agentA.report();
    expect(await site.lastTask(vm)).toMatchObject({ status: 'SUCCEEDED' });
    expect(await site.row(vm)).toMatchObject({ ...resources(3, 4096), powerState: 'RUNNING' });
  });

  it('is not resized without hot-add, not made smaller, and not beyond its node', async () => {
    const cold = await site.running(place);
    const before = await figures(cold);
    expect(await resize(cold, { cpu: { cores: 2 } })).toMatchObject({
      code: 'INVALID_STATE',
      allowed: expect.not.arrayContaining(['RESIZE']), // it says why not, and does not offer it again
    });
    expect(await figures(cold)).toEqual(before);

    const hot = await site.running(place, HOT);
    const state = await figures(hot);
    for (const less of [size(1, 512), size(2, 512)])
      expect(await resize(hot, less)).toMatchObject({ code: 'INVALID_STATE' });
    const answer = await resize(hot, { memory: { sizeMib: 1_048_576 } });
    expect(answer).toMatchObject({
      code: 'NO_SUITABLE_NODE',
      verdicts: [{ nodeId: place.a.id, fits: false }],
    });
    expect(await figures(hot)).toEqual(state);
  });

  it('that is paused is not resized', async () => {
    const vm = await site.running(place, HOT);
    await operate(site.admin, 'PAUSE', vm.id);
    await site.settle(place.agentA);
    expect(await resize(vm, { cpu: { cores: 2 } })).toMatchObject({ code: 'INVALID_STATE' });
  });

  it.each(['FAILED', 'TIMED_OUT'] as const)(
    'gets its size back when the resize has %s',
    async (end) => {
      const vm = await site.running(place, HOT);
      const before = await figures(vm);
      if (end === 'FAILED') site.failures.set('RESIZE', 'no more slots');
      await resize(vm, size(2, 2048));
      if (end === 'FAILED') await site.settle(place.agentA);
      else await site.expire();
      expect(await site.lastTask(vm)).toMatchObject({ status: end });
      const { usage, held } = await figures(vm);
      expect({ usage, held }).toEqual({ usage: before.usage, held: before.held });
      const { spec } = before.row;
      expect(await site.row(vm)).toMatchObject({ spec, ...resources(1, 1024), version: 3 });
      await site.settle(place.agentA);
      expect(await site.row(vm)).toMatchObject({ powerState: 'RUNNING', desiredState: 'RUNNING' });
    },
  );

  it('and shuts down while its resize fails gives everything back, once', async () => {
    const vm = await site.running(place, HOT);
    const before = await figures(vm);
    await resize(vm, size(2, 2048));
    const seen = place.agentA.hypervisor.observe().find((v) => v.virtualMachineId === vm.id);
    const { operation: _, ...guest } = { ...seen, powerState: 'STOPPED' as const };
    const { generation } = await site.row(vm);
    const error = { generation, reason: 'it went away' };
    await place.agentA.report({ virtualMachines: [{ ...guest, generation, error } as never] });
    expect(await site.lastTask(vm)).toMatchObject({ status: 'FAILED' });
    expect(await site.row(vm)).toMatchObject({ powerState: 'STOPPED', capacityClaimed: false });
    expect(await site.usage()).toEqual(before.usage);
  });

  it('goes on to the end of its resize: it is not cancelled', async () => {
    const vm = await site.running(place, HOT);
    const { task } = await site.done('resizeVirtualMachine', { id: vm.id, ...size(2, 1024) });
    expect(await site.ask('cancelTask', { id: task?.id })).toMatchObject({ code: 'INVALID_STATE' });
    expect(await operate(site.admin, 'STOP', vm.id)).toMatchObject({ code: 'BUSY' });
    await site.settle(place.agentA);
    expect(await site.lastTask(vm)).toMatchObject({ status: 'SUCCEEDED' });
  });
});
