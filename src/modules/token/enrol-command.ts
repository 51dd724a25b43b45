/**
 * A new node lets itself in. Nobody is signed in: what counts is the enrolment token.
 *
 * The use is consumed, the node made and its own token made in one transaction: all of it, or nothing.
 * An agent whose answer was lost asks again with the key that it made up for itself, and gets another token for the node that
 * it has become already; the earlier one, which nobody received, ends.
 */
import { z } from 'zod';
import { type Change, defineCommand } from '../../core/command.js';
import { hostname, ipAddress, labels, optional } from '../../core/input.js';
import { hashToken, newToken, prefixOfToken } from '../../core/tokens.js';
import type { Tx } from '../../data/client.js';
import { AlreadyExistsError, EnrolmentRefusedError, InvalidStateError } from '../../errors.js';
import type { EnrolmentToken, Node } from '../../gen/client/client.js';
import { endAgentTokens } from '../node/agent-tokens.js';
import { shown } from './enrolment-commands.js';
import { stateOf } from './rules.js';

const TOKEN_NAME = 'enrolled';

const input = z.object({
  token: z.string().max(128),
  instanceKey: z
    .string()
    .regex(/^[\x21-\x7e]{32,128}$/, 'must have 32 to 128 visible ASCII characters, made at random'),
  hostname,
  managementIp: ipAddress,
  labels: optional(labels),
});

export const enrolHypervisorNode = defineCommand({
  name: 'node.enrol',
  resourceType: 'HypervisorNode',
  permission: null,
  input,
  label: (fields) => fields.hostname,
  errors: [EnrolmentRefusedError, AlreadyExistsError, InvalidStateError],
  unlocked: 'the row of the enrolment token is held in the transaction, and new nodes need no etcd',
  async run({ tx, now, newId }, { token: presented, instanceKey, labels = {}, ...fields }) {
    const enrolment = await holdToken(tx, hashToken(presented), now);
    const keyHash = hashToken(instanceKey);
    const where = { tokenId_keyHash: { tokenId: enrolment.id, keyHash } };
    const known = await tx.enrolment.findUnique({ where, include: { node: true } });
    const changed: Change[] = [];
    let node: Node;
    let ended: Change[] = [];
    if (known) {
      node = known.node;
      ended = await endTokens(tx, node, now);
    } else {
      const used = await consume(tx, enrolment.id, now);
      const { clusterId } = enrolment;
      node = await tx.node.create({ data: { id: newId(), ...fields, clusterId, labels } });
      await tx.enrolment.create({
        data: { tokenId: enrolment.id, keyHash, nodeId: node.id, createdAt: now },
      });
      const before = { ...shown(used), uses: used.uses - 1 };
      changed.push(
        { type: 'HypervisorNode', id: node.id, before: null, after: node },
        { type: 'EnrolmentToken', id: used.id, before, after: shown(used) },
      );
    }
    const token = newToken('agent');
    const { tokenHash: _, ...made } = await tx.apiToken.create({
      data: {
        id: newId(),
        name: TOKEN_NAME,
        nodeId: node.id,
        tokenHash: hashToken(token),
        prefix: prefixOfToken(token),
        createdAt: now,
      },
    });
    changed.push({ type: 'ApiToken', id: made.id, before: null, after: made }, ...ended);
    return {
      result: { nodeId: node.id, token: null as string | null },
      once: { token },
      changed,
      actor: { userId: null, name: `enrolment:${enrolment.name}` },
    };
  },
});

/** The row is held from here on: of agents that come at once, each sees what the one before it left. */
async function holdToken(tx: Tx, tokenHash: string, now: Date): Promise<EnrolmentToken> {
  await tx.$queryRaw`SELECT FROM enrolment_tokens WHERE token_hash = ${tokenHash} FOR NO KEY UPDATE`;
  const token = await tx.enrolmentToken.findUnique({ where: { tokenHash } });
  if (!token) throw new EnrolmentRefusedError('UNKNOWN');
  const state = stateOf({ expiresAt: token.expiresAt, revokedAt: token.revokedAt }, now);
  if (state !== 'ACTIVE') throw new EnrolmentRefusedError(state);
  return token;
}

/** One statement decides, whatever else is at work. */
async function consume(tx: Tx, id: string, now: Date): Promise<EnrolmentToken> {
  const [used] = await tx.enrolmentToken.updateManyAndReturn({
    where: {
      id,
      revokedAt: null,
      expiresAt: { gt: now },
      uses: { lt: tx.enrolmentToken.fields.maxUses },
    },
    data: { uses: { increment: 1 } },
  });
  if (!used) throw new EnrolmentRefusedError('USED_UP');
  return used;
}

/** Throws InvalidStateError for a node that is out of service for ever: its tokens are to stay ended. */
async function endTokens(tx: Tx, { id: nodeId }: Node, now: Date): Promise<Change[]> {
  const [node] = await tx.$queryRaw<{ intent: string }[]>`
    SELECT intent::text FROM nodes WHERE id = ${nodeId}::uuid FOR NO KEY UPDATE`;
  if (node?.intent === 'DECOMMISSIONED') throw new InvalidStateError('Enrolling', node.intent, []);
  return endAgentTokens(tx, nodeId, now);
}
