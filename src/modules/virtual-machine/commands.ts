/** Creating and changing virtual machines. Power is in power-commands.ts, deleting in delete-command.ts. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { requireVisible } from '../../core/entity.js';
import { description, idOf, labels, name, optional, present, version } from '../../core/input.js';
import { nameLock } from '../../core/locks.js';
import { readForEdit, updateVersioned } from '../../core/versioned.js';
import {
  AddressInUseError,
  AlreadyExistsError,
  InUseError,
  ValidationError,
} from '../../errors.js';
import type { VirtualMachine } from '../../gen/client/client.js';
import { ProjectEntity } from '../project/queries.js';
import { readIdle } from './begin.js';
import { newDisksInput, planDisks } from './disk-plans.js';
import { CREATION_ERRORS, makeMachine } from './make-vm.js';
import './provision-kinds.js';
import { VirtualMachineEntity } from './queries.js';
import { checkReferences } from './references.js';
import { resourcesOf, specFaults, specInput } from './spec.js';

const resourceType = 'VirtualMachine';

/** Everything is checked before anything is written. With new disks, a task makes them; with `startOnCreate`, it is started then. */
export const createVirtualMachine = defineCommand({
  name: 'virtualMachine.create',
  resourceType,
  permission: 'vm:create',
  subject: (input: { projectId: string }) => ({
    entity: ProjectEntity,
    id: input.projectId,
    path: ['projectId'],
  }),
  input: z.object({
    projectId: idOf('Project'),
    name,
    description: optional(description),
    labels: optional(labels),
    spec: specInput,
    newDisks: newDisksInput,
    deletionProtected: optional(z.boolean()),
    startOnCreate: optional(z.boolean()),
  }),
  errors: [...CREATION_ERRORS, AddressInUseError, InUseError],
  lock: ({ name, projectId }) => [nameLock(VirtualMachineEntity, name, projectId)],
  label: (input) => input.name,
  async run(context, { newDisks = [], startOnCreate = false, ...wanted }) {
    const { projectId, spec } = wanted;
    const parts = [...(spec.disks ?? []), ...newDisks.map((disk) => ({ ...disk, volumeId: '' }))];
    const faults = specFaults({ ...spec, disks: parts }).filter(
      ({ path }) => path[1] !== 'volumeId',
    );
    if (faults.length > 0) throw new ValidationError(faults);
    await checkReferences(context, projectId, spec);
    const machine = { name: wanted.name, resources: resourcesOf(spec) };
    const made = await makeMachine(context, {
      ...wanted,
      disks: await planDisks(context, projectId, machine, newDisks),
      start: startOnCreate,
      operation: 'PROVISION',
    });
    return {
      result: {
        virtualMachineId: made.vm.id,
        taskId: made.task?.id ?? null,
        placement: made.placement,
      },
      changed: made.changed,
    };
  },
});

/** Edits that the guest does not notice. Processors and memory are resized by an operation of their own. */
export const updateVirtualMachine = defineCommand({
  name: 'virtualMachine.update',
  resourceType,
  permission: 'vm:update',
  subject: (input: { id: string }) => ({ entity: VirtualMachineEntity, id: input.id }),
  input: z.object({
    id: idOf('VirtualMachine'),
    name: optional(name),
    description: optional(description),
    labels: optional(labels),
    deletionProtected: optional(z.boolean()),
    expectedVersion: version,
  }),
  errors: [AlreadyExistsError],
  async run({ tx, viewer }, { id, expectedVersion, ...fields }) {
    await requireVisible(tx, VirtualMachineEntity, viewer, id); // it may have moved out of sight since the gate looked
    const before = await readForEdit<VirtualMachine>(tx, VirtualMachineEntity, id, expectedVersion);
    // Protection that comes too late would be a promise that is about to be broken: it has to wait for the deletion's end.
    if (fields.deletionProtected && before.desiredState === 'DELETED') await readIdle(tx, id);
    const after = await updateVersioned(tx, VirtualMachineEntity, before, present(fields));
    return {
      result: { virtualMachineId: id },
      changed: [{ type: resourceType, id, before, after }],
    };
  },
});
