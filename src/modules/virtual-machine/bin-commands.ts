/** What is done to virtual machines in the bin: they come back, or go for good. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { idOf, name as nameInput, optional } from '../../core/input.js';
import { readForEdit } from '../../core/versioned.js';
import type { Tx } from '../../data/client.js';
import { AlreadyExistsError, ConflictError, InUseError, QuotaExceededError } from '../../errors.js';
import type { VirtualMachine } from '../../gen/client/client.js';
import { claimQuota } from '../project/quota.js';
import { lockMachine } from '../task/end.js';
import { requireIdle } from '../task/idle.js';
import { UNFINISHED } from '../task/rules.js';
import { amountsOf, copiesOfSnapshots } from './bin.js';
import { usageChange } from './changes.js';
import { BinnedVirtualMachineEntity } from './queries.js';
import { removeVirtualMachine } from './remove.js';
import { nextGeneration } from './rules.js';

const resourceType = 'VirtualMachine';
const subject = (input: { id: string }) => ({ entity: BinnedVirtualMachineEntity, id: input.id });

/** Waits for whoever is taking it out of the bin: then it is not found there any more. */
async function readBinned(tx: Tx, id: string): Promise<VirtualMachine> {
  await lockMachine({ tx }, { virtualMachineId: id });
  return readForEdit<VirtualMachine>(tx, BinnedVirtualMachineEntity, id);
}

/** It comes back as it went, stopped and on no node. The quota comes first, see putIntoBin. */
export const restoreVirtualMachine = defineCommand({
  name: 'virtualMachine.restore',
  resourceType,
  permission: 'vm:delete',
  subject,
  input: z.object({ id: idOf(resourceType), name: optional(nameInput) }),
  errors: [AlreadyExistsError, QuotaExceededError],
  async run({ tx }, { id, name: newName }) {
    const before = await readBinned(tx, id);
    const { projectId } = before;
    await claimQuota(tx, projectId, await amountsOf(tx, before));
    const name = newName ?? before.name;
    // Whoever creates one claims quota, too: what has the name by now is to be seen. The unique index has the last word.
    if ((await tx.virtualMachine.count({ where: { projectId, name, deletedAt: null } })) > 0)
      throw new AlreadyExistsError(resourceType, 'name', name, ['name']);
    const generation = nextGeneration(before);
    const [after] = await tx.virtualMachine.updateManyAndReturn({
      where: { id, version: before.version, deletedAt: { not: null } },
      data: {
        deletedAt: null,
        name,
        generation,
        observedGeneration: generation,
        version: { increment: 1 },
      },
    });
    if (!after) throw new ConflictError(resourceType, null);
    return {
      result: { virtualMachineId: id },
      changed: [{ type: resourceType, id, before, after }, usageChange(projectId)],
    };
  },
});

export const purgeVirtualMachine = defineCommand({
  name: 'virtualMachine.purge',
  resourceType,
  permission: 'vm:delete',
  subject,
  input: z.object({ id: idOf(resourceType) }),
  errors: [InUseError],
  async run(context, { id }) {
    const { tx } = context;
    const before = await readBinned(tx, id);
    await requireIdle(tx, { virtualMachineId: id }, before.name); // a volume of it may be growing
    const copies = await copiesOfSnapshots(context, id);
    if (copies.length > 0) throw new InUseError(resourceType, copies);
    const result = { deletedVirtualMachineId: id };
    return { result, changed: await removeVirtualMachine(tx, before) };
  },
});

/** The same by the control plane itself, given by the bin's controller: looks again, for it may have come back, or gone in anew. */
export const expireVirtualMachine = defineCommand({
  name: 'virtualMachine.expire',
  resourceType,
  permission: 'vm:delete',
  subject,
  input: z.object({ id: z.uuid() }),
  errors: [],
  audit: 'changes',
  async run(context, { id }) {
    const { tx, now, services } = context;
    const before = await readBinned(tx, id);
    const result = { deletedVirtualMachineId: id };
    const deletedAt = before.deletedAt?.getTime() ?? Number.POSITIVE_INFINITY;
    const isDue = deletedAt + services.config.deletion.retentionMs <= now.getTime();
    const atWork = { virtualMachineId: id, status: { in: [...UNFINISHED] } };
    if (!isDue || (await tx.task.count({ where: atWork })) > 0) return { result, changed: [] };
    // It stays as long as somebody needs its snapshots.
    if ((await copiesOfSnapshots(context, id)).length > 0) return { result, changed: [] };
    return { result, changed: await removeVirtualMachine(tx, before) };
  },
});
