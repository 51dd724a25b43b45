/** Powering a machine on, for the operation itself and for what ends in it. */
import type { Change, RunContext } from '../../core/command.js';
import { InvalidStateError } from '../../errors.js';
import type { Prisma, Task, VirtualMachine } from '../../gen/client/client.js';
import { requireIdle } from '../task/idle.js';
import { beginTask, taskChanges } from './begin.js';
import { capacityChange } from './changes.js';
import { claimPlacement, placementSettings, requestForStart } from './place-vm.js';

/**
 * A machine that crashed still holds its capacity and starts where it is; a stopped one is placed anew.
 * @throws NoSuitableNodeError, InvalidStateError (a volume is broken), BusyError (a volume is being copied)
 */
export async function placeForStart(
  context: RunContext,
  vm: VirtualMachine,
): Promise<{ nodeId?: string; capacityClaimed?: boolean }> {
  const { tx, services } = context;
  await requireVolumes(context, vm);
  if (vm.capacityClaimed) return {};
  const request = await requestForStart(context, vm);
  const nodeId = await claimPlacement(tx, vm.projectId, request, placementSettings(services));
  return { nodeId, capacityClaimed: true };
}

/** A broken disk would be missed by the guest, and one that is being copied must not be written to. */
async function requireVolumes({ tx }: RunContext, vm: VirtualMachine): Promise<void> {
  const broken = await tx.volume.findFirst({ where: { attachedVmId: vm.id, phase: 'ERROR' } });
  if (broken) {
    const why = `Its volume ${broken.name} is broken: detach or replace it first.`;
    throw new InvalidStateError('START', vm.powerState, [], why);
  }
  const copy = await tx.volume.findFirst({
    where: { parent: { attachedVmId: vm.id }, phase: 'CREATING' },
  });
  const source = (copy?.spec as { source?: { type?: string } } | undefined)?.source;
  if (copy && source?.type === 'CLONE')
    await requireIdle(
      tx,
      copy.attachedVmId ? { virtualMachineId: copy.attachedVmId } : { volumeId: copy.id },
      copy.name,
    );
}

/** Claims a place and begins the task. `asked`: who is said to have asked for it, when it is not the viewer. */
export async function beginStart(
  context: RunContext,
  vm: VirtualMachine,
  asked: Pick<Prisma.TaskUncheckedCreateInput, 'createdById' | 'createdByName'> | object = {},
): Promise<{ after: VirtualMachine; task: Task; changed: Change[] }> {
  const placed = await placeForStart(context, vm);
  const { after, task } = await beginTask(context, vm, 'START', false, placed, asked);
  const changed = taskChanges(vm, after, task);
  if (placed.nodeId) changed.push(capacityChange(placed.nodeId));
  return { after, task, changed };
}
