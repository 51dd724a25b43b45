/** Empties nodes that are DRAINING: plans, begins as many migrations as may run at once, and takes a node out of service when nothing is left. */
import { systemViewer } from '../core/authz.js';
import { execute } from '../core/execute.js';
import { finishDraining } from '../modules/node/system-commands.js';
import { evacuateVirtualMachine } from '../modules/virtual-machine/evacuate-command.js';
import { readEvacuation } from '../modules/virtual-machine/evacuation.js';
import { inTurn } from './in-turn.js';
import type { Controller } from './runner.js';
import { systemCall } from './system-call.js';

/** Machines that are off change nodes at once; so many in a round leave the others their turn. */
const MOVES_IN_A_ROUND = 50;

export const maintenance: Controller = {
  name: 'maintenance',
  intervalMs: 1_000,
  async run(services, stillLeading, signal) {
    const { db } = services.data;
    const call = () => systemCall(services, 'maintenance', signal);
    const nodes = await db.node.findMany({
      where: { intent: 'DRAINING' },
      select: { id: true },
      orderBy: { updatedAt: 'asc' },
      take: 100,
    });
    await inTurn(nodes, stillLeading, async ({ id: nodeId }) => {
      const plan = await readEvacuation(db, nodeId, services, systemViewer('maintenance'));
      const begin = (steps: typeof plan, most: number) =>
        inTurn(
          steps.filter((step) => step.state === 'MOVES').slice(0, most),
          stillLeading,
          ({ virtualMachineId: id, targetNodeId }) =>
            execute(evacuateVirtualMachine, { id, nodeId, targetNodeId }, call()),
        );
      const holding = plan.filter((step) => step.holds);
      const moving = holding.filter((step) => step.state === 'MOVING').length;
      await begin(holding, Math.max(0, services.config.maintenance.maxMigrationsPerNode - moving));
      await begin(
        plan.filter((step) => !step.holds),
        MOVES_IN_A_ROUND,
      );
      if (holding.length === 0 && stillLeading()) await execute(finishDraining, { nodeId }, call());
    });
  },
};
