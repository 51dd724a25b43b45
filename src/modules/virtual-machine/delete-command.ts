/** Deleting a virtual machine: at once when it is off, else by a task of its node's agent. It goes into the bin (bin.ts), unless nothing is to be kept. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { idOf, optional, version } from '../../core/input.js';
import { ConflictError, InUseError, InvalidStateError, ProtectedError } from '../../errors.js';
import { beginTask, readIdle, taskChanges } from './begin.js';
import { copiesOfSnapshots, type DeleteDetails, discardVirtualMachine, isForGood } from './bin.js';
import { VirtualMachineEntity } from './queries.js';
import { decide } from './rules.js';

export const deleteVirtualMachine = defineCommand({
  name: 'virtualMachine.delete',
  resourceType: 'VirtualMachine',
  permission: 'vm:delete',
  subject: (input: { id: string }) => ({ entity: VirtualMachineEntity, id: input.id }),
  input: z.object({
    id: idOf('VirtualMachine'),
    force: optional(z.boolean()),
    permanently: optional(z.boolean()),
    expectedVersion: version,
  }),
  errors: [InUseError, InvalidStateError, ProtectedError],
  async run(context, { id, force = false, permanently = false, expectedVersion }) {
    const before = await readIdle(context.tx, id);
    if (expectedVersion != null && before.version !== expectedVersion)
      throw new ConflictError('VirtualMachine', before.version);
    if (before.deletionProtected) throw new ProtectedError('VirtualMachine');
    decide('DELETE', before.powerState, force);
    const copies = isForGood(context, permanently) ? await copiesOfSnapshots(context, id) : [];
    if (copies.length > 0) throw new InUseError('VirtualMachine', copies);
    const result = { deletedVirtualMachineId: id, taskId: null as string | null };
    // A crashed machine may have remains on its node that hold resources: its agent clears them away first.
    if (before.powerState === 'STOPPED' && !before.capacityClaimed) {
      return { result, changed: await discardVirtualMachine(context, before, permanently) };
    }
    const { after, task } = await beginTask(
      context,
      before,
      'DELETE',
      force,
      {},
      { details: { permanently } satisfies DeleteDetails },
    );
    return { result: { ...result, taskId: task.id }, changed: taskChanges(before, after, task) };
  },
});
