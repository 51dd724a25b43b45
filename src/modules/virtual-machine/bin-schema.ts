/** The bin in the API. */
import { rootList } from '../../graphql/connection.js';
import { deletedId, target } from '../../graphql/fields.js';
import { mutationField } from '../../graphql/mutation.js';
import { purgeVirtualMachine, restoreVirtualMachine } from './bin-commands.js';
import { deletedVirtualMachines } from './queries.js';
import { virtualMachinePart } from './schema.js';

rootList(
  'deletedVirtualMachines',
  deletedVirtualMachines,
  'The virtual machines in the bin of your projects, the latest deleted first. They exist nowhere else: restore or purge them.',
);

mutationField('restoreVirtualMachine', restoreVirtualMachine, {
  description:
    'Takes a virtual machine out of the bin: stopped, with its volumes, network interfaces, addresses and snapshots. It claims its quota again.',
  input: (t) => ({
    id: target(t, 'virtual machine in the bin'),
    name: t.string({ description: 'Its name from now on, when its own was taken meanwhile.' }),
  }),
  entities: { virtualMachine: virtualMachinePart },
});

mutationField('purgeVirtualMachine', purgeVirtualMachine, {
  description:
    'Deletes a virtual machine in the bin for good, its snapshots and network interfaces with it. Its volumes become free.',
  input: (t) => ({ id: target(t, 'virtual machine in the bin') }),
  fields: (t) => ({
    deletedVirtualMachineId: deletedId(t, 'VirtualMachine', 'deletedVirtualMachineId'),
  }),
});
