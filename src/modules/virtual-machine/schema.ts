/** Virtual machines in the API: the type, its relations in both directions, and its mutations. */
import { grants } from '../../core/authz.js';
import { builder } from '../../graphql/builder.js';
import { relationList, relationOne, rootList } from '../../graphql/connection.js';
import { VerdictType } from '../../graphql/errors.js';
import {
  deletedId,
  editable,
  expectedVersion,
  labelsField,
  rootOne,
  target,
} from '../../graphql/fields.js';
import { mutationField } from '../../graphql/mutation.js';
import { viewerCan } from '../../graphql/viewer-can.js';
import { ClusterEntity } from '../cluster/queries.js';
import { ClusterRef } from '../cluster/schema.js';
import { NodeEntity } from '../node/queries.js';
import { capacityOf } from '../node/rules.js';
import { NodeRef } from '../node/schema.js';
import { ProjectEntity } from '../project/queries.js';
import { ProjectRef } from '../project/schema.js';
import { volumes } from '../storage/queries.js';
import { VolumeRef } from '../storage/schema.js';
import { TaskEntity, TaskOperationEnum, tasks } from '../task/queries.js';
import { UNFINISHED } from '../task/rules.js';
import { TaskRef } from '../task/schema.js';
import { UserEntity } from '../user/queries.js';
import { createVirtualMachine, updateVirtualMachine } from './commands.js';
import { deleteVirtualMachine } from './delete-command.js';
import { labelVirtualMachine } from './label-command.js';
import * as power from './power-commands.js';
import {
  DesiredStateEnum,
  PowerStateEnum,
  VirtualMachineEntity,
  virtualMachines,
} from './queries.js';
import { allowedOperations } from './rules.js';
import { readSpec } from './spec.js';
import { NewDiskInput, VmSpecInput } from './spec-inputs.js';
import { VmResourcesType, VmSpecType } from './spec-schema.js';

export const VirtualMachineRef = builder.prismaNode('VirtualMachine', {
  id: { field: 'id' },
  description: 'A virtual machine.',
  select: { id: true },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique in its project.' }),
    description: t.exposeString('description', { description: 'For people.' }),
    labels: labelsField(t),
    powerState: t.expose('powerState', {
      type: PowerStateEnum,
      description: 'What was last observed.',
    }),
    desiredState: t.expose('desiredState', {
      type: DesiredStateEnum,
      description: 'What should be.',
    }),
    statusMessage: t.exposeString('statusMessage', {
      description: 'What people should know about its state; often empty.',
    }),
    generation: t.exposeInt('generation', { description: 'Rises with every operation.' }),
    observedGeneration: t.exposeInt('observedGeneration', {
      description: 'The newest generation that its agent has finished.',
    }),
    allowedOperations: t.field({
      type: [TaskOperationEnum],
      description: 'What its power state allows; a running task may still be in the way.',
      select: { powerState: true },
      resolve: (vm) => allowedOperations(vm.powerState),
    }),
    hardwareVersion: t.exposeInt('hardwareVersion', {
      description: 'The generation of virtual hardware.',
    }),
    spec: t.field({
      type: VmSpecType,
      nullable: true,
      description: 'What it is made of; null for a machine that was carried over without it.',
      select: { spec: true },
      resolve: (vm) => readSpec(vm.spec),
    }),
    resources: t.field({
      type: VmResourcesType,
      description: 'What it takes from quota and node.',
      select: { resources: true },
      resolve: (vm) => capacityOf(vm.resources),
    }),
    ipAddresses: t.field({
      type: ['IPAddress'],
      description: 'What its guest reports.',
      select: { ipAddresses: true },
      resolve: (vm) => vm.ipAddresses,
    }),
    guestAgentRunning: t.boolean({
      description: 'Whether the agent inside the guest answers.',
      select: { guestAgent: true },
      resolve: (vm) => (vm.guestAgent as { running?: boolean } | null)?.running === true,
    }),
    deletionProtected: t.exposeBoolean('deletionProtected', {
      description: 'Whether every path refuses to delete it.',
    }),
    deletedAt: t.expose('deletedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'Since when it is in the bin; null: it is not.',
    }),
    project: relationOne(t, 'project', ProjectEntity, 'The project that it belongs to.'),
    cluster: relationOne(t, 'cluster', ClusterEntity, 'The cluster that it runs in.'),
    hypervisorNode: relationOne(t, 'node', NodeEntity, 'The node that it runs on, or ran on last.'),
    createdBy: relationOne(t, 'createdBy', UserEntity, 'Who created it, if you may see the user.'),
    volumes: relationList(t, 'volumes', volumes, 'The volumes attached to it.'),
    tasks: relationList(t, 'tasks', tasks, 'What was and is done to it, newest first.'),
    currentTask: t.field({
      type: TaskRef,
      nullable: true,
      description: 'The task that is at work on it, if any.',
      extensions: {
        pothosPrismaSelect: (
          _args: object,
          _context: object,
          nested: (query: object) => { select?: object },
        ) => ({
          select: {
            tasks: nested({
              where: { status: { in: [...UNFINISHED] } },
              take: 1,
              select: { id: true },
            }),
          },
        }),
      },
      resolve: (vm, _args, { viewer }) =>
        viewer && grants(viewer, 'task:read')
          ? ((vm as unknown as { tasks?: object[] }).tasks?.[0] as never)
          : null,
    }),
    ...editable(t),
  }),
});

