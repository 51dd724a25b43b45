/** What people do about alerts. */
import { z } from 'zod';
import { defineCommand, type Outcome, type RunContext } from '../../core/command.js';
import { delegateOf, findEntity, requireVisible } from '../../core/entity.js';
import { idOf, name, optional } from '../../core/input.js';
import { nameLock } from '../../core/locks.js';
import { readForEdit, updateVersioned } from '../../core/versioned.js';
import { NotFoundError, ValidationError } from '../../errors.js';
import type { Alert } from '../../gen/client/client.js';
import { decodeGlobalId } from '../../ids.js';
import { AlertEntity } from './queries.js';
import { raiseAlert as raise } from './raise.js';
import { sourceOf } from './source.js';

const resourceType = 'Alert';
const subject = (input: { id: string }) => ({ entity: AlertEntity, id: input.id });
const target = z.object({ id: idOf('Alert') });

/** What it has already is not done again: who acknowledged first stays. */
async function mark(
  context: RunContext,
  id: string,
  isDone: (alert: Alert) => boolean,
  data: object,
): Promise<Outcome<{ alertId: string }>> {
  const before = await readForEdit<Alert>(context.tx, AlertEntity, id);
  if (isDone(before)) return { result: { alertId: id }, changed: [] };
  const after = await updateVersioned(context.tx, AlertEntity, before, data);
  return { result: { alertId: id }, changed: [{ type: resourceType, id, before, after }] };
}

export const acknowledgeAlert = defineCommand({
  name: 'alert.acknowledge',
  resourceType,
  permission: 'alert:update',
  subject,
  input: target,
  errors: [],
  run: (context, { id }) =>
    mark(context, id, (alert) => alert.acknowledged || alert.resolved, {
      acknowledged: true,
      acknowledgedById: context.viewer.userId,
      acknowledgedAt: context.now,
    }),
});

export const resolveAlert = defineCommand({
  name: 'alert.resolve',
  resourceType,
  permission: 'alert:update',
  subject,
  input: target,
  errors: [],
  run: (context, { id }) =>
    mark(context, id, (alert) => alert.resolved, { resolved: true, resolvedAt: context.now }),
});

/** By hand, by a person or a script that watches something this program does not. */
export const raiseAlert = defineCommand({
  name: 'alert.raise',
  resourceType,
  permission: 'alert:create',
  input: z.object({
    severity: z.enum(['CRITICAL', 'WARNING', 'INFO']),
    title: z.string().min(1).max(253),
    message: optional(z.string().max(4000)),
    sourceId: optional(z.string()),
    kind: optional(name),
  }),
  errors: [NotFoundError],
  lock: ({ kind = 'manual', sourceId }) => [
    nameLock(AlertEntity, kind, sourceId && decodeGlobalId(sourceId)?.id),
  ],
  label: (input) => input.title,
  async run({ tx, viewer, now, newId }, { sourceId, message = '', kind = 'manual', ...fields }) {
    const source = await findSource();
    const { alert, change } = await raise(
      tx,
      { ...fields, ...source, message, kind },
      newId(),
      now,
    );
    return { result: { alertId: alert.id }, changed: [change] };

    async function findSource() {
      if (sourceId === undefined)
        return { sourceType: 'SYSTEM' as const, sourceId: null, sourceName: '', projectId: null };
      const decoded = decodeGlobalId(sourceId);
      const sourceType = decoded && sourceOf(decoded.type);
      const entity = decoded && findEntity(decoded.type);
      if (!decoded || !sourceType || !entity) {
        throw ValidationError.of(
          ['sourceId'],
          'must be the id of a node, virtual machine, storage pool, network or cluster',
        );
      }
      await requireVisible(tx, entity, viewer, decoded.id, { id: true }, ['sourceId']);
      const row = await delegateOf(tx, entity.model).findFirst({ where: { id: decoded.id } });
      if (!row) throw new NotFoundError(entity.type, ['sourceId']);
      const projectId = entity.projectColumn ? (row[entity.projectColumn] as string | null) : null;
      return { sourceType, sourceId: decoded.id, sourceName: String(row[entity.label]), projectId };
    }
  },
});
