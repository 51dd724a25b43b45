/** `changes`: the change feed, as a query and as a subscription. */
import { brandWithType } from '@pothos/core';
import { entityCalled } from '../../core/entity.js';
import { feedEnd } from '../../core/feed.js';
import { encodeFeedCursor, type FeedCursor } from '../../core/feed-cursor.js';
import { builder } from '../../graphql/builder.js';
import { pageSize } from '../../graphql/keyset.js';
import { readFromBatch } from '../../graphql/node.js';
import { encodeGlobalId } from '../../ids.js';
import { AuditEntryEntity } from '../audit/queries.js';
import {
  FEED_TYPES,
  following,
  type ObjectChange,
  pageOf,
  projectTold,
  type Resync,
} from './follow.js';
import { openFeed } from './stream.js';

interface Page {
  readonly entries: readonly ObjectChange[];
  readonly end: FeedCursor;
  readonly more: boolean;
}

const Type = builder.enumType('ChangedType', {
  description: 'The types of objects whose changes are told.',
  values: Object.fromEntries(
    FEED_TYPES.map((type) => [
      type.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase(),
      { value: type, description: `Objects of type ${type}.` },
    ]),
  ),
});

const Kind = builder.enumType('ObjectChangeKind', {
  description: 'What a change was to you.',
  values: {
    CREATED: { description: 'It came into being, or came within your sight.' },
    UPDATED: { description: 'It changed.' },
    DELETED: { description: 'It is gone: for good, into the bin, or out of your sight.' },
  },
});

const Reason = builder.enumType('ChangesResyncReason', {
  description: 'Why changes cannot be told without a gap.',
  values: {
    RESTORED: { description: 'The database is another one, or went back to an earlier time.' },
    EXPIRED: { description: 'Changes since then have been deleted: the cursor is too old.' },
    RIGHTS_CHANGED: { description: 'You may see other objects than its owner did at that time.' },
  },
});

const Change = builder.objectRef<ObjectChange>('ObjectChange').implement({
  description: 'A change of an object, in the order in which the changes of that object were made.',
  fields: (t) => ({
    cursor: t.string({
      description: 'The place behind it: pass it as `after` to go on from here.',
      resolve: ({ cursor }) => encodeFeedCursor(cursor),
    }),
    type: t.field({
      type: Type,
      description: 'The type of the object.',
      resolve: (c) => c.type as never,
    }),
    id: t.id({
      description: 'The object.',
      resolve: ({ type, objectId }) => encodeGlobalId(type, objectId),
    }),
    kind: t.field({ type: Kind, description: 'What happened to it.', resolve: (c) => c.kind }),
    projectId: t.id({
      nullable: true,
      description: 'The project that it belongs to, or the one that it left; null: none of yours.',
      resolve: (change, _args, { viewer }) => {
        const id = viewer && projectTold(viewer, change);
        return id && encodeGlobalId('Project', id);
      },
    }),
    version: t.exposeInt('version', {
      nullable: true,
      description:
        'Its version after the change; null where it has none, or this did not raise it.',
    }),
    at: t.field({
      type: 'DateTime',
      description: 'When it was written; the order is that of the cursors.',
      resolve: (c) => c.createdAt,
    }),
    action: t.exposeString('action', { description: 'What was done, e.g. virtualMachine.start.' }),
    requestId: t.exposeString('requestId', {
      description: 'The request; the changes of one request have the same.',
    }),
    actor: t.string({
      nullable: true,
      description:
        'Who did it, by the name at that time; null when its audit entry is not yours to see.',
      resolve: ({ userId, projectId, username }, _args, { viewer }) =>
        viewer && AuditEntryEntity.visibility.sees(viewer, { userId, projectId }) ? username : null,
    }),
    object: t.field({
      type: builder.nodeInterfaceRef(),
      nullable: true,
      description:
        'The object as it now is, later changes included; null when it is gone or not yours to see any more.',
      resolve: async ({ type, objectId, kind, batch }, _args, context, info) => {
        if (kind === 'DELETED') return null as never;
        const row = await readFromBatch(context, info, entityCalled(type), objectId, batch);
        if (row) brandWithType(row, type as never);
        return row as never;
      },
    }),
  }),
});

const Page = builder.objectRef<Page>('ChangesPage').implement({
  description: 'Changes, and where to go on.',
  fields: (t) => ({
    changes: t.field({
      type: [Change],
      description:
        'The changes. There can be fewer than asked for, or none, although there are more.',
      resolve: ({ entries }) => [...entries],
    }),
    cursor: t.string({
      description: 'Pass it as `after` to go on from here, also when there was nothing.',
      resolve: ({ end }) => encodeFeedCursor(end),
    }),
    hasMore: t.boolean({
      description: 'Whether to ask again at once: there may be more.',
      resolve: ({ more }) => more,
    }),
  }),
});

const ResyncRef = builder.objectRef<Resync>('ChangesResync').implement({
  description:
    'The changes after the cursor cannot be told without a gap. Read what you need anew, then follow this cursor: it is from before your reading.',
  fields: (t) => ({
    cursor: t.string({
      description: 'The present place; pass it as `after`.',
      resolve: ({ cursor }) => encodeFeedCursor(cursor),
    }),
    reason: t.field({ type: Reason, description: 'Why.', resolve: ({ reason }) => reason }),
  }),
});

const Result = builder.unionType('ChangesResult', {
  description: 'A page of changes, or why there is none.',
  types: [Page, ResyncRef],
  resolveType: (value) => ('reason' in value ? ResyncRef : Page),
});

const Event = builder.unionType('ChangesEvent', {
  description: 'A change, or why the changes begin anew.',
  types: [Change, ResyncRef],
  resolveType: (value) => ('reason' in value ? ResyncRef : Change),
});

// biome-ignore lint/suspicious/noExplicitAny: the argument builders of a query and of a subscription
const common = (t: any) => ({
  after: t.arg.string({
    description: 'A cursor of the change feed: only what came after it. Without one: from now on.',
  }),
  types: t.arg({ type: [Type], description: 'Only objects of these types.' }),
  projectId: t.arg.id({
    description:
      'Only objects of this project: what leaves it is deleted, what comes into it is created.',
  }),
});

builder.queryField('changes', (t) =>
  t.field({
    type: Result,
    description:
      'The changes of all that you may see, without a gap, or with `ChangesResync`. Without `after`: no changes, only the present cursor; read it before what you want to follow.',
    args: {
      ...(common(t) as object),
      first: t.arg.int({ description: 'At most so many.' }),
    } as never,
    resolve: async (_root, args, context): Promise<Page | Resync> => {
      const asked = args as { first?: number | null };
      const first = pageSize(asked.first, 'first', context.services.config.limits);
      const selection = await following(context, args);
      if (selection.cursor) return pageOf(context, selection, selection.cursor, first);
      const end = await feedEnd(context.services.data.db, selection.rights);
      return { entries: [], end, more: false };
    },
  }),
);

builder.subscriptionField('changes', (t) =>
  t.field({
    type: Event,
    description:
      'The same, live: what came after the cursor, then each change as it is made. Begins with `ChangesResync` where that cannot be told. Slow clients miss nothing.',
    args: common(t) as never,
    subscribe: async (_root, args, context) => openFeed(context, await following(context, args)),
    resolve: (event) => event,
  }),
);
