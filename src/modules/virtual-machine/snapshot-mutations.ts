/** Mutations of snapshots. */
import { deletedId, expectedVersion, target } from '../../graphql/fields.js';
import { mutationField } from '../../graphql/mutation.js';
import { SnapshotEntity } from './queries.js';
import { taskPart, virtualMachinePart } from './schema.js';
import * as commands from './snapshot-commands.js';

const virtualMachineSnapshot = {
  entity: SnapshotEntity,
  description: 'The snapshot as it now is.',
  id: (r: { snapshotId: string }) => r.snapshotId,
};

mutationField('createVirtualMachineSnapshot', commands.createSnapshot, {
  description:
    'Takes a snapshot of the disks of a virtual machine. It can be used when the task is done.',
  input: (t) => ({
    virtualMachineId: target(t, 'virtual machine'),
    name: t.string({ required: true, description: 'Unique among the snapshots of the machine.' }),
    description: t.string({ description: 'For people.' }),
  }),
  entities: { virtualMachineSnapshot, virtualMachine: virtualMachinePart, task: taskPart },
});

mutationField('updateVirtualMachineSnapshot', commands.updateSnapshot, {
  description: 'Changes what is given of a snapshot and leaves the rest.',
  input: (t) => ({
    virtualMachineId: target(t, 'virtual machine'),
    id: target(t, 'snapshot'),
    name: t.string({ description: 'Its new name.' }),
    description: t.string({ description: 'For people.' }),
    expectedVersion: expectedVersion(t),
  }),
  entities: { virtualMachineSnapshot },
});

mutationField('revertVirtualMachineSnapshot', commands.revertSnapshot, {
  description:
    'Takes the disks of a virtual machine that is off back to a snapshot. What was written since is lost.',
  input: (t) => ({
    virtualMachineId: target(t, 'virtual machine'),
    id: target(t, 'snapshot'),
    force: t.boolean({ description: 'Power it off first if it runs.' }),
  }),
  entities: { virtualMachineSnapshot, virtualMachine: virtualMachinePart, task: taskPart },
});

mutationField('deleteVirtualMachineSnapshot', commands.deleteSnapshot, {
  description:
    'Deletes a snapshot. The snapshots that build on it build on its parent from then on.',
  input: (t) => ({
    virtualMachineId: target(t, 'virtual machine'),
    id: target(t, 'snapshot'),
    expectedVersion: expectedVersion(t),
  }),
  entities: { virtualMachine: virtualMachinePart, task: taskPart },
  fields: (t) => ({
    deletedVirtualMachineSnapshotId: deletedId(t, 'VirtualMachineSnapshot', 'deletedSnapshotId'),
  }),
});
