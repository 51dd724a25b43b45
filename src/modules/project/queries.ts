/** Projects: who sees them, and the list. */
import { defineEntity, ofProject } from '../../core/entity.js';
import { range, text } from '../../graphql/filters.js';
import { declareList } from '../../graphql/list.js';

export const ProjectEntity = defineEntity({
  type: 'Project',
  model: 'project',
  label: 'name',
  visibility: ofProject('id', 'project:read'),
  projectColumn: 'id',
});

export const projects = declareList(ProjectEntity, {
  filter: { name: text(), description: text(), createdAt: range(), updatedAt: range() },
  order: { NAME: 'name', CREATED_AT: 'createdAt', UPDATED_AT: 'updatedAt' },
});