viewerCan(VirtualMachineRef, VirtualMachineEntity, {
  Update: 'vm:update',
  Delete: 'vm:delete',
  Power: 'vm:power',
  Migrate: 'vm:migrate',
  Snapshot: 'vm:snapshot',
  Clone: 'vm:create',
  OpenConsole: 'vm:console',
});

rootOne('virtualMachine', VirtualMachineEntity, 'virtual machine');
rootList('virtualMachines', virtualMachines, 'The virtual machines that you may see.');

builder.prismaObjectField(ProjectRef, 'virtualMachines', (t) =>
  relationList(t, 'virtualMachines', virtualMachines, 'Its virtual machines.'),
);
builder.prismaObjectField(ClusterRef, 'virtualMachines', (t) =>
  relationList(
    t,
    'virtualMachines',
    virtualMachines,
    'The virtual machines in it that you may see.',
  ),
);
builder.prismaObjectField(NodeRef, 'virtualMachines', (t) =>
  relationList(
    t,
    'virtualMachines',
    virtualMachines,
    'The virtual machines on it that you may see.',
  ),
);
builder.prismaObjectField(VolumeRef, 'attachedVirtualMachine', (t) =>
  relationOne(t, 'attachedVm', VirtualMachineEntity, 'The machine that it is attached to.'),
);
builder.prismaObjectField(TaskRef, 'virtualMachine', (t) =>
  relationOne(
    t,
    'virtualMachine',
    VirtualMachineEntity,
    'The machine that it is about, while that exists.',
  ),
);

export const virtualMachinePart = {
  entity: VirtualMachineEntity,
  description: 'The virtual machine as it now is.',
  id: (r: { virtualMachineId: string }) => r.virtualMachineId,
};
export const taskPart = {
  entity: TaskEntity,
  description: 'The task that does it; null when there was nothing to do.',
  id: (r: { taskId: string | null }) => r.taskId,
};

mutationField('createVirtualMachine', createVirtualMachine, {
  description:
    'Creates a virtual machine. Everything is checked first: project, quota, references, and that a node could take it. With new disks, a task makes their volumes; it can be started when it is whole.',
  input: (t) => ({
    projectId: t.id({ required: true, description: 'The project that it belongs to.' }),
    name: t.string({
      required: true,
      description: 'Unique in the project; lower-case letters, digits and hyphens.',
    }),
    description: t.string({ description: 'For people.' }),
    labels: t.field({ type: 'JSON', description: 'Key and value pairs of your own.' }),
    spec: t.field({ type: VmSpecInput, required: true, description: 'What it is made of.' }),
    newDisks: t.field({
      type: [NewDiskInput],
      description: 'Disks whose volumes are made with it, beside those of the spec.',
    }),
    startOnCreate: t.boolean({ description: 'Power it on as soon as it is whole.' }),
    deletionProtected: t.boolean({
      description: 'Refuse to delete it until this is switched off.',
    }),
  }),
  entities: { virtualMachine: virtualMachinePart, task: taskPart },
  fields: (t) => ({
    placement: t.field({
      type: [VerdictType],
      description:
        'What placement thinks of each node now, best first. Nothing is claimed before it starts.',
      resolve: ({ result }) => [...result.placement],
    }),
  }),
});

