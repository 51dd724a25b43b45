/**
 * Moving a virtual machine to another node. A stopped one just belongs there from now on. A running one is copied by a job
 * of the node that it leaves; capacity is held on both nodes meanwhile, quota once. When the copy is done the machine changes
 * nodes in one step, and the task ends when the new node's agent has taken it over.
 */
import type { Outcome, RunContext } from '../../core/command.js';
import { ConflictError, InvalidStateError } from '../../errors.js';
import type { VirtualMachine } from '../../gen/client/client.js';
import { capacityOf } from '../node/rules.js';
import { newTask } from '../task/begin.js';
import { beginJob, isOff, type OperationResult } from './begin.js';
import { capacityChange } from './changes.js';
import './migrate-kind.js';
import { choosePlacement, claimPlacement, placementSettings, poolsOf } from './place-vm.js';
import type { PlacementRequest } from './placement.js';
import { decide } from './rules.js';
import type { VmSpec } from './spec.js';

const resourceType = 'VirtualMachine';

/**
 * Begins to move an idle machine to the target, or to the best node that has room.
 * @throws InvalidStateError where its state does not allow it, NoSuitableNodeError, ConflictError when it changed since it was read
 */
export async function beginMigration(
  context: RunContext,
  vm: VirtualMachine,
  targetNodeId: string | undefined,
  timeoutSeconds?: number,
): Promise<Outcome<OperationResult>> {
  decide('MIGRATE', vm.powerState, false);
  if (vm.powerState === 'STOPPED' && !isOff(vm))
    throw new InvalidStateError('MIGRATE', vm.powerState, [], 'Its node is bringing it back.');
  const request = await requestFor(context, vm, targetNodeId);
  return isOff(vm)
    ? moveStopped(context, vm, request)
    : moveRunning(context, vm, request, timeoutSeconds);
}

/** Where it may run anyway, less the node that it is on, and only the target if one is named. */
export async function requestFor(
  asking: Pick<RunContext, 'tx' | 'viewer'>,
  vm: VirtualMachine,
  targetNodeId: string | undefined,
): Promise<PlacementRequest> {
  const { placement } = vm.spec as unknown as VmSpec;
  const required = placement?.requiredNodeIds;
  const excluded = [...(placement?.excludedNodeIds ?? []), ...(vm.nodeId ? [vm.nodeId] : [])];
  const only =
    targetNodeId === undefined ? required : required?.filter((id) => id === targetNodeId);
  return {
    resources: capacityOf(vm.resources),
    constraints: {
      ...placement,
      excludedNodeIds: excluded,
      requiredNodeIds: targetNodeId !== undefined && required === undefined ? [targetNodeId] : only,
    },
    clusterId: vm.clusterId,
    preferredNodeId: null,
    pools: await poolsOf(asking, vm.id),
  };
}

async function moveStopped(
  { tx, services }: RunContext,
  before: VirtualMachine,
  request: PlacementRequest,
): Promise<Outcome<OperationResult>> {
  const { id, projectId, generation, powerState } = before;
  const { placement } = await choosePlacement(tx, projectId, request, placementSettings(services));
  const [after] = await tx.virtualMachine.updateManyAndReturn({
    where: { id, generation, powerState, capacityClaimed: false },
    data: { nodeId: placement.ranked[0] ?? null },
  });
  if (!after) throw new ConflictError(resourceType, null);
  const result = { virtualMachineId: id, taskId: null };
  return { result, changed: [{ type: resourceType, id, before, after }] };
}

async function moveRunning(
  context: RunContext,
  vm: VirtualMachine,
  request: PlacementRequest,
  timeoutSeconds: number | undefined,
): Promise<Outcome<OperationResult>> {
  const { tx, services } = context;
  const targetNodeId = await claimPlacement(tx, vm.projectId, request, placementSettings(services));
  const timeoutMs =
    timeoutSeconds === undefined ? services.config.tasks.jobTimeoutMs : timeoutSeconds * 1000;
  const task = await beginJob(
    context,
    vm,
    'MIGRATE',
    {
      targetNodeId,
      details: { phase: 'COPYING', held: { ...request.resources } },
    },
    timeoutMs,
  );
  return {
    result: { virtualMachineId: vm.id, taskId: task.id },
    changed: [newTask(task), capacityChange(targetNodeId)],
  };
}
