/** Deleting a virtual machine: at once when it is off, else by a task of its node's agent. */
import { z } from 'zod';
import { type Change, defineCommand } from '../../core/command.js';
import { idOf, optional, version } from '../../core/input.js';
import type { Tx } from '../../data/client.js';
import { ConflictError, InvalidStateError, ProtectedError } from '../../errors.js';
import type { VirtualMachine } from '../../gen/client/client.js';
import { releaseCapacity } from '../node/capacity.js';
import { capacityOf } from '../node/rules.js';
import { releaseQuota } from '../project/quota.js';
import { capacityChange, usageChange } from './commands.js';
import { beginTask, readIdle, taskChanges } from './power-commands.js';
import { VirtualMachineEntity } from './queries.js';
import { detachVolumes } from './references.js';
import { decide } from './rules.js';

/**
 * Removes the row and gives back what it held: volumes become free, quota and capacity are returned.
 * Snapshots go with it: they are parts of it.
 */
export async function removeVirtualMachine(tx: Tx, vm: VirtualMachine): Promise<Change[]> {
  const snapshots = await tx.vmSnapshot.count({ where: { virtualMachineId: vm.id } });
  const volumes = await detachVolumes(tx, vm.id);
  const { count } = await tx.virtualMachine.deleteMany({
    where: { id: vm.id, generation: vm.generation },
  });
  if (count === 0) throw new ConflictError('VirtualMachine', null);
  const held = capacityOf(vm.resources);
  await releaseQuota(tx, vm.projectId, {
    virtualMachines: 1,
    vcpus: held.vcpus,
    memoryMib: held.memoryMib,
    snapshots,
  });
  const changed: Change[] = [
    { type: 'VirtualMachine', id: vm.id, before: vm, after: null },
    ...volumes.map((v) => ({ type: 'Volume', id: v.after.id, ...v })),
    usageChange(vm.projectId),
  ];
  if (vm.capacityClaimed && vm.nodeId) {
    await releaseCapacity(tx, vm.nodeId, held);
    changed.push(capacityChange(vm.nodeId));
  }
  return changed;
}

export const deleteVirtualMachine = defineCommand({
  name: 'virtualMachine.delete',
  resourceType: 'VirtualMachine',
  permission: 'vm:delete',
  subject: (input: { id: string }) => ({ entity: VirtualMachineEntity, id: input.id }),
  input: z.object({
    id: idOf('VirtualMachine'),
    force: optional(z.boolean()),
    expectedVersion: version,
  }),
  errors: [InvalidStateError, ProtectedError],
  lock: (input) => [`vm/${input.id}`],
  async run(context, { id, force = false, expectedVersion }) {
    const before = await readIdle(context.tx, id);
    if (expectedVersion != null && before.version !== expectedVersion)
      throw new ConflictError('VirtualMachine', before.version);
    if (before.deletionProtected) throw new ProtectedError('VirtualMachine');
    decide('DELETE', before.powerState, force);
    const result = { deletedVirtualMachineId: id, taskId: null as string | null };
    // A crashed machine may have remains on its node that hold resources: its agent clears them away first.
    if (before.powerState === 'STOPPED' && !before.capacityClaimed) {
      return { result, changed: await removeVirtualMachine(context.tx, before) };
    }
    const { after, task } = await beginTask(context, before, 'DELETE', force);
    return { result: { ...result, taskId: task.id }, changed: taskChanges(before, after, task) };
  },
});
