/** Virtual machines and what is done to them, at the other end of relations that their own types begin. */
import { builder } from '../../graphql/builder.js';
import { relationList } from '../../graphql/connection.js';
import { securityGroups } from '../security/queries.js';
import { SecurityGroupRef } from '../security/schema.js';
import { tasks } from '../task/queries.js';
import { UserRef } from '../user/schema.js';
import { snapshots, virtualMachines } from './queries.js';
import { VirtualMachineRef } from './schema.js';

builder.prismaObjectField(VirtualMachineRef, 'securityGroups', (t) =>
  relationList(
    t,
    'securityGroups',
    securityGroups,
    'The security groups that it has on any of its network interfaces.',
    'securityGroup',
  ),
);
builder.prismaObjectField(SecurityGroupRef, 'virtualMachines', (t) =>
  relationList(
    t,
    'virtualMachines',
    virtualMachines,
    'The virtual machines that have it on any of their network interfaces.',
    'virtualMachine',
  ),
);

builder.prismaObjectField(UserRef, 'createdVirtualMachines', (t) =>
  relationList(
    t,
    'virtualMachines',
    virtualMachines,
    'Virtual machines that this user created and that you may see.',
  ),
);
builder.prismaObjectField(UserRef, 'createdSnapshots', (t) =>
  relationList(t, 'snapshots', snapshots, 'Snapshots that this user took and that you may see.'),
);
builder.prismaObjectField(UserRef, 'tasks', (t) =>
  relationList(t, 'tasks', tasks, 'Tasks that this user asked for and that you may see.'),
);
