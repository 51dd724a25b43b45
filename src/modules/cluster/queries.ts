/** Clusters: infrastructure, read by every user. */
import { defineEntity, everyUser } from '../../core/entity.js';
import { flag, range, text } from '../../graphql/filters.js';
import { declareList } from '../../graphql/list.js';

export const ClusterEntity = defineEntity({
  type: 'Cluster',
  model: 'cluster',
  label: 'name',
  visibility: everyUser('cluster:read'),
  projectColumn: null,
});

export const clusters = declareList(ClusterEntity, {
  filter: { name: text(), haEnabled: flag(), drsEnabled: flag(), createdAt: range() },
  order: { NAME: 'name', CREATED_AT: 'createdAt' },
});
