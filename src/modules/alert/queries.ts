/** Alerts: who sees them, and the list. One without a project is about infrastructure, which every user reads. */
import { defineEntity, entityCalled, ofProject, tellingOf } from '../../core/entity.js';
import * as enums from '../../gen/client/enums.js';
import { builder } from '../../graphql/builder.js';
import { flag, oneOf, range, ref, text } from '../../graphql/filters.js';
import { declareList } from '../../graphql/list.js';
import { looseRef } from '../../graphql/loose-ref.js';
import { API_TYPES_OF_SOURCES, sourceOf } from './source.js';

const permissionsBySource = () =>
  new Map(
    API_TYPES_OF_SOURCES.map(([source, type]) => [
      source,
      entityCalled(type).visibility.permissions,
    ]),
  );

export const AlertEntity = defineEntity({
  type: 'Alert',
  model: 'alert',
  label: 'title',
  visibility: tellingOf(
    'sourceType',
    permissionsBySource,
    ofProject('projectId', 'alert:read', { shared: true }),
  ),
  projectColumn: 'projectId',
});

export const AlertSeverityEnum = builder.enumType('AlertSeverity', {
  description: 'How bad it is.',
  values: {
    CRITICAL: { value: enums.AlertSeverity.CRITICAL, description: 'Something is down; act now.' },
    WARNING: {
      value: enums.AlertSeverity.WARNING,
      description: 'Something will go down; act soon.',
    },
    INFO: { value: enums.AlertSeverity.INFO, description: 'Something to know; no need to act.' },
  },
});

export const AlertSourceTypeEnum = builder.enumType('AlertSourceType', {
  description: 'What kind of object an alert is about.',
  values: {
    HOST: { value: enums.AlertSourceType.HOST, description: 'A hypervisor node.' },
    VM: { value: enums.AlertSourceType.VM, description: 'A virtual machine.' },
    STORAGE: { value: enums.AlertSourceType.STORAGE, description: 'A storage pool.' },
    NETWORK: { value: enums.AlertSourceType.NETWORK, description: 'A virtual network.' },
    CLUSTER: { value: enums.AlertSourceType.CLUSTER, description: 'A cluster.' },
    SYSTEM: { value: enums.AlertSourceType.SYSTEM, description: 'The control plane itself.' },
  },
});

export const alerts = declareList(AlertEntity, {
  filter: {
    severity: oneOf('AlertSeverity', AlertSeverityEnum),
    title: text(),
    message: text(),
    kind: text(),
    sourceType: oneOf('AlertSourceType', AlertSourceTypeEnum),
    source: looseRef('sourceType', 'sourceId', sourceOf),
    sourceName: text(),
    project: ref('projectId', 'Project'),
    acknowledged: flag(),
    acknowledgedBy: ref('acknowledgedById', 'User'),
    acknowledgedAt: range(),
    resolved: flag(),
    resolvedAt: range(),
    count: range('Int'),
    lastSeenAt: range(),
    createdAt: range(),
    updatedAt: range(),
  },
  order: { CREATED_AT: 'createdAt', SEVERITY: 'severity' },
  defaultDirection: 'DESC',
});
