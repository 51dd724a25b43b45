/** A power operation from its beginning: what should be is written, with a task; the node's agent makes it so. */
import type { Outcome, RunContext } from '../../core/command.js';
import { beginTask, type OperationResult, readIdle, taskChanges } from './begin.js';
import { capacityChange } from './changes.js';
import './power-kinds.js';
import { decide, type PowerOperation, stopsByForce } from './rules.js';
import { placeForStart } from './start.js';

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
