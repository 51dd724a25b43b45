/** What people do about many alerts at once. */
import { bulkField } from '../../graphql/bulk.js';
import { acknowledgeAlert, resolveAlert } from './commands.js';
import { alerts } from './queries.js';
import './schema.js';

bulkField('bulkAcknowledgeAlerts', acknowledgeAlert, alerts, {
  description: 'Says that you took notice of many alerts. Once is enough: the first stays.',
});
bulkField('bulkResolveAlerts', resolveAlert, alerts, {
  description: 'Says that what many alerts are about is over.',
});
