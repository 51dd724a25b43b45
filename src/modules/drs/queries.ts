/** Recommendations of load balancing: whoever sees the virtual machine sees them; those about no machine are for every user. */
import { defineEntity, through } from '../../core/entity.js';
import * as enums from '../../gen/client/enums.js';
import { builder } from '../../graphql/builder.js';
import { oneOf, range, ref, text } from '../../graphql/filters.js';
import { declareList } from '../../graphql/list.js';
import { VirtualMachineEntity } from '../virtual-machine/queries.js';

export const DrsRecommendationEntity = defineEntity({
  type: 'DrsRecommendation',
  model: 'drsRecommendation',
  label: 'reason',
  visibility: through('virtualMachine', VirtualMachineEntity.visibility, {
    optional: true,
    permission: 'drs:read',
  }),
  projectColumn: null,
});

export const DrsPriorityEnum = builder.enumType('DrsPriority', {
  description: 'How much a recommendation matters.',
  values: {
    CRITICAL: {
      value: enums.DrsPriority.CRITICAL,
      description: 'A node is about to be exhausted.',
    },
    HIGH: { value: enums.DrsPriority.HIGH, description: 'A node is under heavy load.' },
    MEDIUM: { value: enums.DrsPriority.MEDIUM, description: 'A node is under considerable load.' },
    LOW: { value: enums.DrsPriority.LOW, description: 'The load is merely uneven.' },
  },
});

export const DrsRecommendationTypeEnum = builder.enumType('DrsRecommendationType', {
  description: 'What a recommendation says to do.',
  values: {
    MIGRATE: {
      value: enums.DrsRecommendationType.MIGRATE,
      description: 'Move the virtual machine to another node.',
    },
    POWER_ON: { value: enums.DrsRecommendationType.POWER_ON, description: 'Switch a node on.' },
    POWER_OFF: {
      value: enums.DrsRecommendationType.POWER_OFF,
      description: 'Switch a node off that is not needed.',
    },
  },
});

export const DrsStatusEnum = builder.enumType('DrsStatus', {
  description: 'What became of a recommendation.',
  values: {
    PENDING: { value: enums.DrsStatus.PENDING, description: 'It waits for a decision.' },
    APPROVED: { value: enums.DrsStatus.APPROVED, description: 'It is to be done.' },
    APPLIED: { value: enums.DrsStatus.APPLIED, description: 'It was done.' },
    REJECTED: { value: enums.DrsStatus.REJECTED, description: 'A person decided against it.' },
    EXPIRED: {
      value: enums.DrsStatus.EXPIRED,
      description:
        'It is too old, or its machine or its target is not what it was: nothing is to be done.',
    },
  },
});

export const drsRecommendations = declareList(DrsRecommendationEntity, {
  filter: {
    status: oneOf('DrsStatus', DrsStatusEnum),
    priority: oneOf('DrsPriority', DrsPriorityEnum),
    recommendationType: oneOf('DrsRecommendationType', DrsRecommendationTypeEnum),
    reason: text(),
    cluster: ref('clusterId', 'Cluster'),
    virtualMachine: ref('virtualMachineId', 'VirtualMachine'),
    sourceNode: ref('sourceNodeId', 'HypervisorNode'),
    targetNode: ref('targetNodeId', 'HypervisorNode'),
    appliedBy: ref('appliedById', 'User'),
    appliedAt: range(),
    createdAt: range(),
    updatedAt: range(),
  },
  order: { PRIORITY: 'priority', CREATED_AT: 'createdAt' },
});
