/** Creating and changing virtual machines. Power is in power-commands.ts, deleting in delete-command.ts. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { requireVisible } from '../../core/entity.js';
import { description, idOf, labels, name, optional, present, version } from '../../core/input.js';
import { readForEdit, updateVersioned } from '../../core/versioned.js';
import {
  AddressInUseError,
  AlreadyExistsError,
  InvalidStateError,
  NoSuitableNodeError,
  QuotaExceededError,
  SubnetExhaustedError,
} from '../../errors.js';
import type { VirtualMachine } from '../../gen/client/client.js';
import { ProjectEntity } from '../project/queries.js';
import { claimQuota } from '../project/quota.js';
import { readIdle } from './begin.js';
import { usageChange } from './changes.js';
import { additionChanges, attachInterfaces } from './interfaces.js';
import { choosePlacement, placementSettings, requestForNew } from './place-vm.js';
import { VirtualMachineEntity } from './queries.js';
import { attachVolumes, checkReferences, groupIdsOf } from './references.js';
import { resourcesOf, specInput } from './spec.js';

const resourceType = 'VirtualMachine';

/**
 * Everything is checked before anything is written; the quota's row is locked late, so that parallel creations
 * wait for each other as briefly as possible, and addresses, which machines of other projects wait for, come after it.
 * Placement is decided, not claimed: a stopped machine holds no node.
 */
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
    deletionProtected: optional(z.boolean()),
  }),
  errors: [
    AlreadyExistsError,
    QuotaExceededError,
    NoSuitableNodeError,
    InvalidStateError,
    SubnetExhaustedError,
    AddressInUseError,
  ],
  label: (input) => input.name,
  async run(context, { projectId, spec, ...fields }) {
    const { tx, viewer, newId, services } = context;
    await checkReferences(context, projectId, spec);
    const resources = resourcesOf(spec);
    const request = requestForNew(spec);
    const { placement, candidates } = await choosePlacement(
      tx,
      projectId,
      request,
      placementSettings(services),
    );
    const best = candidates.find((node) => node.id === placement.ranked[0]);
    const id = newId();
    await claimQuota(tx, projectId, {
      virtualMachines: 1,
      vcpus: resources.vcpus,
      memoryMib: resources.memoryMib,
    });
    const after = await tx.virtualMachine.create({
      data: {
        id,
        projectId,
        name: fields.name,
        ...present(fields),
        spec: spec as object,
        resources: { ...resources },
        clusterId: best?.clusterId ?? null,
        createdById: viewer.userId,
      },
    });
    const groups = groupIdsOf(spec);
    if (groups.length > 0) {
      await tx.vmSecurityGroup.createMany({
        data: groups.map((securityGroupId) => ({ virtualMachineId: id, securityGroupId })),
      });
    }
    const nics = (spec.nics ?? []).map((nic, i) => ({
      nic,
      position: i,
      path: ['spec', 'nics', String(i)],
    }));
    const wires = await attachInterfaces(context, after, nics);
    const volumes = await attachVolumes(tx, id, spec);
    return {
      result: { virtualMachineId: id, placement: placement.verdicts },
      changed: [
        { type: resourceType, id, before: null, after },
        ...additionChanges(after, wires),
        ...volumes.map((v) => ({ type: 'Volume', id: v.after.id, ...v })),
        usageChange(projectId),
      ],
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
  lock: (input) => [`vm/${input.id}`],
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
