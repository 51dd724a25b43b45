/** Hypervisor nodes: infrastructure, read by every user. */
import { defineEntity, everyUser } from '../../core/entity.js';
import * as enums from '../../gen/client/enums.js';
import { builder } from '../../graphql/builder.js';
import { oneOf, range, ref, text } from '../../graphql/filters.js';
import { declareList } from '../../graphql/list.js';
import { type EffectivePhase, phaseWhere } from './rules.js';

export const NodeEntity = defineEntity({
  type: 'HypervisorNode',
  model: 'node',
  label: 'hostname',
  visibility: everyUser('node:read'),
  projectColumn: null,
});

export const NodePhaseEnum = builder.enumType('NodePhase', {
  description:
    'The state of a hypervisor node: what the operator wants, where that is maintenance, else what is observed.',
  values: {
    PENDING: {
      value: enums.NodePhase.PENDING,
      description: 'Registered; its agent has not reported yet.',
    },
    READY: { value: enums.NodePhase.READY, description: 'Reports, and may run virtual machines.' },
    NOT_READY: { value: enums.NodePhase.NOT_READY, description: 'Silent for a while.' },
    DISCONNECTED: {
      value: enums.NodePhase.DISCONNECTED,
      description: 'Silent for so long that its virtual machines are unknown.',
    },
    DRAINING: {
      value: enums.NodePhase.DRAINING,
      description: 'Its virtual machines are being moved away.',
    },
    MAINTENANCE: {
      value: enums.NodePhase.MAINTENANCE,
      description: 'Taken out of service by an operator.',
    },
  },
});

export const NodeIntentEnum = builder.enumType('NodeIntent', {
  description: 'What the operator wants of a hypervisor node; no report of its agent changes it.',
  values: {
    IN_SERVICE: { value: enums.NodeIntent.IN_SERVICE, description: 'May take virtual machines.' },
    CORDONED: {
      value: enums.NodeIntent.CORDONED,
      description: 'Keeps what it runs, takes nothing new.',
    },
    DRAINING: {
      value: enums.NodeIntent.DRAINING,
      description: 'Its virtual machines are to move away.',
    },
    MAINTENANCE: { value: enums.NodeIntent.MAINTENANCE, description: 'Out of service.' },
    DECOMMISSIONED: {
      value: enums.NodeIntent.DECOMMISSIONED,
      description: 'Out of service for ever: kept for its history, its agent may not report.',
    },
  },
});

export const hypervisorNodes = declareList(NodeEntity, {
  filter: {
    hostname: text(),
    cluster: ref('clusterId', 'Cluster'),
    phase: oneOf('NodePhase', NodePhaseEnum, (phases) =>
      phaseWhere(phases as readonly EffectivePhase[]),
    ),
    intent: oneOf('NodeIntent', NodeIntentEnum),
    createdAt: range(),
    lastHeartbeat: { ...range(), uncacheable: true }, // see modules/report/heartbeat.ts
  },
  order: { HOSTNAME: 'hostname', CREATED_AT: 'createdAt' },
});
