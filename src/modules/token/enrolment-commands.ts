/** Tokens with which new nodes enrol. Making and ending them is for those who may make nodes known. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { idOf, name, optional } from '../../core/input.js';
import { hashToken, newToken, prefixOfToken } from '../../core/tokens.js';
import type { EnrolmentToken } from '../../gen/client/client.js';
import { ClusterEntity } from '../cluster/queries.js';
import { EnrolmentTokenEntity } from './queries.js';
import { expiryOf } from './rules.js';

const resourceType = 'EnrolmentToken';
const MAX_USES = 10_000;

/** The hash is no part of what happened. */
export const shown = ({ tokenHash: _, ...token }: EnrolmentToken) => token;

export const createEnrolmentToken = defineCommand({
  name: 'enrolmentToken.create',
  resourceType,
  permission: 'node:create',
  subject: (input: { clusterId: string }) => ({
    entity: ClusterEntity,
    id: input.clusterId,
    path: ['clusterId'],
  }),
  input: z.object({
    clusterId: idOf('Cluster'),
    name: optional(name),
    uses: optional(z.number().int().min(1, 'at least 1').max(MAX_USES, `at most ${MAX_USES}`)),
    expiresAt: optional(z.date()),
  }),
  errors: [],
  async run(
    { tx, viewer, now, newId, services },
    { clusterId, name = 'enrolment', uses, ...asked },
  ) {
    const longest = services.config.auth.maxEnrolmentTtlMs;
    const token = newToken('enrolment');
    const after = await tx.enrolmentToken.create({
      data: {
        id: newId(),
        name,
        clusterId,
        tokenHash: hashToken(token),
        prefix: prefixOfToken(token),
        maxUses: uses ?? 1,
        expiresAt: expiryOf(asked.expiresAt, now, longest, 'auth.max_enrolment_ttl'),
        createdById: viewer.userId,
        createdAt: now,
      },
    });
    return {
      result: { enrolmentTokenId: after.id, token: null as string | null },
      once: { token },
      changed: [{ type: resourceType, id: after.id, before: null, after: shown(after) }],
    };
  },
});

/** Nodes that it let in stay. */
export const revokeEnrolmentToken = defineCommand({
  name: 'enrolmentToken.revoke',
  resourceType,
  permission: 'node:create',
  subject: (input: { id: string }) => ({ entity: EnrolmentTokenEntity, id: input.id }),
  input: z.object({ id: idOf('EnrolmentToken') }),
  errors: [],
  async run({ tx, now }, { id }) {
    const result = { enrolmentTokenId: id };
    const [after] = await tx.enrolmentToken.updateManyAndReturn({
      where: { id, revokedAt: null },
      data: { revokedAt: now },
    });
    if (!after) return { result, changed: [] };
    const before = { ...shown(after), revokedAt: null };
    return { result, changed: [{ type: resourceType, id, before, after: shown(after) }] };
  },
});
