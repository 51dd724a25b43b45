/**
 * Changing what a machine is made of: at once while it is off, by its agent while it runs. What is attached belongs to the
 * machine from the beginning, what is detached until the end: at no moment could two machines have one volume.
 */
import type { Change, Outcome, RunContext } from '../../core/command.js';
import { updateVersioned } from '../../core/versioned.js';
import { ConflictError, ValidationError } from '../../errors.js';
import type { Prisma, Task, VirtualMachine, Volume } from '../../gen/client/client.js';
import { defineTaskKind } from '../task/kinds.js';
import { beginTask, isOff, type OperationResult, readIdle, taskChanges } from './begin.js';
import { settle } from './power-kinds.js';
import { VirtualMachineEntity } from './queries.js';
import { detachVolumes } from './references.js';
import { decide } from './rules.js';
import { readSpec, specFaults, type VmSpec } from './spec.js';

const resourceType = 'VirtualMachine';

interface Details {
  readonly spec: object;
  /** Volumes that a failure gives back, and those that success does. */
  readonly attached: readonly string[];
  readonly detached: readonly string[];
}

/** The machine and its spec, if it may be changed now. */
export async function readForReconfiguration(
  { tx }: RunContext,
  id: string,
  expectedVersion: number | null | undefined,
): Promise<{ before: VirtualMachine; spec: VmSpec }> {
  const before = await readIdle(tx, id);
  if (expectedVersion != null && before.version !== expectedVersion)
    throw new ConflictError(resourceType, before.version);
  const spec = readSpec(before.spec);
  if (!spec) throw ValidationError.of(['virtualMachineId'], 'It was carried over without a spec.');
  decide('RECONFIGURE', before.powerState, false);
  return { before, spec };
}

const volumeChanges = (volumes: readonly { before: Volume; after: Volume }[]): Change[] =>
  volumes.map((volume) => ({ type: 'Volume', id: volume.after.id, ...volume }));

/** Writes the new spec. `attached` have been attached already; `detached` are detached here, or when the agent has let go of them. */
export async function reconfigure(
  context: RunContext,
  before: VirtualMachine,
  spec: VmSpec,
  volumes: {
    attached?: readonly { before: Volume; after: Volume }[];
    detached?: readonly string[];
  } = {},
): Promise<Outcome<OperationResult>> {
  const faults = specFaults(spec);
  if (faults.length > 0) throw new ValidationError(faults);
  const { attached = [], detached = [] } = volumes;
  const { id } = before;
  const stored = { spec: spec as object };
  if (isOff(before)) {
    const after = await updateVersioned(context.tx, VirtualMachineEntity, before, stored);
    const freed = detached.length > 0 ? await detachVolumes(context.tx, id, detached) : [];
    const changed = [
      { type: resourceType, id, before, after },
      ...volumeChanges([...attached, ...freed]),
    ];
    return { result: { virtualMachineId: id, taskId: null }, changed };
  }
  const details = { spec: before.spec, attached: attached.map((v) => v.after.id), detached };
  const { after, task } = await beginTask(
    context,
    before,
    'RECONFIGURE',
    false,
    { ...stored, version: { increment: 1 } },
    { details: details as Prisma.InputJsonObject },
  );
  const changed = [...taskChanges(before, after, task), ...volumeChanges(attached)];
  return { result: { virtualMachineId: id, taskId: task.id }, changed };
}

const detailsOf = (task: Task): Details => task.details as unknown as Details;

async function free({ tx }: RunContext, task: Task, ids: readonly string[]): Promise<Change[]> {
  if (ids.length === 0 || !task.virtualMachineId) return [];
  return volumeChanges(await detachVolumes(tx, task.virtualMachineId, ids));
}

defineTaskKind('RECONFIGURE', {
  finish: (context, task) => free(context, task, detailsOf(task).detached),
  /** A new disk that nobody has spoken of in time may be in the machine's hands by now: it stays wanted and reserved, until its agent has it or it is detached. */
  async undo(context, task, end) {
    if (end.status === 'TIMED_OUT' && detailsOf(task).attached.length > 0)
      return settle(context, task, end);
    const changed = await free(context, task, detailsOf(task).attached);
    const vm = await context.tx.virtualMachine.findUnique({
      where: { id: task.virtualMachineId ?? '' },
    });
    if (vm) {
      const after = await context.tx.virtualMachine.update({
        where: { id: vm.id },
        data: { spec: detailsOf(task).spec, version: { increment: 1 } },
      });
      changed.push({ type: resourceType, id: vm.id, before: vm, after });
    }
    return [...changed, ...(await settle(context, task, end))];
  },
});
