/** Hypervisor nodes in the API. */
import { builder } from '../../graphql/builder.js';
import { relationList, relationOne, rootList } from '../../graphql/connection.js';
import {
  deletedId,
  editable,
  expectedVersion,
  labelsField,
  rootOne,
  target,
} from '../../graphql/fields.js';
import { mutationField } from '../../graphql/mutation.js';
import { viewerCan } from '../../graphql/viewer-can.js';
import { ClusterEntity } from '../cluster/queries.js';
import { ClusterRef } from '../cluster/schema.js';
import {
  deleteHypervisorNode,
  issueAgentToken,
  registerHypervisorNode,
  updateHypervisorNode,
} from './commands.js';
import { decommissionHypervisorNode } from './decommission-command.js';
import {
  cordonHypervisorNode,
  enterMaintenance,
  exitMaintenance,
  uncordonHypervisorNode,
} from './intent-commands.js';
import { hypervisorNodes, NodeEntity, NodeIntentEnum, NodePhaseEnum } from './queries.js';
import { type Condition, capacityOf, effectivePhase, freeCapacity } from './rules.js';
import { readNodeSpec, readSystemInfo } from './spec.js';
import { CapacityType, ConditionType, NodeSpecType, SystemInfoType } from './spec-schema.js';

export const NodeRef = builder.prismaNode('Node', {
  name: 'HypervisorNode',
  id: { field: 'id' },
  description:
    'A hypervisor node: a machine that runs virtual machines, with an agent that reports.',
  select: { id: true },
  fields: (t) => ({
    hostname: t.exposeString('hostname', { description: 'Unique.' }),
    managementIp: t.expose('managementIp', {
      type: 'IPAddress',
      description: 'Where it is administered.',
    }),
    labels: labelsField(t),
    phase: t.field({
      type: NodePhaseEnum,
      description: 'Its state: maintenance where the operator wants it, else what is observed.',
      select: { phase: true, intent: true },
      resolve: effectivePhase,
    }),
    observedPhase: t.expose('phase', {
      type: NodePhaseEnum,
      description: 'What is observed, whatever the operator wants.',
    }),
    intent: t.expose('intent', { type: NodeIntentEnum, description: 'What the operator wants.' }),
    conditions: t.field({
      type: [ConditionType],
      description: 'What is known of its health, one for each type.',
      select: { conditions: true },
      resolve: (node) => (node.conditions as unknown as Condition[] | null) ?? [],
    }),
    spec: t.field({
      type: NodeSpecType,
      nullable: true,
      description: 'Its hardware; null until its agent has reported.',
      select: { spec: true },
      resolve: (node) => readNodeSpec(node.spec),
    }),
    systemInfo: t.field({
      type: SystemInfoType,
      nullable: true,
      description: 'Its software; null until its agent has reported.',
      select: { systemInfo: true },
      resolve: (node) => readSystemInfo(node.systemInfo),
    }),
    allocatable: t.field({
      type: CapacityType,
      description: 'What it has for virtual machines, before overcommit.',
      select: { allocatable: true },
      resolve: (node) => capacityOf(node.allocatable),
    }),
    allocated: t.field({
      type: CapacityType,
      description: 'What its virtual machines hold.',
      select: { allocated: true },
      resolve: (node) => capacityOf(node.allocated),
    }),
    free: t.field({
      type: CapacityType,
      description: 'What is left for virtual machines, overcommit included.',
      select: { allocatable: true, allocated: true },
      resolve: (node, _args, { services }) => {
        const { cpuOvercommit: cpu, memoryOvercommit: memory } = services.config.placement;
        return freeCapacity(capacityOf(node.allocatable), capacityOf(node.allocated), {
          cpu,
          memory,
        });
      },
    }),
    lastHeartbeat: t.expose('lastHeartbeat', {
      type: 'DateTime',
      nullable: true,
      description: 'When its agent reported last.',
      extensions: { uncacheable: true },
    }),
    cluster: relationOne(t, 'cluster', ClusterEntity, 'The cluster that it belongs to.'),
    ...editable(t),
  }),
});

viewerCan(NodeRef, NodeEntity, { Update: 'node:update', Delete: 'node:delete' });

builder.prismaObjectField(ClusterRef, 'nodes', (t) =>
  relationList(t, 'nodes', hypervisorNodes, 'Its hypervisor nodes.'),
);

