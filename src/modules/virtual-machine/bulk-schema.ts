/** What people do to many virtual machines at once. */
import { bulkField } from '../../graphql/bulk.js';
import { purgeVirtualMachine, restoreVirtualMachine } from './bin-commands.js';
import { updateVirtualMachine } from './commands.js';
import { deleteVirtualMachine } from './delete-command.js';
import { labelVirtualMachine } from './label-command.js';
import { migrateVirtualMachine } from './migrate-command.js';
import * as power from './power-commands.js';
import { promoteVirtualMachine } from './promote-command.js';
import { deletedVirtualMachines, virtualMachines } from './queries.js';
import { createSnapshot } from './snapshot-commands.js';
import './bin-schema.js';
import './operation-schema.js';
import './schema.js';
import './snapshot-mutations.js';

const operations = [
  [
    'bulkStartVirtualMachines',
    power.startVirtualMachine,
    'Powers many virtual machines on, each on the best node that has room for it.',
  ],
  [
    'bulkStopVirtualMachines',
    power.stopVirtualMachine,
    'Shuts many virtual machines down; powers off those that take too long.',
  ],
  ['bulkRebootVirtualMachines', power.rebootVirtualMachine, 'Restarts many virtual machines.'],
  [
    'bulkResetVirtualMachines',
    power.resetVirtualMachine,
    'Restarts many virtual machines at once, without asking their guests.',
  ],
  [
    'bulkSuspendVirtualMachines',
    power.suspendVirtualMachine,
    'Writes the memory of many virtual machines to disk and powers them off.',
  ],
  [
    'bulkPauseVirtualMachines',
    power.pauseVirtualMachine,
    'Freezes many virtual machines in memory.',
  ],
  [
    'bulkResumeVirtualMachines',
    power.resumeVirtualMachine,
    'Lets many paused or suspended virtual machines go on.',
  ],
  [
    'bulkDeleteVirtualMachines',
    deleteVirtualMachine,
    'Deletes many virtual machines: at once those that are off, the others by tasks.',
  ],
  [
    'bulkLabelVirtualMachines',
    labelVirtualMachine,
    'Sets and removes labels of many virtual machines, and leaves their other labels.',
  ],
  [
    'bulkMigrateVirtualMachines',
    migrateVirtualMachine,
    'Moves many virtual machines to other nodes, each to the best that has room for it.',
  ],
  [
    'bulkPromoteVirtualMachines',
    promoteVirtualMachine,
    'Gives the linked volumes of many virtual machines blocks of their own.',
  ],
] as const;

for (const [name, command, description] of operations)
  bulkField<object>(name, command, virtualMachines, { description });

bulkField('bulkUpdateVirtualMachines', updateVirtualMachine, virtualMachines, {
  description: 'Changes what is given of many virtual machines, their protection say.',
  without: ['name'],
});
bulkField('bulkCreateVirtualMachineSnapshots', createSnapshot, virtualMachines, {
  description: 'Takes a snapshot of each of many virtual machines, all under one name.',
  target: 'virtualMachineId',
});
bulkField('bulkRestoreVirtualMachines', restoreVirtualMachine, deletedVirtualMachines, {
  description: 'Takes many virtual machines out of the bin.',
  without: ['name'],
});
bulkField('bulkPurgeVirtualMachines', purgeVirtualMachine, deletedVirtualMachines, {
  description: 'Deletes many virtual machines in the bin for good.',
});
