/** Resizing: at once while the machine is off; while it runs only upwards, where its spec allows that, by its agent. */
import { z } from 'zod';
import { type Change, defineCommand, type RunContext } from '../../core/command.js';
import { idOf, optional, version } from '../../core/input.js';
import { stableStringify } from '../../core/json.js';
import { updateVersioned } from '../../core/versioned.js';
import {
  ConflictError,
  InvalidStateError,
  NoSuitableNodeError,
  QuotaExceededError,
  ValidationError,
} from '../../errors.js';
import type { Prisma, Task, VirtualMachine } from '../../gen/client/client.js';
import { claimCapacity, releaseCapacity } from '../node/capacity.js';
import { type Capacity, capacityOf } from '../node/rules.js';
import { claimQuota, releaseQuota } from '../project/quota.js';
import { defineTaskKind } from '../task/kinds.js';
import { beginTask, isOff, type OperationResult, readIdle, taskChanges } from './begin.js';
import { capacityChange, usageChange } from './changes.js';
import { placementSettings, shortfall } from './place-vm.js';
import { settle } from './power-kinds.js';
import { VirtualMachineEntity } from './queries.js';
import { allowedOperations, decide } from './rules.js';
import { cpuInput, memoryInput, readSpec, resourcesOf, specFaults, type VmSpec } from './spec.js';

const resourceType = 'VirtualMachine';

/** How much more; negative is less. */
function minus(a: Capacity, b: Capacity): Capacity {
  return {
    vcpus: a.vcpus - b.vcpus,
    memoryMib: a.memoryMib - b.memoryMib,
    storageGib: a.storageGib - b.storageGib,
  };
}

export const resizeVirtualMachine = defineCommand({
  name: 'virtualMachine.resize',
  resourceType,
  permission: 'vm:update',
  subject: (input: { id: string }) => ({ entity: VirtualMachineEntity, id: input.id }),
  input: z.object({
    id: idOf('VirtualMachine'),
    cpu: optional(cpuInput),
    memory: optional(memoryInput),
    expectedVersion: version,
  }),
  errors: [InvalidStateError, QuotaExceededError, NoSuitableNodeError],
  async run(context, { id, cpu, memory, expectedVersion }) {
    const before = await readIdle(context.tx, id);
    if (expectedVersion != null && before.version !== expectedVersion)
      throw new ConflictError(resourceType, before.version);
    const spec = resized(before, cpu, memory);
    const unchanged: OperationResult = { virtualMachineId: id, taskId: null };
    if (stableStringify(spec) === stableStringify(before.spec))
      return { result: unchanged, changed: [] };
    decide('RESIZE', before.powerState, false);
    const resources = resourcesOf(spec);
    const more = minus(resources, capacityOf(before.resources));
    await claimQuota(context.tx, before.projectId, {
      vcpus: more.vcpus,
      memoryMib: more.memoryMib,
    });
    const columns = { spec: spec as object, resources: { ...resources } };
    if (isOff(before)) {
      const after = await updateVersioned(context.tx, VirtualMachineEntity, before, columns);
      const change = { type: resourceType, id, before, after };
      return { result: unchanged, changed: [change, usageChange(before.projectId)] };
    }
    return growRunning(context, before, columns, more);
  },
});

/** The spec as it is to be. Throws ValidationError when it breaks a limit. */
function resized(
  vm: VirtualMachine,
  cpu: VmSpec['cpu'] | undefined,
  memory: VmSpec['memory'] | undefined,
): VmSpec {
  const spec = readSpec(vm.spec);
  if (!spec) throw ValidationError.of(['id'], 'The machine was carried over without a spec.');
  const next = {
    ...spec,
    cpu: cpu ? { ...spec.cpu, ...cpu } : spec.cpu,
    memory: memory ? { ...spec.memory, ...memory } : spec.memory,
  };
  const faults = specFaults(next);
  if (faults.length > 0) throw new ValidationError(faults);
  return next;
}

async function growRunning(
  context: RunContext,
  before: VirtualMachine,
  columns: { spec: object; resources: object },
  more: Capacity,
) {
  const refuse = (why: string): never => {
    throw new InvalidStateError(
      'RESIZE',
      before.powerState,
      allowedOperations(before.powerState).filter((operation) => operation !== 'RESIZE'),
      why,
    );
  };
  if ((before.spec as unknown as VmSpec).hotAdd !== true)
    refuse('Its spec does not allow hot-add: stop it first.');
  if (more.vcpus < 0 || more.memoryMib < 0)
    refuse('While it runs it can only grow: stop it first.');
  const settings = placementSettings(context.services);
  const nodeId = before.nodeId ?? '';
  if (!(await claimCapacity(context.tx, nodeId, more, settings.overcommit)))
    throw new NoSuitableNodeError([await shortfall(context.tx, nodeId, more, settings)]);
  const { after, task } = await beginTask(
    context,
    before,
    'RESIZE',
    false,
    { ...columns, version: { increment: 1 } },
    { details: { spec: before.spec, resources: before.resources } as Prisma.InputJsonObject },
  );
  return {
    result: { virtualMachineId: before.id, taskId: task.id },
    changed: [
      ...taskChanges(before, after, task),
      usageChange(before.projectId),
      capacityChange(nodeId),
    ],
  };
}

/** The size that it had comes back, with what the larger one had claimed. */
async function undo(context: RunContext, task: Task): Promise<Change[]> {
  const { tx } = context;
  const vm = await tx.virtualMachine.findUnique({ where: { id: task.virtualMachineId ?? '' } });
  if (!vm) return [];
  const { spec, resources } = task.details as { spec: object; resources: object };
  const less = minus(capacityOf(vm.resources), capacityOf(resources));
  await releaseQuota(tx, vm.projectId, { vcpus: less.vcpus, memoryMib: less.memoryMib });
  if (vm.capacityClaimed && vm.nodeId) await releaseCapacity(tx, vm.nodeId, less);
  const after = await tx.virtualMachine.update({
    where: { id: vm.id },
    data: { spec, resources, version: { increment: 1 } },
  });
  const changed: Change[] = [
    { type: resourceType, id: vm.id, before: vm, after },
    usageChange(vm.projectId),
  ];
  if (vm.capacityClaimed && vm.nodeId) changed.push(capacityChange(vm.nodeId));
  return changed;
}

defineTaskKind('RESIZE', {
  undo: async (context, task, end) => [
    ...(await undo(context, task)),
    ...(await settle(context, task, end)),
  ],
});
