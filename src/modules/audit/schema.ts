/** The audit log in the API. */
import { isConfined, isEverywhere, type Viewer } from '../../core/authz.js';
import { entityCalled, mayRead } from '../../core/entity.js';
import type { AuditEntry } from '../../gen/client/client.js';
import { builder } from '../../graphql/builder.js';
import { relationList, relationOne, rootList } from '../../graphql/connection.js';
import { rootOne } from '../../graphql/fields.js';
import { looseId } from '../../graphql/loose-ref.js';
import { UserEntity } from '../user/queries.js';
import { UserRef } from '../user/schema.js';
import {
  AuditCredentialKindEnum,
  AuditEntryEntity,
  AuditStatusEnum,
  auditEntries,
} from './queries.js';

/**
 * The words of a refusal were for the caller, and may name what the other readers of the entry do not see: an administrator is told who
 * of another project holds an address. A token for some projects is not told either what its owner was told with all of them.
 */
function toldTo(
  viewer: Viewer | null,
  { details, userId }: Pick<AuditEntry, 'details' | 'userId'>,
): AuditEntry['details'] {
  const { error, ...rest } = (details ?? {}) as { error?: { message?: string } };
  if (error?.message === undefined || !viewer || isEverywhere(viewer)) return details;
  if (userId !== null && userId === viewer.userId && !isConfined(viewer)) return details;
  const { message: _, ...kept } = error;
  return { ...rest, error: kept };
}

export const AuditEntryRef = builder.prismaNode('AuditEntry', {
  id: { field: 'id' },
  description: 'What somebody did, or was refused to do. Entries are never changed or removed.',
  select: { id: true },
  fields: (t) => ({
    action: t.exposeString('action', { description: 'What was done, e.g. virtualMachine.start.' }),
    status: t.expose('status', { type: AuditStatusEnum, description: 'How it ended.' }),
    resourceType: t.exposeString('resourceType', { description: 'The type of what it was about.' }),
    resourceId: t.id({
      nullable: true,
      description: 'What it was about, which may be gone by now; null: no object of this API.',
      select: { resourceType: true, resourceId: true },
      resolve: (entry) => looseId(entry.resourceType, entry.resourceId),
    }),
    resourceName: t.exposeString('resourceName', {
      description: 'What it was called then; empty when it had no name.',
    }),
    projectId: t.id({
      nullable: true,
      description: 'The project that it belonged to, which may be gone by now; null: none.',
      select: { projectId: true },
      resolve: (entry) => looseId('Project', entry.projectId),
    }),
    details: t.field({
      type: 'JSON',
      description:
        'What changed, as values before and after, or why it was refused: to whoever was refused and to administrators in words, to others by its code. Secrets are replaced.',
      select: { details: true, userId: true },
      resolve: (entry, _args, { viewer }) => toldTo(viewer, entry),
    }),
    username: t.exposeString('username', { description: 'Who did it, by the name at that time.' }),
    user: relationOne(
      t,
      'user',
      UserEntity,
      'Who did it; null when it was no user, when the user is gone, or when it is not visible to you.',
    ),
    actorId: t.id({
      nullable: true,
      description:
        "Who did it, by the id of the user or of the agent's node, which may be gone by now; null: the control plane itself, nobody known, or a kind that your token may not read.",
      select: { actorId: true, credentialKind: true },
      resolve: ({ actorId, credentialKind }, _args, { viewer }) => {
        const entity = entityCalled(credentialKind === 'AGENT_TOKEN' ? 'HypervisorNode' : 'User');
        return viewer && mayRead(viewer, entity.visibility) ? looseId(entity.type, actorId) : null;
      },
    }),
    credentialKind: t.expose('credentialKind', {
      type: AuditCredentialKindEnum,
      nullable: true,
      description: 'What was shown to prove it; null: nothing, or nothing that counts.',
    }),
    credentialId: t.exposeString('credentialId', {
      nullable: true,
      description: 'Which session or token that was; never the secret itself.',
    }),
    ipAddress: t.expose('ipAddress', {
      type: 'IPAddress',
      nullable: true,
      description: 'Where the request came from; null: from within the control plane.',
    }),
    userAgent: t.exposeString('userAgent', {
      description: 'The program that sent the request, as it calls itself; empty when it does not.',
    }),
    requestId: t.exposeString('requestId', {
      description: 'The request; entries of one request have the same.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it happened.' }),
  }),
});

builder.prismaObjectField(UserRef, 'auditEntries', (t) =>
  relationList(t, 'auditEntries', auditEntries, 'What this user did, the newest first.'),
);

rootOne('auditEntry', AuditEntryEntity, 'entry of the audit log');
rootList(
  'auditEntries',
  auditEntries,
  'The entries of the audit log that you may see, the newest first.',
);
