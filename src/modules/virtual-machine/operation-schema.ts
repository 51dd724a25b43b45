/** Mutations of virtual machines beyond power: size, place, project, devices and console. */
import { expectedVersion, target } from '../../graphql/fields.js';
import { mutationField } from '../../graphql/mutation.js';
import { encodeGlobalId } from '../../ids.js';
import { VolumeProvisioningEnum } from '../storage/queries.js';
import { cloneVirtualMachine } from './clone-command.js';
import { issueConsoleTicket, redeemConsoleTicket } from './console-commands.js';
import * as devices from './device-commands.js';
import { migrateVirtualMachine } from './migrate-command.js';
import { moveVirtualMachine } from './move-command.js';
import { promoteVirtualMachine } from './promote-command.js';
import { resizeVirtualMachine } from './resize-command.js';
import { taskPart, virtualMachinePart } from './schema.js';
import { CloneMode } from './spec-enums.js';
import { CpuInput, DiskInput, MemoryInput } from './spec-inputs.js';

const entities = { virtualMachine: virtualMachinePart, task: taskPart };

mutationField('resizeVirtualMachine', resizeVirtualMachine, {
  description:
    'Changes processors and memory: at once while the machine is off; while it runs it can grow, if its spec has hotAdd. What is not given of a part stays.',
  input: (t) => ({
    id: target(t, 'virtual machine'),
    cpu: t.field({ type: CpuInput, description: 'Its processors.' }),
    memory: t.field({ type: MemoryInput, description: 'Its memory.' }),
    expectedVersion: expectedVersion(t),
  }),
  entities,
});

mutationField('cloneVirtualMachine', cloneVirtualMachine, {
  description:
    'Makes a copy of a virtual machine in its project, with volumes, MAC and IP addresses of its own. For one that is not off a snapshot is taken first, unless one is given; after a FULL copy it goes again.',
  input: (t) => ({
    id: target(t, 'virtual machine to copy'),
    name: t.string({
      required: true,
      description: 'The name of the clone; unique in the project.',
    }),
    description: t.string({ description: 'For people; as the original, if not given.' }),
    labels: t.field({ type: 'JSON', description: 'Its labels; as the original, if not given.' }),
    mode: t.field({ type: CloneMode, description: 'FULL if not given.' }),
    snapshotId: t.id({
      description: 'The snapshot to copy; needed for LINKED of a machine that is off.',
    }),
    startOnCreate: t.boolean({ description: 'Power it on as soon as it is whole.' }),
  }),
  entities,
});

mutationField('promoteVirtualMachine', promoteVirtualMachine, {
  description:
    'Gives the linked volumes of a virtual machine blocks of their own, while it runs, too: then what they shared them with, a snapshot, a volume or an image, can be deleted. Without linked volumes there is nothing to do. Its own snapshots must be deleted first, and linked copies of its volumes promoted: they stand on the shared blocks.',
  input: (t) => ({
    id: target(t, 'virtual machine'),
    provisioning: t.field({
      type: VolumeProvisioningEnum,
      description: 'When the volumes take their space from then on; THIN if not given.',
    }),
    expectedVersion: expectedVersion(t),
  }),
  entities,
  fields: (t) => ({
    promotedVolumeIds: t.idList({
      description: 'The volumes that get blocks of their own.',
      resolve: ({ result }) => result.volumeIds.map((id) => encodeGlobalId('Volume', id)),
    }),
    claimedBytes: t.field({
      type: 'BigInt',
      description:
        'What they claim of their storage pools beyond what they claim already. Of the quota they take nothing: linked volumes count whole.',
      resolve: ({ result }) => BigInt(result.claimedBytes),
    }),
  }),
});

mutationField('migrateVirtualMachine', migrateVirtualMachine, {
  description:
    'Moves a virtual machine to another node: live while it runs, at once while it is off. Follow and cancel the task.',
  input: (t) => ({
    id: target(t, 'virtual machine'),
    targetNodeId: t.id({ description: 'Where to; the best node that has room, if not given.' }),
    timeoutSeconds: t.int({
      description:
        'When to give up copying a running one, from 10 to 86,400; tasks.job_timeout if not given. Its new node then has tasks.timeout to take it over.',
    }),
  }),
  entities,
});

mutationField('moveVirtualMachine', moveVirtualMachine, {
  description:
    'Moves a virtual machine to another project, with its volumes and snapshots. Groups, networks and images that only its project has must be taken off first.',
  input: (t) => ({
    id: target(t, 'virtual machine'),
    projectId: t.id({ required: true, description: 'The project that it is to belong to.' }),
    expectedVersion: expectedVersion(t),
  }),
  entities: { virtualMachine: virtualMachinePart },
});

mutationField('attachVolume', devices.attachVolume, {
  description: 'Attaches a volume to a virtual machine that is off or runs.',
  input: (t) => ({
    virtualMachineId: target(t, 'virtual machine'),
    disk: t.field({ type: DiskInput, required: true, description: 'The volume as a disk.' }),
    expectedVersion: expectedVersion(t),
  }),
  entities,
});

mutationField('detachVolume', devices.detachVolume, {
  description: 'Detaches a volume. While the machine runs, the volume is free when the task ends.',
  input: (t) => ({
    virtualMachineId: target(t, 'virtual machine'),
    volumeId: t.id({ required: true, description: 'The volume.' }),
    expectedVersion: expectedVersion(t),
  }),
  entities,
});

for (const [name, command, description] of [
  ['attachCdrom', devices.attachCdrom, 'Puts an image into a CD-ROM drive of its own.'],
  ['detachCdrom', devices.detachCdrom, 'Takes an image out, with its drive.'],
] as const) {
  mutationField(name, command, {
    description,
    input: (t) => ({
      virtualMachineId: target(t, 'virtual machine'),
      imageId: t.id({ required: true, description: 'The image.' }),
      expectedVersion: expectedVersion(t),
    }),
    entities,
  });
}

mutationField('issueConsoleTicket', issueConsoleTicket, {
  description:
    'A ticket that opens the console of a running virtual machine, once, within a minute: give it to the console proxy of its node.',
  input: (t) => ({ virtualMachineId: target(t, 'virtual machine') }),
  entities: { virtualMachine: virtualMachinePart },
  fields: (t) => ({
    token: t.string({
      nullable: true,
      description:
        'The ticket. Shown once: null when the request is repeated with its idempotency key.',
      resolve: ({ result }) => result.token,
    }),
    display: t.string({ description: 'VNC or SPICE.', resolve: ({ result }) => result.display }),
    expiresAt: t.field({
      type: 'DateTime',
      description: 'When it is of no use any more.',
      resolve: ({ result }) => new Date(result.expiresAt),
    }),
  }),
});

mutationField('redeemConsoleTicket', redeemConsoleTicket, {
  description: 'For the console proxy of a node: what a ticket opens. It works once.',
  input: (t) => ({
    nodeId: t.id({ required: true, description: "The proxy's own node." }),
    token: t.string({ required: true, description: 'The ticket that a client has shown.' }),
  }),
  fields: (t) => ({
    virtualMachineId: t.id({
      description: 'The machine whose console to open.',
      resolve: ({ result }) => result.virtualMachineId,
    }),
    display: t.string({ description: 'VNC or SPICE.', resolve: ({ result }) => result.display }),
    username: t.string({
      description: 'Who asked for the ticket.',
      resolve: ({ result }) => result.username,
    }),
  }),
});
