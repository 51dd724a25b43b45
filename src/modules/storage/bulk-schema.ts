/** What people do to many volumes at once. */
import { bulkField } from '../../graphql/bulk.js';
import { deleteVolume } from './delete-command.js';
import { volumes } from './queries.js';
import { updateVolume } from './volume-commands.js';
import './volume-mutations.js';

bulkField('bulkDeleteVolumes', deleteVolume, volumes, {
  description: 'Deletes many volumes and their content, for good.',
});
bulkField('bulkUpdateVolumes', updateVolume, volumes, {
  description: 'Changes what is given of many volumes, their protection say.',
  without: ['name'],
});
