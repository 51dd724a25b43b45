/** Tasks in the API. */

import { builder } from '../../graphql/builder.js';
import { relationList, relationOne, rootList } from '../../graphql/connection.js';
import { rootOne, timestamps } from '../../graphql/fields.js';
import { readEntity, uuidOf } from '../../graphql/node.js';
import { viewerCan } from '../../graphql/viewer-can.js';
import { encodeGlobalId } from '../../ids.js';
import { NodeEntity } from '../node/queries.js';
import { NodeRef } from '../node/schema.js';
import { ProjectEntity } from '../project/queries.js';
import { ProjectRef } from '../project/schema.js';
import { UserEntity } from '../user/queries.js';
import { readDetails, TaskDetailsType } from './details.js';
import { TaskEntity, TaskOperationEnum, TaskStatusEnum, tasks } from './queries.js';
import { waitForEnd } from './wait.js';

interface TaskError {
  code: string;
  message: string;
}

const TaskErrorType = builder.objectRef<TaskError>('TaskError').implement({
  description: 'Why a task did not succeed.',
  fields: (t) => ({
    code: t.exposeString('code', { description: 'Stable, for programs.' }),
    message: t.exposeString('message', {
      description: 'For people, often in the words of the agent.',
    }),
  }),
});

export const TaskRef = builder.prismaNode('Task', {
  id: { field: 'id' },
  description:
    'An operation that outlives its request: it survives restarts, ends by itself, and is kept for 30 days.',
  select: { id: true },
  fields: (t) => ({
    operation: t.expose('operation', { type: TaskOperationEnum, description: 'What is done.' }),
    status: t.expose('status', { type: TaskStatusEnum, description: 'How far it is.' }),
    progressPercent: t.exposeInt('progressPercent', {
      description: 'From 0 to 100; 100 only when it succeeded.',
    }),
    error: t.field({
      type: TaskErrorType,
      nullable: true,
      description: 'Why it did not succeed.',
      select: { errorCode: true, errorMessage: true },
      resolve: (task) =>
        task.errorCode === null ? null : { code: task.errorCode, message: task.errorMessage ?? '' },
    }),
    details: t.field({
      type: TaskDetailsType,
      nullable: true,
      description: 'What it is to do, beyond its operation; null: there is no more to say.',
      select: { details: true },
      resolve: (task) => readDetails(task.details),
    }),
    resourceId: t.id({
      description: 'What it is done to, even when that is gone.',
      select: { resourceType: true, resourceId: true },
      resolve: (task) => encodeGlobalId(task.resourceType, task.resourceId),
    }),
    resourceName: t.exposeString('resourceName', {
      description: 'What that was called when the task began.',
    }),
    force: t.exposeBoolean('force', { description: 'Whether it was asked for without grace.' }),
    createdByName: t.exposeString('createdByName', { description: 'Who asked for it.' }),
    createdBy: relationOne(
      t,
      'createdBy',
      UserEntity,
      'The user who asked for it, if you may see it.',
    ),
    project: relationOne(t, 'project', ProjectEntity, 'The project that it belongs to.'),
    hypervisorNode: relationOne(t, 'node', NodeEntity, 'The node whose agent does it.'),
    targetNode: relationOne(t, 'targetNode', NodeEntity, 'Where a migration goes.'),
    cancelRequested: t.exposeBoolean('cancelRequested', {
      description: 'Whether its agent was told to stop.',
    }),
    resultId: t.id({
      nullable: true,
      description: 'What it has made: pass it to `node(id)`.',
      select: { resultType: true, resultId: true },
      resolve: (task) =>
        task.resultType && task.resultId ? encodeGlobalId(task.resultType, task.resultId) : null,
    }),
    startedAt: t.expose('startedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the agent began.',
    }),
    finishedAt: t.expose('finishedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it ended.',
    }),
    deadlineAt: t.expose('deadlineAt', {
      type: 'DateTime',
      description: 'When it ends as TIMED_OUT at the latest.',
    }),
    ...timestamps(t),
  }),
});

viewerCan(TaskRef, TaskEntity, { Cancel: 'vm:power' });

rootOne('task', TaskEntity, 'task');
builder.queryField('waitForTask', (t) =>
  t.field({
    type: TaskRef,
    nullable: true,
    description:
      'One task as soon as it is finished, or as it is when the time is over; null when it does not exist or is not visible to you.',
    extensions: { uncacheable: true },
    args: {
      id: t.arg.id({ required: true, description: 'Its id.' }),
      timeoutMs: t.arg.int({
        defaultValue: 30_000,
        description:
          'How long to wait at most, in milliseconds; never longer than a request may take. 0 does not wait.',
      }),
    },
    resolve: async (_root, { id, timeoutMs }, context, info) => {
      const task = uuidOf('Task', id);
      await waitForEnd(context, task, timeoutMs ?? 30_000);
      return readEntity(context, info, TaskEntity, task) as never;
    },
  }),
);
rootList('tasks', tasks, 'Tasks that you may see, newest first.');

builder.prismaObjectField(ProjectRef, 'tasks', (t) =>
  relationList(t, 'tasks', tasks, 'Tasks of its virtual machines, newest first.'),
);
builder.prismaObjectField(NodeRef, 'tasks', (t) =>
  relationList(t, 'tasks', tasks, 'Tasks that its agent does or did, newest first.'),
);
