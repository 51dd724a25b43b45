/** Alerts in the API. */
import { builder } from '../../graphql/builder.js';
import { relationList, relationOne, rootList } from '../../graphql/connection.js';
import { editable, rootOne, target } from '../../graphql/fields.js';
import { looseId } from '../../graphql/loose-ref.js';
import { mutationField } from '../../graphql/mutation.js';
import { viewerCan } from '../../graphql/viewer-can.js';
import { ProjectEntity } from '../project/queries.js';
import { ProjectRef } from '../project/schema.js';
import { UserEntity } from '../user/queries.js';
import { UserRef } from '../user/schema.js';
import { acknowledgeAlert, raiseAlert, resolveAlert } from './commands.js';
import { AlertEntity, AlertSeverityEnum, AlertSourceTypeEnum, alerts } from './queries.js';
import { apiTypeOf } from './source.js';

export const AlertRef = builder.prismaNode('Alert', {
  id: { field: 'id' },
  description: 'Something that a person should know of, until it is resolved.',
  select: { id: true },
  fields: (t) => ({
    severity: t.expose('severity', { type: AlertSeverityEnum, description: 'How bad it is.' }),
    title: t.exposeString('title', { description: 'What is wrong, in a few words.' }),
    message: t.exposeString('message', { description: 'What is wrong, in full.' }),
    kind: t.exposeString('kind', {
      description:
        'What is wrong, as one word for programs. A source has one open alert of a kind.',
    }),
    count: t.exposeInt('count', { description: 'How many times it was seen.' }),
    lastSeenAt: t.expose('lastSeenAt', {
      type: 'DateTime',
      description: 'When it was seen last.',
    }),
    sourceType: t.expose('sourceType', {
      type: AlertSourceTypeEnum,
      description: 'What kind of object it is about.',
    }),
    sourceId: t.id({
      nullable: true,
      description: 'The object it is about, which may be gone by now; null: no single object.',
      select: { sourceType: true, sourceId: true },
      resolve: (alert) => looseId(apiTypeOf(alert.sourceType), alert.sourceId),
    }),
    sourceName: t.exposeString('sourceName', {
      description: 'What the object was called when the alert was raised.',
    }),
    project: relationOne(
      t,
      'project',
      ProjectEntity,
      'The project of the object; null: it is infrastructure.',
    ),
    acknowledged: t.exposeBoolean('acknowledged', {
      description: 'Whether somebody has taken notice.',
    }),
    acknowledgedBy: relationOne(
      t,
      'acknowledgedBy',
      UserEntity,
      'Who took notice; null when nobody did, or when the user is not visible to you.',
    ),
    acknowledgedAt: t.expose('acknowledgedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When somebody took notice; null: nobody did.',
    }),
    resolved: t.exposeBoolean('resolved', { description: 'Whether it is over.' }),
    resolvedAt: t.expose('resolvedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was over; null: it is not.',
    }),
    ...editable(t),
  }),
});

viewerCan(AlertRef, AlertEntity, { Update: 'alert:update' });

builder.prismaObjectField(ProjectRef, 'alerts', (t) =>
  relationList(t, 'alerts', alerts, 'Alerts about what belongs to it.'),
);
builder.prismaObjectField(UserRef, 'acknowledgedAlerts', (t) =>
  relationList(
    t,
    'acknowledgedAlerts',
    alerts,
    'Alerts that this user took notice of and that you may see.',
  ),
);

rootOne('alert', AlertEntity, 'alert');
rootList('alerts', alerts, 'The alerts that you may see, the newest first.');

const alert = {
  entity: AlertEntity,
  description: 'The alert as it now is.',
  id: (r: { alertId: string }) => r.alertId,
};

mutationField('acknowledgeAlert', acknowledgeAlert, {
  description: 'Says that you took notice of an alert. Once is enough: the first stays.',
  input: (t) => ({ id: target(t, 'alert') }),
  entities: { alert },
});

mutationField('resolveAlert', resolveAlert, {
  description: 'Says that what an alert is about is over.',
  input: (t) => ({ id: target(t, 'alert') }),
  entities: { alert },
});

mutationField('raiseAlert', raiseAlert, {
  description:
    'Raises an alert by hand. While one of the same source and kind is open, that one counts up.',
  input: (t) => ({
    severity: t.field({ type: AlertSeverityEnum, required: true, description: 'How bad it is.' }),
    title: t.string({ required: true, description: 'What is wrong, in a few words.' }),
    message: t.string({ description: 'What is wrong, in full.' }),
    sourceId: t.id({
      description:
        'The node, virtual machine, storage pool, network or cluster that it is about; the system if not given.',
    }),
    kind: t.string({
      description: 'What is wrong, as a stable word of yours; "manual" if not given.',
    }),
  }),
  entities: { alert },
});
