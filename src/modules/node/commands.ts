/** What an operator can do to hypervisor nodes. What an agent reports of them is in modules/report. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { requireVisible } from '../../core/entity.js';
import {
  hostname,
  idOf,
  ipAddress,
  labels,
  name,
  optional,
  present,
  version,
} from '../../core/input.js';
import { nameLock } from '../../core/locks.js';
import { hashToken, newToken, prefixOfToken } from '../../core/tokens.js';
import { deleteVersioned, readForEdit, updateVersioned } from '../../core/versioned.js';
import {
  AlreadyExistsError,
  InUseError,
  InvalidStateError,
  NotFoundError,
  ValidationError,
} from '../../errors.js';
import type { Node } from '../../gen/client/client.js';
import { ClusterEntity } from '../cluster/queries.js';
import { endAgentTokens } from './agent-tokens.js';
import { leavePools, refuseWhileUsed } from './leaving.js';
import { NodeEntity } from './queries.js';

const subject = (input: { id: string }) => ({ entity: NodeEntity, id: input.id });
const resourceType = 'HypervisorNode';

export const registerHypervisorNode = defineCommand({
  name: 'node.register',
  resourceType,
  permission: 'node:create',
  input: z.object({
    hostname,
    managementIp: ipAddress,
    clusterId: idOf('Cluster'),
    labels: optional(labels),
  }),
  errors: [AlreadyExistsError, NotFoundError],
  lock: ({ hostname }) => [nameLock(NodeEntity, hostname)],
  label: (input) => input.hostname,
  async run({ tx, viewer, newId }, { labels = {}, ...fields }) {
    await requireVisible(tx, ClusterEntity, viewer, fields.clusterId, { id: true }, ['clusterId']);
    const after = await tx.node.create({ data: { id: newId(), ...fields, labels } });
    return {
      result: { nodeId: after.id },
      changed: [{ type: resourceType, id: after.id, before: null, after }],
    };
  },
});

export const updateHypervisorNode = defineCommand({
  name: 'node.update',
  resourceType,
  permission: 'node:update',
  subject,
  input: z.object({
    id: idOf('HypervisorNode'),
    hostname: optional(hostname),
    managementIp: optional(ipAddress),
    labels: optional(labels),
    expectedVersion: version,
  }),
  errors: [AlreadyExistsError],
  async run({ tx }, { id, expectedVersion, ...fields }) {
    const before = await readForEdit<Node>(tx, NodeEntity, id, expectedVersion);
    const after = await updateVersioned(tx, NodeEntity, before, present(fields));
    return { result: { nodeId: id }, changed: [{ type: resourceType, id, before, after }] };
  },
});

export const deleteHypervisorNode = defineCommand({
  name: 'node.delete',
  resourceType,
  permission: 'node:delete',
  subject,
  input: z.object({ id: idOf('HypervisorNode'), expectedVersion: version }),
  errors: [InUseError],
  async run({ tx, viewer }, { id, expectedVersion }) {
    const before = await readForEdit<Node>(tx, NodeEntity, id, expectedVersion);
    await refuseWhileUsed(tx, viewer, id);
    const pools = await leavePools(tx, viewer, id);
    await deleteVersioned(tx, NodeEntity, before);
    return {
      result: { deletedNodeId: id },
      changed: [{ type: resourceType, id, before, after: null }, ...pools],
    };
  },
});

/** Safe to retry: a lost answer costs one more token, which the operator may revoke with `revokeOthers`. */
export const issueAgentToken = defineCommand({
  name: 'node.issueAgentToken',
  resourceType,
  permission: 'node:update',
  subject: (input: { nodeId: string }) => ({
    entity: NodeEntity,
    id: input.nodeId,
    path: ['nodeId'],
  }),
  input: z.object({
    nodeId: idOf('HypervisorNode'),
    name: optional(name),
    revokeOthers: optional(z.boolean()),
    expiresAt: optional(z.date()),
  }),
  errors: [InvalidStateError],
  async run({ tx, now, newId }, { nodeId, name = 'agent', revokeOthers, expiresAt = null }) {
    if (expiresAt && expiresAt <= now) throw ValidationError.of(['expiresAt'], 'is in the past');
    // Not while it is being decommissioned either: its tokens are to end, and stay ended.
    const [node] = await tx.$queryRaw<{ intent: string }[]>`
      SELECT intent::text FROM nodes WHERE id = ${nodeId}::uuid FOR NO KEY UPDATE`;
    if (node?.intent === 'DECOMMISSIONED')
      throw new InvalidStateError('Issuing a token', node.intent, []);
    const token = newToken('agent');
    const ended = revokeOthers ? await endAgentTokens(tx, nodeId, now) : [];
    const after = await tx.apiToken.create({
      data: {
        id: newId(),
        name,
        nodeId,
        tokenHash: hashToken(token),
        prefix: prefixOfToken(token),
        expiresAt,
        createdAt: now,
      },
    });
    const { tokenHash: _, ...shown } = after;
    return {
      result: { nodeId, token: null as string | null, revoked: ended.length },
      once: { token },
      changed: [{ type: 'ApiToken', id: after.id, before: null, after: shown }, ...ended],
    };
  },
});
