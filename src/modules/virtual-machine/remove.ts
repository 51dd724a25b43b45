/** Taking a virtual machine's row away, with everything that it held. Used where nothing is to be kept: by deletion without a bin, and by whatever empties the bin. */
import type { Change } from '../../core/command.js';
import type { Tx } from '../../data/client.js';
import { ConflictError } from '../../errors.js';
import type { VirtualMachine } from '../../gen/client/client.js';
import { releaseCapacity } from '../node/capacity.js';
import { capacityOf } from '../node/rules.js';
import { releaseQuota } from '../project/quota.js';
import { capacityChange, usageChange } from './changes.js';
import { readInterfaces, removalChanges } from './interfaces.js';
import { SnapshotEntity } from './queries.js';
import { detachVolumes } from './references.js';
import { forgetSnapshots } from './snapshot-volumes.js';

/**
 * Removes the row and gives back what it held: volumes become free, quota and capacity are returned.
 * Snapshots and network interfaces go with it, for they are parts of it; addresses are free again.
 */
export async function removeVirtualMachine(tx: Tx, vm: VirtualMachine): Promise<Change[]> {
  const snapshots = await tx.vmSnapshot.findMany({ where: { virtualMachineId: vm.id } });
  await forgetSnapshots(tx, vm.id);
  const volumes = await detachVolumes(tx, vm.id);
  const wires = await readInterfaces(tx, vm.id);
  const { count } = await tx.virtualMachine.deleteMany({
    where: { id: vm.id, generation: vm.generation, deletedAt: vm.deletedAt },
  });
  if (count === 0) throw new ConflictError('VirtualMachine', null);
  const held = capacityOf(vm.resources);
  // What is in the bin has given it back already.
  if (vm.deletedAt === null)
    await releaseQuota(tx, vm.projectId, {
      virtualMachines: 1,
      vcpus: held.vcpus,
      memoryMib: held.memoryMib,
      snapshots: snapshots.length,
    });
  const changed: Change[] = [
    { type: 'VirtualMachine', id: vm.id, before: vm, after: null },
    ...volumes.map((v) => ({ type: 'Volume', id: v.after.id, ...v })),
    ...snapshots.map((before) => ({
      type: SnapshotEntity.type,
      id: before.id,
      before,
      after: null,
      projectId: vm.projectId,
    })),
    ...removalChanges(vm, wires),
    usageChange(vm.projectId),
  ];
  if (vm.capacityClaimed && vm.nodeId) {
    await releaseCapacity(tx, vm.nodeId, held);
    changed.push(capacityChange(vm.nodeId));
  }
  return changed;
}