rootOne('hypervisorNode', NodeEntity, 'hypervisor node');
rootList('hypervisorNodes', hypervisorNodes, 'All hypervisor nodes.');

const payload = {
  hypervisorNode: {
    entity: NodeEntity,
    description: 'The node as it now is.',
    id: (r: { nodeId: string }) => r.nodeId,
  },
};

mutationField('registerHypervisorNode', registerHypervisorNode, {
  description:
    'Makes a machine known. It is PENDING until its agent, with a token from issueAgentToken, reports.',
  input: (t) => ({
    hostname: t.string({
      required: true,
      description: 'Unique; a host name of RFC 1123 in lower case.',
    }),
    managementIp: t.field({
      type: 'IPAddress',
      required: true,
      description: 'Where it is administered.',
    }),
    clusterId: t.id({ required: true, description: 'The cluster that it joins.' }),
    labels: t.field({ type: 'JSON', description: 'Key and value pairs of your own.' }),
  }),
  entities: payload,
});

mutationField('updateHypervisorNode', updateHypervisorNode, {
  description: 'Changes what is given of a hypervisor node and leaves the rest.',
  input: (t) => ({
    id: target(t, 'hypervisor node'),
    hostname: t.string({ description: 'Its new host name.' }),
    managementIp: t.field({ type: 'IPAddress', description: 'Where it is administered.' }),
    labels: t.field({ type: 'JSON', description: 'All its labels; those that are not named go.' }),
    expectedVersion: expectedVersion(t),
  }),
  entities: payload,
});

mutationField('deleteHypervisorNode', deleteHypervisorNode, {
  description:
    'Forgets a hypervisor node that no virtual machine is placed on and no task concerns. Its tokens end, and storage pools lose it; the last node of a pool stays.',
  input: (t) => ({ id: target(t, 'hypervisor node'), expectedVersion: expectedVersion(t) }),
  fields: (t) => ({ deletedHypervisorNodeId: deletedId(t, 'HypervisorNode', 'deletedNodeId') }),
});

mutationField('decommissionHypervisorNode', decommissionHypervisorNode, {
  description:
    'Takes a node out of service for ever and ends its tokens; its row stays for the history. Refused while virtual machines are placed on it or tasks concern it: enterMaintenance empties it.',
  input: (t) => ({ id: target(t, 'hypervisor node'), expectedVersion: expectedVersion(t) }),
  entities: payload,
});

mutationField('issueAgentToken', issueAgentToken, {
  description:
    "Makes a token for the node's agent. It is shown this once; only a hash of it is kept.",
  input: (t) => ({
    nodeId: t.id({ required: true, description: 'The hypervisor node.' }),
    name: t.string({ description: 'What to call the token; "agent" if not given.' }),
    revokeOthers: t.boolean({
      description:
        'End all earlier tokens of the node. To change tokens without a pause: issue, let the agent take the new one, then revokeApiToken.',
    }),
    expiresAt: t.field({
      type: 'DateTime',
      description: 'When it ends; without it, not before it is revoked.',
    }),
  }),
  entities: payload,
  fields: (t) => ({
    token: t.string({
      nullable: true,
      description:
        'For the agent: `Authorization: Bearer <token>`. Null in a dry run and when an idempotency key is replayed.',
      resolve: ({ result, dryRun }) => (dryRun ? null : result.token),
    }),
    revokedCount: t.int({
      description: 'How many earlier tokens ended.',
      resolve: ({ result }) => result.revoked,
    }),
  }),
});

const intents = [
  [
    'cordonHypervisorNode',
    cordonHypervisorNode,
    'Keeps new virtual machines away from a node; those on it stay.',
  ],
  [
    'uncordonHypervisorNode',
    uncordonHypervisorNode,
    'Lets a cordoned node take virtual machines again.',
  ],
  [
    'enterMaintenance',
    enterMaintenance,
    'Takes a node out of service: at once when it is empty, else it is DRAINING until its virtual machines have been moved away. planMaintenance says what is in the way.',
  ],
  [
    'exitMaintenance',
    exitMaintenance,
    'Puts a node back into service. Migrations that have begun go on.',
  ],
] as const;

for (const [name, command, description] of intents) {
  mutationField(name, command, {
    description,
    input: (t) => ({ id: target(t, 'hypervisor node') }),
    entities: payload,
  });
}