mutationField('updateVirtualMachine', updateVirtualMachine, {
  description: 'Changes what is given of a virtual machine and leaves the rest.',
  input: (t) => ({
    id: target(t, 'virtual machine'),
    name: t.string({ description: 'Its new name.' }),
    description: t.string({ description: 'For people.' }),
    labels: t.field({ type: 'JSON', description: 'All its labels; those that are not named go.' }),
    deletionProtected: t.boolean({ description: 'Whether every path refuses to delete it.' }),
    expectedVersion: expectedVersion(t),
  }),
  entities: { virtualMachine: virtualMachinePart },
});

mutationField('labelVirtualMachine', labelVirtualMachine, {
  description: 'Sets and removes single labels of a virtual machine, and leaves its other labels.',
  input: (t) => ({
    id: target(t, 'virtual machine'),
    set: t.field({ type: 'JSON', description: 'Labels to add or to change, by key.' }),
    remove: t.stringList({
      description: 'Keys of labels to remove; those it does not have are fine.',
    }),
  }),
  entities: { virtualMachine: virtualMachinePart },
});

mutationField('deleteVirtualMachine', deleteVirtualMachine, {
  description:
    'Deletes a virtual machine: at once when it is off, else by a task. It goes into the bin, with all that is its own, and can be restored until the retention is over; then, or where nothing is kept, it is gone and its volumes become free.',
  input: (t) => ({
    id: target(t, 'virtual machine'),
    force: t.boolean({ description: 'Power it off first if it runs.' }),
    permanently: t.boolean({ description: 'Skip the bin: it cannot be restored.' }),
    expectedVersion: expectedVersion(t),
  }),
  entities: { task: taskPart },
  fields: (t) => ({
    deletedVirtualMachineId: deletedId(t, 'VirtualMachine', 'deletedVirtualMachineId'),
  }),
});

const operations = [
  [
    'startVirtualMachine',
    power.startVirtualMachine,
    'Powers a virtual machine on, on the best node that has room for it.',
    false,
  ],
  [
    'stopVirtualMachine',
    power.stopVirtualMachine,
    'Shuts a virtual machine down; powers it off when that takes too long.',
    true,
  ],
  [
    'rebootVirtualMachine',
    power.rebootVirtualMachine,
    'Restarts a running virtual machine.',
    false,
  ],
  [
    'resetVirtualMachine',
    power.resetVirtualMachine,
    'Restarts a virtual machine at once, without asking its guest; also one that has crashed.',
    false,
  ],
  [
    'suspendVirtualMachine',
    power.suspendVirtualMachine,
    'Writes the memory of a running virtual machine to disk and powers it off; resume brings it back.',
    false,
  ],
  [
    'pauseVirtualMachine',
    power.pauseVirtualMachine,
    'Freezes a running virtual machine in memory.',
    false,
  ],
  [
    'resumeVirtualMachine',
    power.resumeVirtualMachine,
    'Lets a paused or suspended virtual machine go on.',
    false,
  ],
] as const;

for (const [name, command, description, forcible] of operations) {
  mutationField(name, command, {
    description,
    input: (t) => ({
      id: target(t, 'virtual machine'),
      ...(forcible
        ? { force: t.boolean({ description: 'Power off at once, without waiting for the guest.' }) }
        : {}),
    }),
    entities: { virtualMachine: virtualMachinePart, task: taskPart },
  });
}
