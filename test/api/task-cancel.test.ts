/** `cancelTask` for each kind of operation on a machine: what can be given up, what goes on, and what is left. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { encodeGlobalId } from '../../src/ids.js';
import { createMachineSite, type MachineSite, type Place } from '../support/machine-site.js';
import { operate } from '../support/operations.js';
import type { Made } from '../support/seed.js';

let site: MachineSite;
let place: Place;
beforeAll(async () => {
  site = await createMachineSite();
  place = await site.place();
});
afterEach(() => site.expectSound());
afterAll(() => site.world.stop());

const cancel = (task: { id?: unknown } | null | undefined) =>
  site.ask('cancelTask', { id: task?.id });

/** A machine in a state, of which the agent of `a` knows. */
async function inState(state: 'STOPPED' | 'RUNNING' | 'PAUSED'): Promise<Made> {
  if (state === 'STOPPED') return site.machine(place);
  const vm = await site.running(place);
  if (state === 'PAUSED') await operate(site.admin, 'PAUSE', vm.id);
  await site.settle(place.agentA);
  return vm;
}

describe('an operation that is given up', () => {
  it.each([
    ['START', 'STOPPED'],
    ['STOP', 'RUNNING'],
    ['SUSPEND', 'RUNNING'],
    ['PAUSE', 'RUNNING'],
    ['RESUME', 'PAUSED'],
  ] as const)(
    '%s leaves a machine that is %s as it is, and nothing happens later',
    async (name, state) => {
      const vm = await inState(state);
      const { task } = await operate(site.admin, name, vm.id);
      expect(await cancel(task)).toMatchObject({ task: { status: 'CANCELLED' } });
      expect(await site.lastTask(vm)).toMatchObject({ errorCode: 'CANCELLED' });
      await site.expectSound();
      const claimed = state !== 'STOPPED';
      await site.settle(place.agentA);
      expect(await site.row(vm)).toMatchObject({
        powerState: state,
        desiredState: state,
        capacityClaimed: claimed,
        statusMessage: claimed ? '' : expect.any(String),
      });
      const before = await site.row(vm);
      expect(await cancel(task)).toMatchObject({ task: { status: 'CANCELLED' } });
      expect(await site.row(vm)).toEqual(before);
    },
  );
});

describe('an operation that goes on to its end', () => {
  it.each(['REBOOT', 'RESET'] as const)('is %s', async (name) => {
    const vm = await inState('RUNNING');
    const { task } = await operate(site.admin, name, vm.id);
    expect(await cancel(task)).toMatchObject({ code: 'INVALID_STATE' });
    await site.settle(place.agentA);
    expect(await site.lastTask(vm)).toMatchObject({ status: 'SUCCEEDED', cancelRequested: false });
  });

  it('is a deletion, a revert, the deletion of a snapshot, and a change of devices', async () => {
    const doomed = await inState('RUNNING');
    const { task } = await operate(site.admin, 'DELETE', doomed.id, { force: true });
    expect(await cancel(task)).toMatchObject({ code: 'INVALID_STATE' });
    await site.settle(place.agentA);

    const vm = await inState('RUNNING');
    const settle = async () => {
      await place.agentA.report();
      site.clock.advance(10_000);
      await place.agentA.report();
    };
    const virtualMachineId = vm.id;
    const input = { virtualMachineId, name: 'one' };
    const { virtualMachineSnapshot } = await site.done('createVirtualMachineSnapshot', input);
    await settle();
    const about = { virtualMachineId, id: virtualMachineSnapshot?.id };
    const { id: imageId } = await site.world.seed.image();
    for (const [mutation, arguments_] of [
      ['attachCdrom', { virtualMachineId, imageId }],
      ['revertVirtualMachineSnapshot', { ...about, force: true }],
      ['deleteVirtualMachineSnapshot', about],
    ] as const) {
      const begun = await site.done(mutation, arguments_);
      expect(await cancel(begun.task), mutation).toMatchObject({ code: 'INVALID_STATE' });
      await settle();
      await settle();
      expect(await site.lastTask(vm), mutation).toMatchObject({ status: 'SUCCEEDED' });
    }
  });
});

describe('a task that has ended', () => {
  it('is not cancelled any more, and says how it ended', async () => {
    const vm = await inState('RUNNING');
    const { id } = await site.lastTask(vm);
    expect(await cancel({ id: encodeGlobalId('Task', id) })).toMatchObject({
      code: 'INVALID_STATE',
      message: expect.stringContaining('SUCCEEDED'),
    });
  });
});
