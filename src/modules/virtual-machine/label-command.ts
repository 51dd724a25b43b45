/** Adding and removing single labels: what somebody else labels meanwhile stays. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { requireVisible } from '../../core/entity.js';
import { idOf, labels, MAX_LABELS, optional } from '../../core/input.js';
import { readForEdit, updateVersioned } from '../../core/versioned.js';
import { ValidationError } from '../../errors.js';
import type { VirtualMachine } from '../../gen/client/client.js';
import { VirtualMachineEntity } from './queries.js';
import { type Labels, relabelled } from './rules.js';

const resourceType = 'VirtualMachine';

export const labelVirtualMachine = defineCommand({
  name: 'virtualMachine.label',
  resourceType,
  permission: 'vm:update',
  subject: (input: { id: string }) => ({ entity: VirtualMachineEntity, id: input.id }),
  input: z
    .object({
      id: idOf(resourceType),
      set: optional(labels),
      remove: optional(z.array(z.string()).max(MAX_LABELS, `at most ${MAX_LABELS} keys`)),
    })
    .superRefine(({ set = {}, remove = [] }, context) => {
      if (Object.keys(set).length + remove.length === 0)
        context.addIssue({ code: 'custom', path: ['set'], message: 'set or remove a label' });
      for (const [index, key] of remove.entries()) {
        if (!Object.hasOwn(set, key)) continue;
        const message = 'this label is set by the same request';
        context.addIssue({ code: 'custom', path: ['remove', index], message });
      }
    }),
  errors: [],
  async run({ tx, viewer }, { id, set = {}, remove = [] }) {
    await requireVisible(tx, VirtualMachineEntity, viewer, id); // it may have moved out of sight since the gate looked
    const before = await readForEdit<VirtualMachine>(tx, VirtualMachineEntity, id);
    const result = { virtualMachineId: id };
    const after = relabelled(before.labels as Labels, set, remove);
    if (after === null) return { result, changed: [] };
    const count = Object.keys(after).length;
    if (count > MAX_LABELS && count > Object.keys(before.labels as Labels).length)
      throw ValidationError.of(['set'], `${before.name} would have more than ${MAX_LABELS} labels`);
    const row = await updateVersioned(tx, VirtualMachineEntity, before, { labels: after });
    return { result, changed: [{ type: resourceType, id, before, after: row }] };
  },
});
