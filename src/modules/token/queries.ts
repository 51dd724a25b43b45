/** Tokens: those of scripts are seen by their owners, those of agents and of enrolments by administrators. */
import { administrators, defineEntity, owned } from '../../core/entity.js';
import { range, ref, text } from '../../graphql/filters.js';
import { declareList } from '../../graphql/list.js';

export const ApiTokenEntity = defineEntity({
  type: 'ApiToken',
  model: 'apiToken',
  label: 'name',
  visibility: owned('userId', 'token:read'),
  projectColumn: null,
});

export const apiTokens = declareList(ApiTokenEntity, {
  filter: {
    name: text(),
    user: ref('userId', 'User'),
    hypervisorNode: ref('nodeId', 'HypervisorNode'),
    createdAt: range(),
  },
  order: { NAME: 'name', CREATED_AT: 'createdAt' },
});

export const EnrolmentTokenEntity = defineEntity({
  type: 'EnrolmentToken',
  model: 'enrolmentToken',
  label: 'name',
  visibility: administrators('node:read'),
  projectColumn: null,
});

export const enrolmentTokens = declareList(EnrolmentTokenEntity, {
  filter: { name: text(), cluster: ref('clusterId', 'Cluster'), createdAt: range() },
  order: { NAME: 'name', CREATED_AT: 'createdAt' },
});
