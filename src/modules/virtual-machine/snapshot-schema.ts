/** Snapshots of virtual machines in the API: a tree, reached through their machine. */
import { builder } from '../../graphql/builder.js';
import { relationList, relationOne } from '../../graphql/connection.js';
import { editable } from '../../graphql/fields.js';
import { UserEntity } from '../user/queries.js';
import {
  PowerStateEnum,
  SnapshotEntity,
  SnapshotStateEnum,
  snapshots,
  VirtualMachineEntity,
} from './queries.js';
import { VirtualMachineRef } from './schema.js';

builder.prismaNode('VmSnapshot', {
  name: 'VirtualMachineSnapshot',
  id: { field: 'id' },
  description: 'The state of a virtual machine at one moment.',
  select: { id: true },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique among the snapshots of the machine.' }),
    description: t.exposeString('description', { description: 'For people.' }),
    state: t.expose('state', { type: SnapshotStateEnum, description: 'Whether it can be used.' }),
    sizeBytes: t.expose('sizeBytes', { type: 'BigInt', description: 'What it takes on disk.' }),
    powerState: t.expose('vmState', {
      type: PowerStateEnum,
      description: 'The state of the machine when it was taken.',
    }),
    virtualMachine: relationOne(t, 'virtualMachine', VirtualMachineEntity, 'The machine.'),
    parent: relationOne(
      t,
      'parent',
      SnapshotEntity,
      'The snapshot that it builds on; null for a root.',
    ),
    children: relationList(t, 'children', snapshots, 'The snapshots that build on it.'),
    createdBy: relationOne(t, 'createdBy', UserEntity, 'Who took it, if you may see the user.'),
    ...editable(t),
  }),
});

builder.prismaObjectField(VirtualMachineRef, 'currentSnapshot', (t) =>
  relationOne(t, 'currentSnapshot', SnapshotEntity, 'The snapshot that its disks stand on.'),
);
builder.prismaObjectField(VirtualMachineRef, 'snapshots', (t) =>
  relationList(t, 'snapshots', snapshots, 'Its snapshots.'),
);
