/** Tasks: the durable record of operations that outlive their request. Seen by the project's members. */
import { defineEntity, ofProject } from '../../core/entity.js';
import * as enums from '../../gen/client/enums.js';
import { builder } from '../../graphql/builder.js';
import { oneOf, range, ref } from '../../graphql/filters.js';
import { declareList } from '../../graphql/list.js';

export const TaskEntity = defineEntity({
  type: 'Task',
  model: 'task',
  label: 'resourceName',
  visibility: ofProject('projectId'),
  projectColumn: 'projectId',
});

export const TaskStatusEnum = builder.enumType('TaskStatus', {
  description: 'How far a task is.',
  values: {
    PENDING: { value: enums.TaskStatus.PENDING, description: 'Accepted; the agent has not begun.' },
    RUNNING: { value: enums.TaskStatus.RUNNING, description: 'The agent is at work.' },
    SUCCEEDED: {
      value: enums.TaskStatus.SUCCEEDED,
      description: 'Done: what was asked for was observed.',
    },
    FAILED: {
      value: enums.TaskStatus.FAILED,
      description: 'The agent could not do it; see the error.',
    },
    CANCELLED: { value: enums.TaskStatus.CANCELLED, description: 'Given up on request.' },
    TIMED_OUT: { value: enums.TaskStatus.TIMED_OUT, description: 'Not finished by its deadline.' },
  },
});

export const TaskOperationEnum = builder.enumType('TaskOperation', {
  description: 'What a task does to a virtual machine.',
  values: {
    START: { value: enums.TaskOperation.START, description: 'Power on.' },
    STOP: {
      value: enums.TaskOperation.STOP,
      description: 'Shut down, and power off when that takes too long.',
    },
    REBOOT: { value: enums.TaskOperation.REBOOT, description: 'Restart.' },
    PAUSE: { value: enums.TaskOperation.PAUSE, description: 'Freeze in memory.' },
    RESUME: { value: enums.TaskOperation.RESUME, description: 'Go on after pause or suspension.' },
    DELETE: { value: enums.TaskOperation.DELETE, description: 'Power off and delete.' },
  },
});

export const tasks = declareList(TaskEntity, {
  filter: {
    status: oneOf('TaskStatus', TaskStatusEnum),
    operation: oneOf('TaskOperation', TaskOperationEnum),
    virtualMachine: ref('virtualMachineId', 'VirtualMachine'),
    hypervisorNode: ref('nodeId', 'HypervisorNode'),
    project: ref('projectId', 'Project'),
    createdAt: range(),
    finishedAt: range(),
  },
  order: { CREATED_AT: 'createdAt' },
  defaultDirection: 'DESC',
});
