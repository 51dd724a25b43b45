/** The audit log: administrators read all of it, others what they did and what happened in their projects. */
import { isConfined, isEverywhere, isWithin } from '../../core/authz.js';
import { defineEntity, permissionsByType, readable, tellingOf } from '../../core/entity.js';
import * as enums from '../../gen/client/enums.js';
import { builder } from '../../graphql/builder.js';
import { address, oneOf, range, ref, text } from '../../graphql/filters.js';
import { declareList } from '../../graphql/list.js';
import { looseRef } from '../../graphql/loose-ref.js';

/** A token for some projects reads what happened in those, and not what its owner did elsewhere. */
const mineOrOfMyProjects = readable('audit:read', {
  where(viewer) {
    if (isEverywhere(viewer)) return {};
    const inMine = { projectId: { in: [...viewer.projects.keys()] } };
    return isConfined(viewer) ? inMine : { OR: [{ userId: viewer.id }, inMine] };
  },
  needs: { userId: true, projectId: true },
  sees(viewer, { userId, projectId }) {
    if (isEverywhere(viewer)) return true;
    if (userId === viewer.id && !isConfined(viewer)) return true;
    return projectId !== null && isWithin(viewer, String(projectId));
  },
  audience: ({ userId, projectId }) => [userId, projectId].filter((id) => id !== null).map(String),
});

export const AuditEntryEntity = defineEntity({
  type: 'AuditEntry',
  model: 'auditEntry',
  label: 'action',
  visibility: tellingOf('resourceType', permissionsByType, mineOrOfMyProjects),
  projectColumn: 'projectId',
});

export const AuditStatusEnum = builder.enumType('AuditStatus', {
  description: 'How an action ended.',
  values: {
    SUCCEEDED: { value: enums.AuditStatus.SUCCEEDED, description: 'It was done.' },
    DENIED: { value: enums.AuditStatus.DENIED, description: 'It was not permitted.' },
    FAILED: { value: enums.AuditStatus.FAILED, description: 'It could not be done.' },
  },
});

export const AuditCredentialKindEnum = builder.enumType('AuditCredentialKind', {
  description: 'What somebody shows to prove who they are.',
  values: {
    SESSION: { value: enums.AuditCredentialKind.SESSION, description: 'A session, by signing in.' },
    API_TOKEN: { value: enums.AuditCredentialKind.API_TOKEN, description: "A user's token." },
    AGENT_TOKEN: { value: enums.AuditCredentialKind.AGENT_TOKEN, description: "A node's token." },
  },
});

export const auditEntries = declareList(AuditEntryEntity, {
  filter: {
    action: text(),
    status: oneOf('AuditStatus', AuditStatusEnum),
    resourceType: text(),
    resource: looseRef('resourceType', 'resourceId'),
    resourceName: text(),
    username: text(),
    user: ref('userId', 'User'),
    credentialKind: oneOf('AuditCredentialKind', AuditCredentialKindEnum),
    credentialId: text(),
    ipAddress: address(),
    project: ref('projectId', 'Project'),
    requestId: text(),
    createdAt: range(),
  },
  order: { CREATED_AT: 'createdAt' },
  defaultDirection: 'DESC',
});
