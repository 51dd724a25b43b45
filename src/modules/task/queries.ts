/** Tasks: the durable record of operations that outlive their request. Seen by the project's members. */
import { defineEntity, ofProject, permissionsByType, tellingOf } from '../../core/entity.js';
import * as enums from '../../gen/client/enums.js';
import { builder } from '../../graphql/builder.js';
import { oneOf, range, ref } from '../../graphql/filters.js';
import { declareList } from '../../graphql/list.js';

export const TaskEntity = defineEntity({
  type: 'Task',
  model: 'task',
  label: 'resourceName',
  visibility: tellingOf('resourceType', permissionsByType, ofProject('projectId', 'task:read')),
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
  description: 'What a task does.',
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
    SUSPEND: {
      value: enums.TaskOperation.SUSPEND,
      description: 'Write memory to disk and power off.',
    },
    RESET: {
      value: enums.TaskOperation.RESET,
      description: 'Restart at once, without asking the guest.',
    },
    MIGRATE: {
      value: enums.TaskOperation.MIGRATE,
      description: 'Move to another hypervisor node.',
    },
    RESIZE: { value: enums.TaskOperation.RESIZE, description: 'Change processors and memory.' },
    RECONFIGURE: {
      value: enums.TaskOperation.RECONFIGURE,
      description: 'Attach or detach devices.',
    },
    PROVISION: {
      value: enums.TaskOperation.PROVISION,
      description: 'Make the volumes of a new virtual machine.',
    },
    CLONE: {
      value: enums.TaskOperation.CLONE,
      description: 'Copy the volumes of another virtual machine.',
    },
    CREATE_SNAPSHOT: {
      value: enums.TaskOperation.CREATE_SNAPSHOT,
      description: 'Take a snapshot.',
    },
    REVERT_SNAPSHOT: {
      value: enums.TaskOperation.REVERT_SNAPSHOT,
      description: 'Go back to a snapshot.',
    },
    DELETE_SNAPSHOT: {
      value: enums.TaskOperation.DELETE_SNAPSHOT,
      description: 'Delete a snapshot.',
    },
    CREATE_VOLUME: { value: enums.TaskOperation.CREATE_VOLUME, description: 'Make a volume.' },
    GROW_VOLUME: { value: enums.TaskOperation.GROW_VOLUME, description: 'Make a volume larger.' },
    DELETE_VOLUME: { value: enums.TaskOperation.DELETE_VOLUME, description: 'Delete a volume.' },
    IMPORT_IMAGE: {
      value: enums.TaskOperation.IMPORT_IMAGE,
      description: 'Fetch, check and convert an image.',
    },
    DELETE_IMAGE: { value: enums.TaskOperation.DELETE_IMAGE, description: 'Delete an image.' },
    PREPARE_POOL: {
      value: enums.TaskOperation.PREPARE_POOL,
      description: 'Connect a storage pool and measure it.',
    },
    PROMOTE: {
      value: enums.TaskOperation.PROMOTE,
      description: 'Give linked volumes blocks of their own, where they are.',
    },
  },
});

export const tasks = declareList(TaskEntity, {
  filter: {
    status: oneOf('TaskStatus', TaskStatusEnum),
    operation: oneOf('TaskOperation', TaskOperationEnum),
    virtualMachine: ref('virtualMachineId', 'VirtualMachine'),
    volume: ref('volumeId', 'Volume'),
    image: ref('imageId', 'Image'),
    storagePool: ref('poolId', 'StoragePool'),
    hypervisorNode: ref('nodeId', 'HypervisorNode'),
    targetNode: ref('targetNodeId', 'HypervisorNode'),
    project: ref('projectId', 'Project'),
    createdAt: range(),
    finishedAt: range(),
  },
  order: { CREATED_AT: 'createdAt' },
  defaultDirection: 'DESC',
});
