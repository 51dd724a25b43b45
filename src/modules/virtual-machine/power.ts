/** A power operation from its beginning: what should be is written, with a task; the node's agent makes it so. */
import type { Outcome, RunContext } from '../../core/command.js';
import type { VirtualMachine } from '../../gen/client/client.js';
import { beginTask, type OperationResult, readIdle, taskChanges } from './begin.js';
import { capacityChange } from './changes.js';
import { claimPlacement, placementSettings, requestForStart } from './place-vm.js';
import './power-kinds.js';
import { decide, type PowerOperation, stopsByForce } from './rules.js';

/** @throws InvalidStateError where the state does not allow it, NoSuitableNodeError where it must be placed and cannot be */
export async function operate(
  context: RunContext,
  operation: PowerOperation,
  id: string,
  force: boolean,
): Promise<Outcome<OperationResult>> {
  const before = await readIdle(context.tx, id);
  if (decide(operation, before.powerState, force) === 'already') {
    return { result: { virtualMachineId: id, taskId: null }, changed: [] };
  }
  const powersOn =
    operation === 'START' || (operation === 'RESET' && before.powerState === 'CRASHED');
  const placed = powersOn ? await placeForStart(context, before) : {};
  const { after, task } = await beginTask(
    context,
    before,
    operation,
    force || (operation === 'STOP' && stopsByForce(before.powerState)),
    placed,
  );
  const changed = taskChanges(before, after, task);
  if (placed.nodeId) changed.push(capacityChange(placed.nodeId));
  return { result: { virtualMachineId: id, taskId: task.id }, changed };
}

/** A machine that crashed still holds its capacity and starts where it is; a stopped one is placed anew. */
async function placeForStart(
  { tx, services }: RunContext,
  vm: VirtualMachine,
): Promise<{ nodeId?: string; capacityClaimed?: boolean }> {
  if (vm.capacityClaimed) return {};
  const request = await requestForStart(tx, vm);
  const nodeId = await claimPlacement(tx, vm.projectId, request, placementSettings(services));
  return { nodeId, capacityClaimed: true };
}
