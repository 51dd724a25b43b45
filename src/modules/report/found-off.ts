/** A machine that is found off although it should run: nobody may overlook that. */
import type { Change, RunContext } from '../../core/command.js';
import type { VirtualMachine } from '../../gen/client/client.js';
import { raiseAlert } from '../alert/raise.js';

const KIND = 'found-off';
const UP: ReadonlySet<string> = new Set(['RUNNING', 'PAUSED']);
const OFF: ReadonlySet<string> = new Set(['STOPPED', 'CRASHED']);

/** Whether it went down by itself. `busy`: an operation is under way, whose end says what became of it. */
export function wentDown(before: VirtualMachine, after: VirtualMachine, busy: boolean): boolean {
  return (
    !busy && UP.has(before.desiredState) && UP.has(before.powerState) && OFF.has(after.powerState)
  );
}

/** One open alert for each machine; a machine that goes down again counts it up. */
export async function raiseFoundOff(
  { tx, newId, now }: RunContext,
  { id, name, projectId, powerState, desiredState, statusMessage }: VirtualMachine,
): Promise<Change> {
  const comesBack = UP.has(desiredState);
  const { change } = await raiseAlert(
    tx,
    {
      severity: 'WARNING',
      title: `${name} went down by itself`,
      message:
        `Its node found it ${powerState}${comesBack ? ' and starts it again' : ''}. ${statusMessage}`.trim(),
      sourceType: 'VM',
      sourceId: id,
      sourceName: name,
      projectId,
      kind: KIND,
    },
    newId(),
    now,
  );
  return change;
}
