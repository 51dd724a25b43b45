/** Moving one machine away from a node that is to be emptied. Given by the maintenance controller, one after the other. */
import { z } from 'zod';
import { defineCommand, type RunContext } from '../../core/command.js';
import { NoSuitableNodeError } from '../../errors.js';
import { lockMachine } from '../task/end.js';
import { UNFINISHED } from '../task/rules.js';
import { isOff, type OperationResult } from './begin.js';
import { beginMigration } from './migration.js';
import { VirtualMachineEntity } from './queries.js';
import { OPERATIONS } from './rules.js';

const unfinished = { in: [...UNFINISHED] };

/**
 * Does nothing where things are not as they were when it was planned, or enough is under way: the next round plans anew.
 * How much is under way is counted with the cluster's row locked, so that two who both believe to lead do not begin too much.
 */
export const evacuateVirtualMachine = defineCommand({
  name: 'virtualMachine.evacuate',
  resourceType: 'VirtualMachine',
  permission: 'vm:migrate',
  subject: (input: { id: string }) => ({ entity: VirtualMachineEntity, id: input.id }),
  input: z.object({ id: z.uuid(), nodeId: z.uuid(), targetNodeId: z.uuid() }),
  errors: [],
  audit: 'changes',
  async run(context, { id, nodeId, targetNodeId }) {
    const { tx } = context;
    const nothing = {
      result: { virtualMachineId: id, taskId: null } as OperationResult,
      changed: [],
    };
    const node = await tx.node.findUnique({ where: { id: nodeId } });
    if (node?.intent !== 'DRAINING') return nothing;
    // Held before it is read: one that is off is resized without a new generation, and would go where it does not fit.
    await lockMachine(context, { virtualMachineId: id });
    await tx.$queryRaw`SELECT id FROM clusters WHERE id = ${node.clusterId}::uuid FOR NO KEY UPDATE`;
    const vm = await tx.virtualMachine.findFirst({
      where: { id, nodeId, tasks: { none: { status: unfinished } } },
    });
    if (!vm || !OPERATIONS.MIGRATE.from.includes(vm.powerState)) return nothing;
    if (vm.powerState === 'STOPPED' && !isOff(vm)) return nothing; // its node has lost it, and is bringing it back
    if (vm.capacityClaimed && !(await mayBegin(context, nodeId, node.clusterId))) return nothing;
    try {
      return await beginMigration(context, vm, targetNodeId);
    } catch (error) {
      // Nothing has been written when it is thrown.
      if (error instanceof NoSuitableNodeError) return nothing;
      throw error;
    }
  },
});

/** Migrations that people began count, too: it is the network that is spared. */
async function mayBegin(
  { tx, services }: RunContext,
  nodeId: string,
  clusterId: string,
): Promise<boolean> {
  const { maxMigrationsPerCluster, maxMigrationsPerNode } = services.config.maintenance;
  const under = { operation: 'MIGRATE' as const, status: unfinished };
  const ofCluster = await tx.task.count({ where: { ...under, node: { is: { clusterId } } } });
  if (ofCluster >= maxMigrationsPerCluster) return false;
  return (await tx.task.count({ where: { ...under, nodeId } })) < maxMigrationsPerNode;
}
