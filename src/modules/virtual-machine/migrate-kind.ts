/** What becomes of a migration: its machine changes nodes in one step, or stays where it is. */
import type { Change, RunContext } from '../../core/command.js';
import type { Task } from '../../gen/client/client.js';
import { encodeGlobalId } from '../../ids.js';
import { releaseCapacity } from '../node/capacity.js';
import { type Capacity, capacityOf } from '../node/rules.js';
import { defineTaskKind, type JobDone } from '../task/kinds.js';
import { capacityChange } from './changes.js';
import { settle } from './power-kinds.js';
import { nextGeneration } from './rules.js';

interface Details {
  /** COPYING: a job of the node that it leaves. ARRIVING: the new node's agent takes it over. */
  readonly phase: 'COPYING' | 'ARRIVING';
  /** What is claimed on the new node while it copies. */
  readonly held: Capacity;
}

const detailsOf = (task: Task): Details => task.details as unknown as Details;
const copies = (task: Task): boolean => detailsOf(task).phase === 'COPYING';

async function giveUpTarget({ tx }: RunContext, task: Task): Promise<Change[]> {
  if (!task.targetNodeId) return [];
  await releaseCapacity(tx, task.targetNodeId, detailsOf(task).held);
  return [capacityChange(task.targetNodeId)];
}

async function arrive(context: RunContext, task: Task): Promise<JobDone> {
  const { tx, now, services } = context;
  const vm = await tx.virtualMachine.findUnique({ where: { id: task.virtualMachineId ?? '' } });
  const { nodeId, targetNodeId } = task;
  if (!targetNodeId) {
    const errorMessage = 'The node that it was going to does not exist any more';
    return { changed: [], end: { status: 'FAILED', errorCode: 'TARGET_GONE', errorMessage } };
  }
  // Its guest has shut down or crashed on the way: there is nothing to take over.
  const alive = vm?.powerState === 'RUNNING' || vm?.powerState === 'PAUSED';
  if (!vm || !nodeId || !alive || !vm.capacityClaimed || vm.nodeId !== nodeId) {
    const errorMessage = `It was ${vm?.powerState ?? 'gone'} when the copy was done`;
    const end = { status: 'FAILED', errorCode: 'NOT_RUNNING', errorMessage } as const;
    return { changed: await giveUpTarget(context, task), end };
  }
  await releaseCapacity(tx, nodeId, capacityOf(vm.resources));
  const generation = nextGeneration(vm);
  const after = await tx.virtualMachine.update({
    where: { id: vm.id },
    data: { nodeId: targetNodeId, generation },
  });
  return {
    changed: [
      { type: 'VirtualMachine', id: vm.id, before: vm, after },
      capacityChange(nodeId),
      capacityChange(targetNodeId),
    ],
    continued: {
      nodeId: targetNodeId,
      generation,
      progressPercent: 99,
      // It is over there: given up now it would be booted anew, so what was left of the time to copy does not matter.
      deadlineAt: new Date(now.getTime() + services.config.tasks.timeoutMs),
      details: { ...detailsOf(task), phase: 'ARRIVING' },
    },
  };
}

defineTaskKind('MIGRATE', {
  job: {
    applies: copies,
    describe: async (_tx, task) => ({
      virtualMachineId: encodeGlobalId('VirtualMachine', task.virtualMachineId ?? ''),
      ...(task.targetNodeId
        ? { targetNodeId: encodeGlobalId('HypervisorNode', task.targetNodeId) }
        : {}),
    }),
    done: (context, task) => arrive(context, task),
  },
  cancellable: copies,
  undo: (context, task, end) =>
    copies(task) ? giveUpTarget(context, task) : settle(context, task, end),
});
