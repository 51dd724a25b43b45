/** The history of each object: the entries that tell of it, and what they say field by field. */
import { allEntities } from '../../core/entity.js';
import type { Json } from '../../core/json.js';
import { changesBetween, type FieldChange, MAX_CHANGES } from '../../core/json-changes.js';
import { builder } from '../../graphql/builder.js';
import { looseList } from '../../graphql/connection.js';
import { looseId } from '../../graphql/loose-ref.js';
import { auditEntries } from './queries.js';
import { AuditEntryRef } from './schema.js';

const FieldChangeType = builder.objectRef<FieldChange>('FieldChange').implement({
  description: 'A field that has another value than before.',
  fields: (t) => ({
    path: t.exposeStringList('path', {
      description:
        'Where it is, from the outside in, e.g. ["spec", "cpu", "cores"]; in a list, by its position from 0.',
    }),
    before: t.field({
      type: 'JSON',
      nullable: true,
      description: 'What it was; null: nothing. Secrets are replaced.',
      resolve: ({ before }) => before,
    }),
    after: t.field({
      type: 'JSON',
      nullable: true,
      description: 'What it is from then on; null: nothing. Secrets are replaced.',
      resolve: ({ after }) => after,
    }),
  }),
});

builder.prismaObjectField(AuditEntryRef, 'changes', (t) =>
  t.field({
    type: [FieldChangeType],
    description: `What changed, field by field, the first ${MAX_CHANGES}; all fields of what was created or deleted; empty when nothing changed.`,
    select: { details: true },
    resolve: ({ details }) => {
      const { before = null, after = null } = details as { before?: Json; after?: Json };
      return before === null && after === null ? [] : changesBetween(before ?? {}, after ?? {});
    },
  }),
);

builder.prismaObjectField(AuditEntryRef, 'taskId', (t) =>
  t.id({
    nullable: true,
    description:
      'The task that was begun, moved on or ended with it, which may be gone by now; null: none.',
    select: { details: true, resourceId: true, resourceType: true },
    resolve: ({ details, resourceId, resourceType }) => {
      const { task = null } = details as { task?: string };
      return looseId('Task', resourceType === 'Task' ? resourceId : task);
    },
  }),
);

/** The audit log's own entries have none: they do not change. */
for (const { type } of allEntities()) {
  if (type === 'AuditEntry') continue;
  builder.objectField(type as never, 'history', (t) =>
    looseList(
      t,
      auditEntries,
      ({ id }) => ({ resourceType: type, resourceId: id }),
      'What was done to it, or refused, as far as you may see it: the newest first.',
    ),
  );
}
