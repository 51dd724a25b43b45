/** What people do to many virtual machines at once. */
import { bulkField } from '../../graphql/bulk.js';
import { deleteVirtualMachine } from './delete-command.js';
import { labelVirtualMachine } from './label-command.js';
import { migrateVirtualMachine } from './migrate-command.js';
import { startVirtualMachine, stopVirtualMachine } from './power-commands.js';
import { virtualMachines } from './queries.js';
import './operation-schema.js';
import './schema.js';

bulkField('bulkStartVirtualMachines', startVirtualMachine, virtualMachines, {
  description: 'Powers many virtual machines on, each on the best node that has room for it.',
});
bulkField('bulkStopVirtualMachines', stopVirtualMachine, virtualMachines, {
  description: 'Shuts many virtual machines down; powers off those that take too long.',
});
bulkField('bulkDeleteVirtualMachines', deleteVirtualMachine, virtualMachines, {
  description: 'Deletes many virtual machines: at once those that are off, the others by tasks.',
});
bulkField('bulkLabelVirtualMachines', labelVirtualMachine, virtualMachines, {
  description: 'Sets and removes labels of many virtual machines, and leaves their other labels.',
});
bulkField('bulkMigrateVirtualMachines', migrateVirtualMachine, virtualMachines, {
  description: 'Moves many virtual machines to other nodes, each to the best that has room for it.',
});
