/** Moving a virtual machine to another node because somebody asked for it. What it comes to is in migration.ts. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { requireVisible } from '../../core/entity.js';
import { idOf, optional } from '../../core/input.js';
import { InvalidStateError, NoSuitableNodeError } from '../../errors.js';
import { NodeEntity } from '../node/queries.js';
import { readIdle } from './begin.js';
import { beginMigration } from './migration.js';
import { VirtualMachineEntity } from './queries.js';

const resourceType = 'VirtualMachine';

export const migrateVirtualMachine = defineCommand({
  name: 'virtualMachine.migrate',
  resourceType,
  permission: 'vm:migrate',
  subject: (input: { id: string }) => ({ entity: VirtualMachineEntity, id: input.id }),
  input: z.object({
    id: idOf('VirtualMachine'),
    targetNodeId: optional(idOf('HypervisorNode')),
    timeoutSeconds: optional(z.number().int().min(10).max(86_400)),
  }),
  errors: [InvalidStateError, NoSuitableNodeError],
  async run(context, { id, targetNodeId, timeoutSeconds }) {
    if (targetNodeId !== undefined)
      await requireVisible(context.tx, NodeEntity, context.viewer, targetNodeId, { id: true }, [
        'targetNodeId',
      ]);
    const vm = await readIdle(context.tx, id);
    if (targetNodeId !== undefined && vm.nodeId === targetNodeId)
      return { result: { virtualMachineId: id, taskId: null }, changed: [] };
    return beginMigration(context, vm, targetNodeId, timeoutSeconds);
  },
});
