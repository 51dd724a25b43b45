/**
 * The bin: a deleted machine keeps its row, its volumes, interfaces, addresses and snapshots until it is purged, and gives back
 * its quota and its node at once. It is on no node: whatever an agent says about it is about a machine that it does not know.
 */
import type { Change, RunContext } from '../../core/command.js';
import { usesOf } from '../../core/usage.js';
import type { Tx } from '../../data/client.js';
import { ConflictError, type Usage } from '../../errors.js';
import type { VirtualMachine } from '../../gen/client/client.js';
import { releaseCapacity } from '../node/capacity.js';
import { capacityOf } from '../node/rules.js';
import { releaseQuota } from '../project/quota.js';
import type { Amounts } from '../project/rules.js';
import { copiedFromSnapshotsOf } from '../storage/sharing.js';
import { capacityChange, usageChange } from './changes.js';
import { removeVirtualMachine } from './remove.js';
import { nextGeneration } from './rules.js';

/** What the task of a deletion knows beside its machine. */
export type DeleteDetails = { readonly permanently: boolean };

/** What a machine takes from its project's quota, its volumes apart: they count for themselves, in the bin too. */
export async function amountsOf(tx: Tx, { id, resources }: VirtualMachine): Promise<Amounts> {
  const { vcpus, memoryMib } = capacityOf(resources);
  const snapshots = await tx.vmSnapshot.count({ where: { virtualMachineId: id } });
  return { virtualMachines: 1, vcpus, memoryMib, snapshots };
}

/** Whether a deletion leaves nothing in the bin. */
export function isForGood({ services }: Pick<RunContext, 'services'>, permanently: boolean) {
  return permanently || services.config.deletion.retentionMs === 0;
}

/**
 * Volumes that stand on the machine's snapshots, which would go with it. The snapshots are locked: a copy that begins now waits,
 * and finds the machine on its way out.
 */
export async function copiesOfSnapshots(
  { tx, viewer }: Pick<RunContext, 'tx' | 'viewer'>,
  id: string,
): Promise<Usage[]> {
  await tx.$queryRaw`SELECT id FROM vm_snapshots WHERE vm_id = ${id}::uuid ORDER BY id FOR UPDATE`;
  return usesOf(tx, viewer, { Volume: copiedFromSnapshotsOf(id) });
}

/** Deletes a machine that is off: into the bin, or for good where nothing is kept or the caller wants it so. */
export function discardVirtualMachine(
  context: RunContext,
  vm: VirtualMachine,
  permanently: boolean,
): Promise<Change[]> {
  return isForGood(context, permanently)
    ? removeVirtualMachine(context.tx, vm)
    : putIntoBin(context, vm);
}

/**
 * The project's row comes before the machine's new one: whoever creates a machine of the same name holds the project
 * while the unique index makes it wait for ours. The new generation turns away all who decided from the machine as it was.
 */
async function putIntoBin({ tx, now }: RunContext, vm: VirtualMachine): Promise<Change[]> {
  await releaseQuota(tx, vm.projectId, await amountsOf(tx, vm));
  const { id, capacityClaimed } = vm;
  const generation = nextGeneration(vm);
  const [after] = await tx.virtualMachine.updateManyAndReturn({
    where: { id, generation: vm.generation, capacityClaimed, deletedAt: null },
    data: {
      deletedAt: now,
      capacityClaimed: false,
      nodeId: null,
      powerState: 'STOPPED',
      desiredState: 'STOPPED',
      generation,
      observedGeneration: generation,
      ipAddresses: [],
      guestAgent: {},
      statusMessage: '',
      version: { increment: 1 },
    },
  });
  if (!after) throw new ConflictError('VirtualMachine', null);
  const changed: Change[] = [
    { type: 'VirtualMachine', id, before: vm, after },
    usageChange(vm.projectId),
  ];
  if (capacityClaimed && vm.nodeId) {
    await releaseCapacity(tx, vm.nodeId, capacityOf(vm.resources));
    changed.push(capacityChange(vm.nodeId));
  }
  return changed;
}
